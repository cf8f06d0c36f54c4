/**
 * A sum in float64 whose error does not grow with the number of its terms: what each addition rounds off is summed apart
 * (Neumaier, Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen, 1974).
 */
export class Sum {
  #total = 0;
  #lost = 0;

  add(term: number): void {
    const next = this.#total + term;
    this.#lost += Math.abs(this.#total) >= Math.abs(term) ? this.#total - next + term : term - next + this.#total;
    this.#total = next;
  }

  /** An infinite sum has lost Infinity - Infinity, which does not count. */
  get value(): number {
    return Number.isFinite(this.#lost) ? this.#total + this.#lost : this.#total;
  }
}
