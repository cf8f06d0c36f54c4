/// <reference lib="esnext.disposable" preserve="true" />
import type { Backend, BackendName } from "./backend.js";
import { crossChecked } from "./cross-check.js";
import type {
  CrossEntropyGradOptions,
  CrossEntropyOptions,
  LossWithGrad,
  Reduced,
  Unreduced,
} from "./cross-entropy.js";
import * as crossEntropies from "./cross-entropy.js";
import type { SoftmaxOptions } from "./log-softmax.js";
import * as softmaxes from "./log-softmax.js";
import { scalarBackend } from "./scalar.js";
import { fastestBackend, openBackend } from "./select.js";
import type { ClassTargets } from "./targets.js";
import { CoreTensor, type Tensor } from "./tensor.js";
import { type FloatArrayLike, sizeOf } from "./tensor-like.js";
import { checkChoice, checkOptions, checkShape, wrongKind, wrongValue } from "./validate.js";

export interface CoreOptions {
  /** `"auto"`, the default, takes the fastest that this engine runs well. */
  readonly backend?: BackendName | "auto" | undefined;
  /** Runs every call on the pure-TypeScript backend too, and throws a `CrossCheckError` where the two differ. */
  readonly crossCheck?: boolean | undefined;
}

/** See the exported `crossEntropy`. */
export interface CrossEntropy {
  (logits: FloatArrayLike, targets: ClassTargets, options: CrossEntropyOptions & Unreduced): Float32Array;
  (logits: FloatArrayLike, targets: ClassTargets, options?: CrossEntropyOptions & Reduced): number;
  (logits: FloatArrayLike, targets: ClassTargets, options?: CrossEntropyOptions): number | Float32Array;
}

/** See the exported `crossEntropyWithGrad`. */
export interface CrossEntropyWithGrad {
  (
    logits: FloatArrayLike,
    targets: ClassTargets,
    options: CrossEntropyGradOptions & Unreduced,
  ): LossWithGrad<Float32Array>;
  (logits: FloatArrayLike, targets: ClassTargets, options?: CrossEntropyGradOptions & Reduced): LossWithGrad<number>;
  (logits: FloatArrayLike, targets: ClassTargets, options?: CrossEntropyGradOptions): LossWithGrad;
}

/** The functions of the package on one backend, with a memory of its own. They need no `this`. */
export interface Core {
  /** The backend in use. */
  readonly backend: BackendName;
  readonly logSoftmax: (x: FloatArrayLike, options?: SoftmaxOptions) => Float32Array;
  readonly softmax: (x: FloatArrayLike, options?: SoftmaxOptions) => Float32Array;
  readonly logSumExp: (x: FloatArrayLike, options?: SoftmaxOptions) => Float32Array;
  readonly logSoftmaxGrad: (
    gradOutput: FloatArrayLike,
    logProbs: FloatArrayLike,
    options?: SoftmaxOptions,
  ) => Float32Array;
  readonly softmaxGrad: (gradOutput: FloatArrayLike, probs: FloatArrayLike, options?: SoftmaxOptions) => Float32Array;
  readonly crossEntropy: CrossEntropy;
  readonly crossEntropyWithGrad: CrossEntropyWithGrad;
  /** A tensor of zeros in this core's memory (a plain array on `js`). */
  readonly tensor: (shape: readonly number[]) => Tensor;
  /** Lets the memory go, and the tensors with it. A call after it is an error. */
  readonly dispose: () => void;
  readonly [Symbol.dispose]: () => void;
}

const OPTIONS = new Set(["backend", "crossCheck"]);
/** In values: what the allocator in the memory gives in one piece. */
const LARGEST_TENSOR = 2 ** 28 - 8;
const BACKENDS = ["auto", "wasm-relaxed-simd", "wasm-simd", "js"] as const;

/**
 * A core of your own: a backend by name, a memory that is let go as a whole, or every result checked.
 *
 * @throws TypeError for an unknown option, RangeError for an unknown backend, Error where the named backend cannot run
 * in this engine; its message says why.
 *
 * @example
 * const core = createCore({ backend: "js", crossCheck: true });
 * console.log(core.backend); // js
 * core.dispose();
 */
export function createCore(options?: CoreOptions): Core {
  checkOptions(options, OPTIONS);
  const name = checkChoice("backend", options?.backend, BACKENDS);
  const crossCheck = options?.crossCheck ?? false;
  if (typeof crossCheck !== "boolean") throw wrongKind("crossCheck", "a boolean", crossCheck);

  const chosen = name === "auto" ? fastestBackend() : openBackend(name);
  let backend: Backend | undefined = crossCheck ? crossChecked(chosen, scalarBackend()) : chosen;
  const tensors = new Set<CoreTensor>();

  const live = (): Backend => {
    if (backend === undefined) throw new Error("core: expected one in use, got one after its dispose()");
    return backend;
  };

  const dispose = (): void => {
    for (const each of tensors) each.dispose();
    backend = undefined;
  };

  return {
    backend: chosen.name,
    logSoftmax: (x, options) => softmaxes.logSoftmax(live(), x, options),
    softmax: (x, options) => softmaxes.softmax(live(), x, options),
    logSumExp: (x, options) => softmaxes.logSumExp(live(), x, options),
    logSoftmaxGrad: (gradOutput, logProbs, options) => softmaxes.logSoftmaxGrad(live(), gradOutput, logProbs, options),
    softmaxGrad: (gradOutput, probs, options) => softmaxes.softmaxGrad(live(), gradOutput, probs, options),
    // Which overload a call is, and so what it returns, is in the value of an option, where the compiler cannot follow.
    crossEntropy: ((logits, targets, options) =>
      crossEntropies.crossEntropy(live(), logits, targets, options)) as CrossEntropy,
    crossEntropyWithGrad: ((logits, targets, options) =>
      crossEntropies.crossEntropyWithGrad(live(), logits, targets, options)) as CrossEntropyWithGrad,
    tensor(shape) {
      const size = sizeOf(checkShape("shape", shape));
      if (size > LARGEST_TENSOR) throw wrongValue("shape", `at most ${LARGEST_TENSOR} values`, size);
      const tensor = new CoreTensor(shape, live().allocate(size), (disposed) => tensors.delete(disposed));
      tensors.add(tensor);
      return tensor;
    },
    dispose,
    [Symbol.dispose]: dispose,
  };
}
