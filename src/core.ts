/// <reference lib="esnext.disposable" preserve="true" />
import type { Backend, BackendName } from "./backend.js";
import type {
  BinaryCrossEntropyGradOptions,
  BinaryCrossEntropyOptions,
  BinaryCrossEntropyWithLogitsGradOptions,
  BinaryCrossEntropyWithLogitsOptions,
} from "./binary-cross-entropy.js";
import * as binary from "./binary-cross-entropy.js";
import { crossChecked } from "./cross-check.js";
import type { CrossEntropyGradOptions, CrossEntropyOptions } from "./cross-entropy.js";
import * as crossEntropies from "./cross-entropy.js";
import type { FloatArrayLike, ResultArray, ResultOf } from "./floats.js";
import type { KlDivergenceGradOptions, KlDivergenceOptions } from "./kl-divergence.js";
import * as divergences from "./kl-divergence.js";
import type { SoftmaxOptions } from "./log-softmax.js";
import * as softmaxes from "./log-softmax.js";
import type { NllLossGradOptions, NllLossOptions } from "./nll-loss.js";
import * as nllLosses from "./nll-loss.js";
import type { LossWithGrad, Reduced, Unreduced } from "./reduction.js";
import { scalarBackend } from "./scalar.js";
import { fastestBackend, openBackend } from "./select.js";
import type { ClassTargets, SoftTargets } from "./targets.js";
import { CoreTensor, type Tensor } from "./tensor.js";
import { sizeOf } from "./tensor-like.js";
import { checkBoolean, checkChoice, checkOptions, checkShape, wrongValue } from "./validate.js";

export interface CoreOptions {
  /** `"auto"`, the default, takes the fastest that this engine runs well. */
  readonly backend?: BackendName | "auto" | undefined;
  /** Runs every call on the pure-TypeScript backend too, and throws a `CrossCheckError` where the two differ. */
  readonly crossCheck?: boolean | undefined;
}

/** A function of logits, or of what has their layout: its result has the width of its argument. */
export type SoftmaxFunction = <X extends FloatArrayLike>(x: X, options?: SoftmaxOptions) => ResultOf<X>;

/** The gradient of such a function, from the gradient of its result and that result, `y`. */
export type SoftmaxGradFunction = <Y extends FloatArrayLike>(
  gradOutput: FloatArrayLike,
  y: Y,
  options?: SoftmaxOptions,
) => ResultOf<Y>;

/** A loss: a number, or an array for reduction `"none"`. */
export interface LossFunction<T, O, R extends string = "mean" | "sum"> {
  <X extends FloatArrayLike>(x: X, targets: T, options: O & Unreduced): ResultOf<X>;
  (x: FloatArrayLike, targets: T, options?: O & Reduced<R>): number;
  <X extends FloatArrayLike>(x: X, targets: T, options?: O): number | ResultOf<X>;
}

/** A loss and its gradient with respect to its first argument. */
export interface LossWithGradFunction<T, O, R extends string = "mean" | "sum"> {
  <X extends FloatArrayLike>(x: X, targets: T, options: O & Unreduced): LossWithGrad<ResultOf<X>, ResultOf<X>>;
  <X extends FloatArrayLike>(x: X, targets: T, options?: O & Reduced<R>): LossWithGrad<number, ResultOf<X>>;
  <X extends FloatArrayLike>(x: X, targets: T, options?: O): LossWithGrad<number | ResultOf<X>, ResultOf<X>>;
}

type AnyTargets = ClassTargets | SoftTargets;
type AnyMean = "mean" | "batchmean" | "sum";

/** The functions of the package on one backend, with a memory of its own. They need no `this`. */
export interface Core {
  /** The backend in use. */
  readonly backend: BackendName;
  readonly logSoftmax: SoftmaxFunction;
  readonly softmax: SoftmaxFunction;
  readonly logSumExp: SoftmaxFunction;
  readonly logSoftmaxGrad: SoftmaxGradFunction;
  readonly softmaxGrad: SoftmaxGradFunction;
  readonly crossEntropy: LossFunction<AnyTargets, CrossEntropyOptions>;
  readonly crossEntropyWithGrad: LossWithGradFunction<AnyTargets, CrossEntropyGradOptions>;
  readonly nllLoss: LossFunction<ClassTargets, NllLossOptions>;
  readonly nllLossWithGrad: LossWithGradFunction<ClassTargets, NllLossGradOptions>;
  readonly binaryCrossEntropy: LossFunction<FloatArrayLike, BinaryCrossEntropyOptions>;
  readonly binaryCrossEntropyWithGrad: LossWithGradFunction<FloatArrayLike, BinaryCrossEntropyGradOptions>;
  readonly binaryCrossEntropyWithLogits: LossFunction<FloatArrayLike, BinaryCrossEntropyWithLogitsOptions>;
  readonly binaryCrossEntropyWithLogitsWithGrad: LossWithGradFunction<
    FloatArrayLike,
    BinaryCrossEntropyWithLogitsGradOptions
  >;
  readonly klDivergence: LossFunction<FloatArrayLike, KlDivergenceOptions, AnyMean>;
  readonly klDivergenceWithGrad: LossWithGradFunction<FloatArrayLike, KlDivergenceGradOptions, AnyMean>;
  /** A tensor of zeros in this core's memory (a plain array on `js`). */
  readonly tensor: (shape: readonly number[]) => Tensor;
  /** Lets the memory go, and the tensors with it. A call after it is an error. */
  readonly dispose: () => void;
  readonly [Symbol.dispose]: () => void;
}

const OPTIONS = new Set(["backend", "crossCheck"]);
/** In values: what a linear memory holds. */
const LARGEST_TENSOR = 2 ** 30;
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
  const crossCheck = checkBoolean("crossCheck", options?.crossCheck);
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

  // What a call returns hangs on the kinds of its arrays and on the value of an option, where the compiler cannot follow.
  const map = (f: (backend: Backend, x: FloatArrayLike, options?: SoftmaxOptions) => ResultArray): SoftmaxFunction =>
    ((x: FloatArrayLike, options?: SoftmaxOptions) => f(live(), x, options)) as SoftmaxFunction;
  const mapGrad = (
    f: (backend: Backend, gradOutput: FloatArrayLike, y: FloatArrayLike, options?: SoftmaxOptions) => ResultArray,
  ): SoftmaxGradFunction =>
    ((gradOutput: FloatArrayLike, y: FloatArrayLike, options?: SoftmaxOptions) =>
      f(live(), gradOutput, y, options)) as SoftmaxGradFunction;
  const loss = <T, O, R extends string>(
    f: (backend: Backend, x: FloatArrayLike, targets: T, options?: O) => number | ResultArray,
  ): LossFunction<T, O, R> =>
    ((x: FloatArrayLike, targets: T, options?: O) => f(live(), x, targets, options)) as LossFunction<T, O, R>;
  const lossWithGrad = <T, O, R extends string>(
    f: (backend: Backend, x: FloatArrayLike, targets: T, options?: O) => LossWithGrad,
  ): LossWithGradFunction<T, O, R> =>
    ((x: FloatArrayLike, targets: T, options?: O) => f(live(), x, targets, options)) as LossWithGradFunction<T, O, R>;

  return {
    backend: chosen.name,
    logSoftmax: map(softmaxes.logSoftmax),
    softmax: map(softmaxes.softmax),
    logSumExp: map(softmaxes.logSumExp),
    logSoftmaxGrad: mapGrad(softmaxes.logSoftmaxGrad),
    softmaxGrad: mapGrad(softmaxes.softmaxGrad),
    crossEntropy: loss(crossEntropies.crossEntropy),
    crossEntropyWithGrad: lossWithGrad(crossEntropies.crossEntropyWithGrad),
    nllLoss: loss(nllLosses.nllLoss),
    nllLossWithGrad: lossWithGrad(nllLosses.nllLossWithGrad),
    binaryCrossEntropy: loss(binary.binaryCrossEntropy),
    binaryCrossEntropyWithGrad: lossWithGrad(binary.binaryCrossEntropyWithGrad),
    binaryCrossEntropyWithLogits: loss(binary.binaryCrossEntropyWithLogits),
    binaryCrossEntropyWithLogitsWithGrad: lossWithGrad(binary.binaryCrossEntropyWithLogitsWithGrad),
    klDivergence: loss(divergences.klDivergence),
    klDivergenceWithGrad: lossWithGrad(divergences.klDivergenceWithGrad),
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
