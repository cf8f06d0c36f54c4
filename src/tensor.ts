import type { Backend, Storage } from "./backend.js";
import { sizeOf } from "./tensor-like.js";
import { checkShape, wrongValue } from "./validate.js";

/** Values in a core's own memory, which its functions read and write (`out`) without a copy. */
export interface Tensor {
  readonly shape: readonly number[];
  /**
   * The values, row-major: always a live view. Making another tensor can move the memory, so read this anew after it
   * rather than keep it.
   */
  readonly data: Float32Array;
  /** Lets the values go; `using` does so at the end of its block. */
  readonly dispose: () => void;
  readonly [Symbol.dispose]: () => void;
}

/** The largest tensor, in values: what the allocator in the memory gives in one piece. */
const LARGEST = 2 ** 28 - 8;

/** A tensor of zeros. `forget` is called once, when it is disposed of. */
export function makeTensor(backend: Backend, shape: readonly number[], forget: (tensor: Tensor) => void): Tensor {
  const sizes = Object.freeze([...checkShape("shape", shape)]);
  const size = sizeOf(sizes);
  if (size > LARGEST) throw wrongValue("shape", `at most ${LARGEST} values`, size);
  let storage: Storage | undefined = backend.allocate(size);
  const dispose = (): void => {
    storage?.release();
    storage = undefined;
    forget(tensor);
  };
  const tensor: Tensor = {
    shape: sizes,
    get data() {
      if (storage === undefined) throw new Error("tensor: expected one in use, got one after its dispose()");
      return storage.view();
    },
    dispose,
    [Symbol.dispose]: dispose,
  };
  return tensor;
}
