/** How far a float32 result may lie from the exact value, and why; and the expectations that hold results to it. */

import { expect, vi } from "vitest";
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

const SHOWN = 5;

function errorInTolerances(got: number, want: number, allowed: number): number {
  if (Number.isFinite(got) && Number.isFinite(want)) return Math.abs(got - want) / allowed;
  return Object.is(got, want) ? 0 : Number.POSITIVE_INFINITY;
}

/** Holds an array, whose rows have `classes` elements, to the exact values; one expectation, however long it is. */
export const expectClose = vi.defineHelper(
  (what: string, got: Numbers, want: Numbers, classes: number, tolerance: Tolerance): void => {
    const misses: { index: number; error: number }[] = [];
    for (let i = 0; i < want.length; i++) {
      const exact = at(want, i);
      const error = errorInTolerances(got[i] ?? Number.NaN, exact, tolerance(exact, i));
      if (!(error <= 1)) misses.push({ index: i, error });
    }
    const report = misses
      .sort((a, b) => b.error - a.error)
      .slice(0, SHOWN)
      .map(({ index, error }) => {
        const where = `${what} row ${Math.floor(index / classes)} class ${index % classes}`;
        return `${where}: got ${got[index]}, want ${want[index]}, off by ${error.toPrecision(3)} tolerances`;
      });
    expect({ length: got.length, misses: misses.length, report }).toEqual({
      length: want.length,
      misses: 0,
      report: [],
    });
  },
);

/** Holds one number to its exact value. */
export const expectCloseNumber = vi.defineHelper(
  (what: string, got: number, want: number, tolerance: Tolerance): void => {
    expectClose(what, [got], [want], 1, tolerance);
  },
);

/** The bits of float32 values, as a view of them. */
export function wordsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** The same bits, word by word: NaN equals NaN, and 0 does not equal -0. */
export const expectSameBits = vi.defineHelper((what: string, got: Float32Array, want: Float32Array): void => {
  const [gotWords, wantWords] = [wordsOf(got), wordsOf(want)];
  let index = 0;
  while (index < wantWords.length && gotWords[index] === wantWords[index]) index++;
  const report = index === wantWords.length ? "same bits" : `${what}[${index}]: got ${got[index]}, want ${want[index]}`;
  expect({ length: got.length, report }).toEqual({ length: want.length, report: "same bits" });
});
