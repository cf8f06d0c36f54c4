/** The losses of single elements: binary cross-entropy, of probabilities and of logits, and Kullback and Leibler's. */

import { at, type Numbers } from "./arithmetic.js";
import { type Losses, type ReductionOptions, type RowLoss, reduced } from "./reduction.js";

/** One number, one for each element, or one for each position of the last axis, over which it repeats. */
export type Weight = number | Numbers;

export interface BinaryOptions extends ReductionOptions {
  readonly weight?: Weight | undefined;
}

export interface BinaryWithLogitsOptions extends BinaryOptions {
  readonly posWeight?: Weight | undefined;
}

export interface DivergenceOptions extends Omit<ReductionOptions, "reduction"> {
  readonly reduction?: "mean" | "sum" | "none" | "batchmean" | undefined;
  readonly logTarget?: boolean | undefined;
}

function weightAt(weight: Weight, i: number): number {
  return typeof weight === "number" ? weight : at(weight, i % weight.length);
}

/** A loss and a derivative, each of two terms. */
function ofTerms(loss: readonly [number, number], grad: readonly [number, number]): RowLoss {
  return {
    loss: loss[0] + loss[1],
    lossSize: Math.abs(loss[0]) + Math.abs(loss[1]),
    grad: Float64Array.of(grad[0] + grad[1]),
    gradSizes: Float64Array.of(Math.abs(grad[0]) + Math.abs(grad[1])),
  };
}

function mapElements(values: Numbers, options: ReductionOptions, map: (value: number, i: number) => RowLoss): Losses {
  const elements = Array.from(values, map);
  return reduced(elements, 1, elements.length, options);
}

/** PyTorch's: each logarithm is at least -100, and the gradient (p - y) / max(p (1 - p), 1e-12), clamped or not, with a float32 for 1e-12. */
export function binaryCrossEntropy(probs: Numbers, targets: Numbers, options: BinaryOptions = {}): Losses {
  const { weight = 1 } = options;
  return mapElements(probs, options, (p, i) => {
    const [y, w] = [at(targets, i), weightAt(weight, i)];
    const steepness = w / Math.max(p * (1 - p), Math.fround(1e-12));
    return ofTerms(
      [-w * y * Math.max(Math.log(p), -100), -w * (1 - y) * Math.max(Math.log1p(-p), -100)],
      [steepness * (p - y), 0],
    );
  });
}

/** -log σ(x) = log(1 + e^-x) */
function softplusOfNegative(x: number): number {
  return Math.max(-x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

function sigmoid(x: number): number {
  return x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x));
}

/**
 * w (v y log(1 + e^-x) + (1 - y) log(1 + e^x)) with v the weight of the positive term. At infinite logits PyTorch's
 * arrangement (1 - y) x + … + max(-x, 0) decides: NaN at -Infinity, and (1 - y) Infinity at Infinity. The gradient
 * has its limits there.
 */
export function binaryCrossEntropyWithLogits(
  logits: Numbers,
  targets: Numbers,
  options: BinaryWithLogitsOptions = {},
): Losses {
  const { weight = 1, posWeight = 1 } = options;
  return mapElements(logits, options, (x, i) => {
    const [y, w, v] = [at(targets, i), weightAt(weight, i), weightAt(posWeight, i)];
    const infinite = x > 0 ? (1 - y) * x * w : Number.NaN;
    return ofTerms(
      Math.abs(x) === Number.POSITIVE_INFINITY
        ? [infinite, 0]
        : [w * v * y * softplusOfNegative(x), w * (1 - y) * softplusOfNegative(-x)],
      [-w * v * y * sigmoid(-x), w * (1 - y) * sigmoid(x)],
    );
  });
}

/**
 * p (log p - logQ), 0 for p = 0 unless logQ is -Infinity; with `logTarget` what stands for p is log p.
 * `batches` is the first axis's length, by which "batchmean" divides.
 */
export function klDivergence(
  logQ: Numbers,
  p: Numbers,
  batches: number,
  { reduction, logTarget = false, ...options }: DivergenceOptions = {},
): Losses {
  const elementOf = logTarget ? ofLogarithm : ofProbability;
  const losses = Array.from(logQ, (value, i) => elementOf(value, at(p, i)));
  if (reduction !== "batchmean") return reduced(losses, 1, losses.length, { ...options, reduction });
  return reduced(losses, 1, batches, { ...options, reduction: "mean" });
}

function ofProbability(logQ: number, p: number): RowLoss {
  return ofTerms([p === 0 ? 0 : p * Math.log(p), -p * logQ], [-p, 0]);
}

function ofLogarithm(logQ: number, logP: number): RowLoss {
  return ofTerms([Math.exp(logP) * (logP - logQ), 0], [-Math.exp(logP), 0]);
}
