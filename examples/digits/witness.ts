import { createCore } from "surprisal";

/** What the loss of one training step was computed from. */
export interface Batch {
  readonly logits: Float32Array;
  readonly labels: Int32Array;
}

/** How far two backends may differ: relative to the value, and near 0 by float32's smallest normal number. */
const RELATIVE_TOLERANCE = 8e-7;
const ABSOLUTE_TOLERANCE = 2 ** -126;

/** Computes each batch once more in pure TypeScript and remembers the largest differences. */
export class Witness {
  readonly #core = createCore({ backend: "js" });
  lossDifference = 0;
  gradDifference = 0;
  agrees = true;

  compare({ logits, labels }: Batch, loss: number, grad: Float32Array): void {
    const expected = this.#core.crossEntropyWithGrad(logits, labels);
    this.lossDifference = Math.max(this.lossDifference, this.#difference(loss, expected.loss));
    grad.forEach((value, i) => {
      const difference = this.#difference(value, expected.grad[i] as number);
      this.gradDifference = Math.max(this.gradDifference, difference);
    });
  }

  #difference(value: number, expected: number): number {
    const difference = Math.abs(value - expected);
    const within = difference <= RELATIVE_TOLERANCE * Math.abs(expected) + ABSOLUTE_TOLERANCE;
    // NaN is within nothing.
    if (!within) this.agrees = false;
    return difference;
  }
}
