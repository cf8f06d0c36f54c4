import type { Backend } from "./backend.js";
import {
  type ClassLossOptions,
  checkIgnoreIndex,
  checkRowGradOutput,
  checkWeight,
  layOutClasses,
  placeResults,
  weightOfKept,
} from "./cross-entropy.js";
import {
  type FloatArrayLike,
  type FloatValues,
  makeResults,
  numberAt,
  type ResultArray,
  readFloats,
} from "./floats.js";
import {
  checkNoOut,
  checkNormalizer,
  checkReduction,
  type GradOptions,
  type LossWithGrad,
  type Reduction,
  scaleOf,
} from "./reduction.js";
import type { Rows } from "./rows.js";
import { Sum } from "./sum.js";
import { type CheckedTargets, type ClassTargets, checkTargets, type RawTargets, readClasses } from "./targets.js";
import { checkOptions } from "./validate.js";

export interface NllLossOptions extends ClassLossOptions {
  /** Where the rows' losses go, with reduction `"none"`. */
  readonly out?: FloatArrayLike | undefined;
}

export interface NllLossGradOptions extends ClassLossOptions, GradOptions {
  /** Where the gradient goes: as long as the log-probabilities, whose own array makes it in place. */
  readonly out?: FloatArrayLike | undefined;
}

const OPTIONS = new Set(["shape", "axis", "reduction", "weight", "ignoreIndex", "normalizer", "out"]);
const GRAD_OPTIONS = new Set([...OPTIONS, "gradOutput"]);

// One value a row is looked up and none is computed: a backend looks at the targets only: the log-probabilities would
// be copied to it for every `classes`-th of them.

export function nllLoss(
  backend: Backend,
  logProbs: FloatArrayLike,
  targets: ClassTargets,
  options?: NllLossOptions,
): number | ResultArray {
  checkOptions(options, OPTIONS);
  const call = prepare(backend, logProbs, targets, options);
  const { layout, reduction } = call;
  checkNoOut(options?.out, reduction);
  const losses =
    reduction === "none" ? placeResults("logProbs", call, call.weight, layout.rows, options?.out) : undefined;
  const total = sumLosses(call, losses);
  return losses ?? total / call.divisor;
}

export function nllLossWithGrad(
  backend: Backend,
  logProbs: FloatArrayLike,
  targets: ClassTargets,
  options?: NllLossGradOptions,
): LossWithGrad {
  checkOptions(options, GRAD_OPTIONS);
  const call = prepare(backend, logProbs, targets, options);
  const { values, layout, reduction, divisor } = call;
  const gradOutput = checkRowGradOutput(options?.gradOutput, reduction, layout);
  const grad = placeResults("logProbs", call, call.weight, values.data.length, options?.out, gradOutput);
  const losses = reduction === "none" ? makeResults(values.kind, layout.rows) : undefined;
  const total = sumLosses(call, losses);
  const scale = typeof gradOutput === "number" ? scaleOf(gradOutput, divisor) : apartFrom(grad, gradOutput);
  const weight = call.weight && apartFrom(grad, call.weight);
  grad.fill(0);
  eachRow(call, (row, target, place) => {
    if (target === undefined) return;
    const s = typeof scale === "number" ? scale : (scale[row] as number);
    grad[place] = 0 - s * weightAt(weight, target);
  });
  return { loss: losses ?? total / divisor, grad };
}

interface Call {
  readonly values: FloatValues;
  readonly layout: Rows;
  readonly raw: RawTargets;
  readonly targets: CheckedTargets;
  readonly weight: Float64Array | undefined;
  readonly reduction: Reduction;
  readonly divisor: number;
}

function prepare(
  backend: Backend,
  logProbs: FloatArrayLike,
  classes: ClassTargets,
  options: ClassLossOptions | undefined,
): Call {
  const values = readFloats("logProbs", logProbs);
  const raw = readClasses(classes);
  const reduction = checkReduction(options);
  const normalizer = checkNormalizer(options, reduction);
  const layout = layOutClasses("logProbs", values, raw.length, options);
  const weight = checkWeight(options, layout);
  const targets = checkTargets(raw, checkIgnoreIndex(options), layout, backend);
  const ownDivisor = weight ? weightOfKept(targets, weight) : targets.kept;
  const divisor = reduction === "mean" ? (normalizer ?? ownDivisor) : 1;
  return { values, layout, raw, targets, weight, reduction, divisor };
}

/** With one class, a gradient may take the place of the gradient from above; with one row, that of the weights. */
function apartFrom(grad: ResultArray, input: ResultArray): ResultArray {
  return input.length === grad.length ? input.slice() : input;
}

/** Writes the rows' losses where asked to, and returns their sum. */
function sumLosses(call: Call, losses: ResultArray | undefined): number {
  const total = new Sum();
  eachRow(call, (row, target, place) => {
    const loss = target === undefined ? 0 : 0 - weightAt(call.weight, target) * numberAt(call.values, place);
    if (losses) losses[row] = loss;
    total.add(loss);
  });
  return total.value;
}

function weightAt(weight: ResultArray | undefined, target: number): number {
  return weight ? (weight[target] as number) : 1;
}

/** Visits the rows in order, with their target and its place, or undefined and the row's first class. */
function eachRow(
  { targets: { data, step, ignoreIndex }, layout: { outer, classes, inner } }: Call,
  visit: (row: number, target: number | undefined, place: number) => void,
): void {
  for (let row = 0, block = 0; block < outer; block++) {
    for (let position = 0; position < inner; position++, row++) {
      const target = data[row * step] as number;
      const start = block * classes * inner + position;
      if (target === ignoreIndex) visit(row, undefined, start);
      else visit(row, target, start + target * inner);
    }
  }
}
