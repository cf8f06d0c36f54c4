/** What the formulas are made of: arrays read with care, sums that lose nothing, exponentials of exact differences. */

export type Numbers = ArrayLike<number>;
export type Targets = ArrayLike<number> | ArrayLike<bigint>;

/** An element that has to be there. */
export function at<T extends number | bigint>(values: ArrayLike<T>, index: number): T {
  const value = values[index];
  if (value === undefined) throw new RangeError(`no element ${index} in ${values.length}`);
  return value;
}

/** The same for one kind of array, which engines read much faster than any of many kinds. */
export function float(values: Float64Array, index: number): number {
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
  const values = terms instanceof Float64Array ? terms : Float64Array.from(terms);
  const total = new CompensatedSum();
  for (let i = 0; i < values.length; i++) total.add(float(values, i));
  return total.value;
}

/** The index of the largest element, or of the first NaN. */
export function largest(row: Float64Array): number {
  let top = 0;
  let max = float(row, 0);
  for (let j = 1; j < row.length && !Number.isNaN(max); j++) {
    const value = float(row, j);
    if (value <= max) continue;
    top = j;
    max = value;
  }
  return top;
}

/**
 * e^(a - b) for a finite b. Far from 0 the rounding of a - b alone would be many units of the result; Knuth's two-sum
 * finds it, and e^d (1 + δ) makes up for it.
 */
export function expDifference(a: number, b: number): number {
  const difference = a - b;
  const power = Math.exp(difference);
  if (power === 0 || !Number.isFinite(power)) return power;
  const taken = a - difference;
  return power * (1 + (a - (difference + taken) + (taken - b)));
}

/** Views of an array's rows, of `classes` elements each. */
export function rowsOf(values: Numbers, classes: number): Float64Array[] {
  const all = Float64Array.from(values);
  return Array.from({ length: classes === 0 ? 0 : all.length / classes }, (_, i) =>
    all.subarray(i * classes, (i + 1) * classes),
  );
}
