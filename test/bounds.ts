/** How far results may lie from the exact values, and why. */

import { at, type Numbers } from "./oracle.js";

/** The error allowed for an exact value, and for the place where it stands. */
export type Tolerance = (want: number, index: number) => number;

const MIN_NORMAL = 2 ** -126;
const bits = new DataView(new ArrayBuffer(4));

/** The distance from |value| to the next float32 above it. */
export function float32Ulp(value: number): number {
  bits.setFloat32(0, value);
  const exponent = (bits.getUint32(0) >>> 23) & 0xff;
  return 2 ** (Math.max(exponent, 1) - 150);
}

/**
 * A loss is a logarithm of a sum of exponentials that are each good to about an ulp (1.2e-7) and add up without
 * cancellation, since the target is left out: 3e-7 relative, however small the loss. Below the smallest normal float32
 * an exponential may be flushed or clamped, by at most that much in each of the `exponentials` of the sum.
 */
export const reducedLoss =
  (exponentials: number): Tolerance =>
  (want) =>
    3e-7 * Math.abs(want) + exponentials * MIN_NORMAL;

/** The same, and the rounding of the result to float32. */
export const rowLosses =
  (exponentials: number): Tolerance =>
  (want, index) =>
    reducedLoss(exponentials)(want, index) + float32Ulp(want) / 2;

/** x - lse in float32: an ulp for lse and an ulp for the difference. Near 0 lse itself is known to 1e-6 only. */
export const logProbabilities: Tolerance = (want) => Math.max(2 * float32Ulp(want), 1e-6);

/** As for log-softmax. */
export const logSums: Tolerance = (want) => Math.max(2 * float32Ulp(want), 1e-6);

/**
 * An exponential, the sum and the scaling by its inverse: about five roundings of at most 1.2e-7, relative even far
 * from the maximum. Below the smallest normal float32 a probability may be flushed to 0.
 */
export const probabilities: Tolerance = (want) => 6e-7 * Math.abs(want) + MIN_NORMAL;

/**
 * A probability times `scale` = gradOutput / divisor. At the target the gradient is -Σ_{j≠y} p_j, so that nothing
 * cancels there either; what is flushed of a probability is scaled with it, and a scaled one may be flushed itself.
 */
export const lossGradients =
  (scale: number): Tolerance =>
  (want) =>
    6e-7 * Math.abs(want) + Math.max(1, Math.abs(scale)) * MIN_NORMAL;

/** Σ|term| of each row, of as many terms as there are elements */
function sumsOfSizes(length: number, classes: number, term: (index: number) => number): Float64Array {
  const sums = new Float64Array(length / classes);
  for (let row = 0; row < sums.length; row++) {
    let total = 0;
    for (let i = row * classes; i < (row + 1) * classes; i++) total += Math.abs(term(i));
    sums[row] = total;
  }
  return sums;
}

/**
 * g - e^lp · Σg is a difference, as good as its terms; and Σg is as good as Σ|g|. With every exponential, sum and
 * rounding good to 6e-7 of its own size, as above, the result is good to 6e-7 of |g| + e^lp · Σ|g|. Relative to the
 * result itself nothing can be promised: the roundings of the inputs alone may change all of its digits. An exponential
 * below the smallest normal float32 may be flushed, and Σg multiplies what is lost.
 */
export function logSoftmaxGradients(gradOutput: Numbers, logProbs: Numbers, classes: number): Tolerance {
  const sums = sumsOfSizes(gradOutput.length, classes, (i) => at(gradOutput, i));
  return (_want, index) => {
    const sum = at(sums, Math.floor(index / classes));
    const terms = Math.abs(at(gradOutput, index)) + Math.exp(at(logProbs, index)) * sum;
    return 6e-7 * terms + (1 + sum) * MIN_NORMAL;
  };
}

/**
 * p · (g - Σgp), by the same reasoning: 6e-7 of p · (|g| + Σ|gp|), and products below the normal numbers may be lost.
 */
export function softmaxGradients(gradOutput: Numbers, probs: Numbers, classes: number): Tolerance {
  const sums = sumsOfSizes(gradOutput.length, classes, (i) => at(gradOutput, i) * at(probs, i));
  return (_want, index) => {
    const terms = at(probs, index) * (Math.abs(at(gradOutput, index)) + at(sums, Math.floor(index / classes)));
    return 6e-7 * terms + MIN_NORMAL;
  };
}

/** How far a result may be off that is `want`, and the sum of terms of this size (`sizes` of the oracle). */
export type Bound = (want: number, size: number) => number;

/** What a call's results are held to, by what they are. */
export interface Bounds {
  readonly logarithm: Bound;
  readonly probability: Bound;
  readonly reducedLoss: Bound;
  readonly loss: Bound;
  readonly gradient: Bound;
}

/**
 * The bounds above, for all functions. `lost` is what exponentials that are flushed to 0, at most the smallest normal
 * float32 each, can come to in a result.
 */
export function float32Bounds(lost: number): Bounds {
  return {
    logarithm: (want) => logProbabilities(want, 0),
    probability: (want) => probabilities(want, 0),
    reducedLoss: (_want, size) => 3e-7 * size + lost,
    loss: (want, size) => 3e-7 * size + lost + float32Ulp(want) / 2,
    gradient: (_want, size) => 6e-7 * size + lost,
  };
}

/**
 * Results of float64: 1e-14 of the terms' size. An exponent x - max is rounded to half a unit in its last place, which
 * an exponential as small as e^-700 multiplies to 8e-14; so is softcap · tanh(x / softcap), and `steepest`, the largest
 * x / softcap, in the exponent of its slope. Logarithms near 0 are known to 1e-15.
 */
export function float64Bounds(lost: number, softcap = 0, steepest = 0): Bounds {
  const largestCapped = softcap * Math.min(1, steepest);
  const relative = (size: number): number => {
    const exponent = size > 0 && size < 1 ? -Math.log(size) : 0;
    return (1e-14 + 1.2e-16 * exponent + 1e-15 * largestCapped) * size;
  };
  return {
    logarithm: (_want, size) => relative(size) + 1e-15,
    probability: (want) => relative(want) + 2 ** -1022,
    reducedLoss: (_want, size) => relative(size) + lost,
    loss: (_want, size) => relative(size) + lost,
    gradient: (_want, size) => relative(size) + 1e-15 * Math.min(steepest, 750) * size + lost,
  };
}
