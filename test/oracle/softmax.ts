/** Log-sum-exp, log-softmax, softmax and the two backward passes, over rows of `classes` elements. */

import { at, expDifference, float, largest, type Numbers, rowsOf, sum } from "./arithmetic.js";

/** A row's maximum, the class that has it, and e^(x_j - max) of the others, with 0 in its place. */
export interface Exponentials {
  readonly top: number;
  readonly max: number;
  readonly others: Float64Array;
  /** Σ_{j≠top} e^(x_j - max), so that log Σ e^x = max + log1p(rest) */
  readonly rest: number;
}

/** Null where there is no softmax: with NaN, with +Infinity, or of only -Infinity. */
export function exponentials(row: Float64Array): Exponentials | null {
  const top = largest(row);
  const max = float(row, top);
  if (!Number.isFinite(max)) return null;
  const others = new Float64Array(row.length);
  for (let j = 0; j < row.length; j++) if (j !== top) others[j] = expDifference(float(row, j), max);
  return { top, max, others, rest: sum(others) };
}

function mapRows(values: Numbers, classes: number, map: (row: Float64Array, i: number) => Float64Array): Float64Array {
  const result = new Float64Array(values.length);
  rowsOf(values, classes).forEach((row, i) => {
    result.set(map(row, i), i * classes);
  });
  return result;
}

/** PyTorch's logsumexp: a row of only -Infinity gives -Infinity, and +Infinity stays what it is. */
export function logSumExp(x: Numbers, classes: number): Float64Array {
  return Float64Array.from(rowsOf(x, classes), (row) => {
    const found = exponentials(row);
    return found ? found.max + Math.log1p(found.rest) : at(row, largest(row));
  });
}

export function logSoftmax(x: Numbers, classes: number): Float64Array {
  return mapRows(x, classes, (row) => {
    const found = exponentials(row);
    if (!found) return row.map(() => Number.NaN);
    const { max, rest } = found;
    const logSum = Math.log1p(rest);
    return row.map((value) => value - max - logSum);
  });
}

export function softmax(x: Numbers, classes: number): Float64Array {
  return mapRows(x, classes, (row) => {
    const found = exponentials(row);
    if (!found) return row.map(() => Number.NaN);
    const { top, others, rest } = found;
    return others.map((power, j) => (j === top ? 1 : power) / (1 + rest));
  });
}

/** g - p · Σg with p = e^logProbs */
export function logSoftmaxGrad(gradOutput: Numbers, logProbs: Numbers, classes: number): Float64Array {
  const logs = rowsOf(logProbs, classes);
  return mapRows(gradOutput, classes, (g, i) => {
    const total = sum(g);
    return g.map((value, c) => value - Math.exp(at(logs[i] ?? [], c)) * total);
  });
}

/** p · (g - Σgp) */
export function softmaxGrad(gradOutput: Numbers, probs: Numbers, classes: number): Float64Array {
  const ps = rowsOf(probs, classes);
  return mapRows(gradOutput, classes, (g, i) => {
    const p = ps[i] ?? [];
    const mean = sum(g.map((value, c) => value * at(p, c)));
    return g.map((value, c) => at(p, c) * (value - mean));
  });
}
