/// <reference lib="esnext.disposable" preserve="true" />
import type { Storage } from "./backend.js";

/** Values in a core's own memory, which its functions read and write (`out`) without a copy. */
export interface Tensor {
  readonly shape: readonly number[];
  /**
   * The values, row-major: always a live view. Making another tensor can move the memory, so read this anew after it
   * rather than keep it.
   */
  readonly data: Float32Array;
  /**
   * Lets the values go; `using` does so at the end of its block. Their place is the next tensor's: keep no view of it.
   */
  dispose(): void;
  [Symbol.dispose](): void;
}

/** A tensor whose shape and data are known to be in order. */
export class CoreTensor implements Tensor {
  readonly shape: readonly number[];
  readonly #sizes: readonly number[];
  #storage: Storage | undefined;
  readonly #forget: (tensor: CoreTensor) => void;

  /** `forget` is called when the tensor is disposed of. */
  constructor(shape: readonly number[], storage: Storage, forget: (tensor: CoreTensor) => void) {
    this.#sizes = [...shape];
    this.shape = Object.freeze([...shape]);
    this.#storage = storage;
    this.#forget = forget;
  }

  /** The shape once more, for the functions here: V8 reads an array that is not frozen several times as fast. */
  get sizes(): readonly number[] {
    return this.#sizes;
  }

  get data(): Float32Array {
    if (this.#storage === undefined) {
      throw new Error("tensor: expected one in use, got one after its dispose()");
    }
    return this.#storage.view();
  }

  dispose(): void {
    this.#storage?.release();
    this.#storage = undefined;
    this.#forget(this);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
