/** A call of any of the package's functions, in any layout, as the oracle answers it. */

import { at, largest, type Numbers, rowsOf, sum, type Targets } from "./arithmetic.js";
import { crossEntropy, nllLoss, softCrossEntropy } from "./cross-entropy.js";
import { binaryCrossEntropy, binaryCrossEntropyWithLogits, klDivergence, type Weight } from "./elementwise.js";
import { fromRows, type Layout, sizesOf, toRows } from "./layout.js";
import type { Losses } from "./reduction.js";
import { logSoftmax, logSoftmaxGrad, logSumExp, softmax, softmaxGrad } from "./softmax.js";

export const softmaxFunctions = ["logSoftmax", "softmax", "logSumExp"] as const;
export const backwardFunctions = ["logSoftmaxGrad", "softmaxGrad"] as const;
export const lossFunctions = [
  "crossEntropy",
  "nllLoss",
  "binaryCrossEntropy",
  "binaryCrossEntropyWithLogits",
  "klDivergence",
] as const;

export type SoftmaxFunction = (typeof softmaxFunctions)[number];
export type BackwardFunction = (typeof backwardFunctions)[number];
export type LossFunction = (typeof lossFunctions)[number];

/** The options of all losses but where results go; each loss looks at its own. */
export interface AllOptions {
  readonly reduction?: "mean" | "sum" | "none" | "batchmean" | undefined;
  readonly weight?: Weight | undefined;
  readonly posWeight?: Weight | undefined;
  readonly ignoreIndex?: number | undefined;
  readonly labelSmoothing?: number | undefined;
  readonly zLoss?: number | undefined;
  readonly softcap?: number | undefined;
  readonly normalizer?: number | undefined;
  readonly logTarget?: boolean | undefined;
  readonly gradOutput?: number | Numbers | undefined;
}

/** A result and the sizes of the terms that it is a sum of; of a reduced loss one value, which is a number. */
export interface Exact {
  readonly values: Float64Array;
  readonly sizes: Float64Array;
  readonly isNumber: boolean;
}

export interface ExactLoss {
  readonly loss: Exact;
  readonly grad: Exact;
}

/** Log-sum-exp has a value a row, in the order of the other axes; the others are laid out like their argument. */
export function exactSoftmax(name: SoftmaxFunction, x: Numbers, layout: Layout): Exact {
  const { classes } = sizesOf(layout);
  const rows = toRows(x, layout);
  if (name === "logSumExp") {
    const values = logSumExp(rows, classes);
    const sizes = Float64Array.from(rowsOf(rows, classes), (row, i) => {
      const max = at(row, largest(row));
      return Math.abs(max) + (at(values, i) - max);
    });
    return { values, sizes, isNumber: false };
  }
  const values = fromRows((name === "softmax" ? softmax : logSoftmax)(rows, classes), layout);
  return { values, sizes: values.map(Math.abs), isNumber: false };
}

/** `y` is what the forward pass gave. */
export function exactBackward(name: BackwardFunction, gradOutput: Numbers, y: Numbers, layout: Layout): Exact {
  const { classes } = sizesOf(layout);
  const [gs, ys] = [toRows(gradOutput, layout), toRows(y, layout)];
  const backward = name === "softmaxGrad" ? softmaxGrad : logSoftmaxGrad;
  const rows = rowsOf(gs, classes);
  const sizes = gs.map((g, i) => {
    const first = i - (i % classes);
    const row = rows[first / classes] ?? [];
    const own = at(ys, i);
    if (name === "softmaxGrad") return own * (Math.abs(g) + sum(row.map((g, c) => Math.abs(g * at(ys, first + c)))));
    return Math.abs(g) + Math.exp(own) * sum(row.map(Math.abs));
  });
  return { values: fromRows(backward(gs, ys, classes), layout), sizes: fromRows(sizes, layout), isNumber: false };
}

/** What a loss is taken of, and its targets: one class a row, or (`soft`) a number an element. */
export interface LossArguments {
  readonly subject: Numbers;
  readonly targets: Targets;
  readonly soft: boolean;
}

export function exactLoss(name: LossFunction, given: LossArguments, layout: Layout, options: AllOptions): ExactLoss {
  const losses = lossesBy(name, given, layout, options);
  const isRowwise = name === "crossEntropy" || name === "nllLoss";
  const laidOut = (grad: Float64Array): Float64Array => (isRowwise ? fromRows(grad, layout) : grad);
  const { rows, loss, grad, sizes } = losses;
  return {
    loss:
      options.reduction === "none"
        ? { values: rows, sizes: sizes.rows, isNumber: false }
        : { values: Float64Array.of(loss), sizes: Float64Array.of(sizes.loss), isNumber: true },
    grad: { values: laidOut(grad), sizes: laidOut(sizes.grad), isNumber: false },
  };
}

function lossesBy(
  name: LossFunction,
  { subject, targets, soft }: LossArguments,
  layout: Layout,
  { weight, posWeight, reduction, ...rest }: AllOptions,
): Losses {
  const { classes } = sizesOf(layout);
  const numbers = Float64Array.from(targets, Number);
  if (name === "klDivergence") {
    return klDivergence(subject, numbers, at(layout.shape, 0), { ...rest, reduction });
  }
  if (reduction === "batchmean") throw new RangeError(`${name} has no batchmean`);
  if (name === "binaryCrossEntropy") return binaryCrossEntropy(subject, numbers, { ...rest, weight, reduction });
  if (name === "binaryCrossEntropyWithLogits") {
    return binaryCrossEntropyWithLogits(subject, numbers, { ...rest, weight, posWeight, reduction });
  }
  if (typeof weight === "number") throw new RangeError(`${name} has one weight a class`);
  const x = toRows(subject, layout);
  const options = { ...rest, weight, reduction };
  if (name === "nllLoss") return nllLoss(x, numbers, classes, options);
  if (soft) return softCrossEntropy(x, toRows(numbers, layout), classes, options);
  return crossEntropy(x, numbers, classes, options);
}
