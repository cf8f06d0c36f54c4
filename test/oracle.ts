/**
 * The textbook formulas in float64, to hold the library against. Nothing here is shared with `src/`.
 *
 * With m the row's maximum and t its index, every sum leaves one class out:
 * rest = Σ_{j≠t} e^(x_j - m), lse = m + log1p(rest), so that what is small beside 1 is never added to it before its
 * logarithm is taken. Sums are compensated; what remains is the rounding of exp, log1p and a few operations: against
 * 400 digits, losses, probabilities and gradients of all families of `inputs.ts` are within 4e-16, also where they are
 * 1e-87.
 */

export type Numbers = ArrayLike<number>;
export type Targets = ArrayLike<number> | ArrayLike<bigint>;

export interface LossOptions {
  readonly reduction?: "mean" | "sum" | "none";
  readonly ignoreIndex?: number;
  readonly normalizer?: number;
  readonly gradOutput?: number | Numbers;
}

export interface Losses {
  /** One loss a row, 0 for an ignored one. */
  readonly rows: Float64Array;
  /** The rows reduced; for "none" their sum. */
  readonly loss: number;
  readonly grad: Float64Array;
}

/** An element that has to be there. */
export function at<T extends number | bigint>(values: ArrayLike<T>, index: number): T {
  const value = values[index];
  if (value === undefined) throw new RangeError(`no element ${index} in ${values.length}`);
  return value;
}

/** Neumaier's sum: the roundings of the additions are summed apart, so that their number does not matter. */
export class CompensatedSum {
  #sum = 0;
  #lost = 0;

  add(term: number): void {
    const sum = this.#sum + term;
    this.#lost += Math.abs(this.#sum) >= Math.abs(term) ? this.#sum - sum + term : term - sum + this.#sum;
    this.#sum = sum;
  }

  /** An infinite sum has lost Infinity - Infinity, which is not to be added to it. */
  get value(): number {
    return Number.isFinite(this.#sum) ? this.#sum + this.#lost : this.#sum;
  }
}

export function sum(terms: Numbers): number {
  const total = new CompensatedSum();
  for (let i = 0; i < terms.length; i++) total.add(at(terms, i));
  return total.value;
}

/** The index of the largest element, or of the first NaN. */
function largest(row: Numbers): number {
  let top = 0;
  for (let j = 1; j < row.length && !Number.isNaN(at(row, top)); j++) if (!(at(row, j) <= at(row, top))) top = j;
  return top;
}

/** Σ_{j≠leftOut} e^(x_j - reference) */
function sumExpExcept(row: Numbers, leftOut: number, reference: number): number {
  const total = new CompensatedSum();
  for (let j = 0; j < row.length; j++) if (j !== leftOut) total.add(Math.exp(at(row, j) - reference));
  return total.value;
}

function rowsOf(values: Numbers, classes: number): Float64Array[] {
  const all = new Float64Array(values);
  return Array.from({ length: classes === 0 ? 0 : all.length / classes }, (_, i) =>
    all.subarray(i * classes, (i + 1) * classes),
  );
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
    const top = largest(row);
    const max = at(row, top);
    return Number.isFinite(max) ? max + Math.log1p(sumExpExcept(row, top, max)) : max;
  });
}

export function logSoftmax(x: Numbers, classes: number): Float64Array {
  return mapRows(x, classes, (row) => {
    const top = largest(row);
    const max = at(row, top);
    if (!Number.isFinite(max)) return row.map(() => Number.NaN);
    const logSum = Math.log1p(sumExpExcept(row, top, max));
    return row.map((value) => value - max - logSum);
  });
}

export function softmax(x: Numbers, classes: number): Float64Array {
  return mapRows(x, classes, (row) => {
    const top = largest(row);
    const max = at(row, top);
    if (!Number.isFinite(max)) return row.map(() => Number.NaN);
    const total = 1 + sumExpExcept(row, top, max);
    return row.map((value) => Math.exp(value - max) / total);
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

/** The loss and the gradient of one row, where only the target's derivative is a difference: p_y - 1 = -Σ_{j≠y} p_j. */
function rowLoss(row: Float64Array, target: number): { loss: number; grad: Float64Array } {
  const max = at(row, largest(row));
  if (!Number.isFinite(max)) return { loss: Number.NaN, grad: row.map(() => Number.NaN) };
  const behind = max - at(row, target);
  const others = sumExpExcept(row, target, max);
  const total = others + Math.exp(-behind);
  const grad = row.map((value, c) => (c === target ? -others : Math.exp(value - max)) / total);
  return { loss: behind === 0 ? Math.log1p(others) : behind + Math.log(total), grad };
}

export function crossEntropy(x: Numbers, targets: Targets, classes: number, options: LossOptions = {}): Losses {
  const { reduction = "mean", ignoreIndex = -100, gradOutput = 1 } = options;
  const labels = Array.from(targets, Number);
  const kept = labels.filter((label) => label !== ignoreIndex).length;
  const divisor = reduction === "mean" ? (options.normalizer ?? kept) : 1;
  const losses = new Float64Array(labels.length);
  const grad = mapRows(x, classes, (row, i) => {
    const label = at(labels, i);
    if (label === ignoreIndex) return new Float64Array(classes);
    const { loss, grad } = rowLoss(row, label);
    losses[i] = loss;
    const scale = (typeof gradOutput === "number" ? gradOutput : at(gradOutput, i)) / divisor;
    return grad.map((value) => value * scale);
  });
  return { rows: losses, loss: sum(losses) / divisor, grad };
}
