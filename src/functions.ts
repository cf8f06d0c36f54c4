import { type Core, createCore } from "./core.js";
import type {
  CrossEntropyGradOptions,
  CrossEntropyOptions,
  LossWithGrad,
  Reduced,
  Unreduced,
} from "./cross-entropy.js";
import type { SoftmaxOptions } from "./log-softmax.js";
import type { ClassTargets } from "./targets.js";
import type { Tensor } from "./tensor.js";
import type { FloatArrayLike } from "./tensor-like.js";

/** The core behind the functions below, made by the first call of one. */
let shared: Core | undefined;

function sharedCore(): Core {
  shared ??= createCore();
  return shared;
}

/**
 * Log-softmax over the class axis: `logProbs = x - log Σ e^x`, in nats, as `torch.nn.functional.log_softmax`.
 *
 * Within two units in the last place of its size, or 1e-6. A row with NaN, with +Infinity or of only -Infinity is NaN;
 * -Infinity beside finite logits stays -Infinity.
 *
 * @param x Logits `[…, classes]`: a Float32Array (one row, unless `options.shape` says otherwise) or a tensor of one.
 * @param options `shape` and `axis` of a bare array, the last axis being the classes' by default, and `out`.
 * @returns A fresh array laid out like `x`, or the array of `options.out`.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * console.log(logSoftmax(new Float32Array([0, 0]))); // Float32Array(2) [ -0.693147, -0.693147 ]
 */
export function logSoftmax(x: FloatArrayLike, options?: SoftmaxOptions): Float32Array {
  return sharedCore().logSoftmax(x, options);
}

/**
 * Softmax over the class axis: `probs = e^x / Σ e^x`, as `torch.nn.functional.softmax`.
 *
 * Within 6e-7 of each probability, however small. NaN and infinities as in `logSoftmax`; -Infinity beside finite logits
 * is probability 0.
 *
 * @param x Logits `[…, classes]`: a Float32Array (one row, unless `options.shape` says otherwise) or a tensor of one.
 * @param options `shape` and `axis` of a bare array, the last axis being the classes' by default, and `out`.
 * @returns A fresh array laid out like `x`, or the array of `options.out`.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * console.log(softmax(new Float32Array([0, 0, -Infinity]))); // Float32Array(3) [ 0.5, 0.5, 0 ]
 */
export function softmax(x: FloatArrayLike, options?: SoftmaxOptions): Float32Array {
  return sharedCore().softmax(x, options);
}

/**
 * Log-sum-exp over the class axis: `log Σ e^x`, in nats, as `torch.logsumexp`: a row of only -Infinity gives -Infinity,
 * one with +Infinity gives +Infinity, one with NaN gives NaN.
 *
 * @param x Logits `[…, classes]`: a Float32Array (one row, unless `options.shape` says otherwise) or a tensor of one.
 * @param options `shape` and `axis` of a bare array, the last axis being the classes' by default, and `out`.
 * @returns One value a row, in a fresh array or that of `options.out`.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * console.log(logSumExp(new Float32Array([0, 0, 5, 5]), { shape: [2, 2] })); // Float32Array(2) [ 0.693147, 5.693147 ]
 */
export function logSumExp(x: FloatArrayLike, options?: SoftmaxOptions): Float32Array {
  return sharedCore().logSumExp(x, options);
}

/**
 * The gradient with respect to the input of `logSoftmax`: `g - e^logProbs · Σ g` over the class axis, what PyTorch's
 * autograd gives. Within 6e-7 of its terms, the difference of which it is; NaN spreads over its row.
 *
 * @param gradOutput The gradient g with respect to the result, laid out like `logProbs`.
 * @param logProbs The result of `logSoftmax`, `[…, classes]`. Where neither it nor the gradient has a shape, one row.
 * @param options `shape` and `axis` of bare arrays, the last axis being the classes' by default, and `out`.
 * @returns A fresh array laid out like `logProbs`, or the array of `options.out`.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * const logProbs = logSoftmax(new Float32Array([0, 0]));
 * console.log(logSoftmaxGrad(new Float32Array([1, 0]), logProbs)); // Float32Array(2) [ 0.5, -0.5 ]
 */
export function logSoftmaxGrad(
  gradOutput: FloatArrayLike,
  logProbs: FloatArrayLike,
  options?: SoftmaxOptions,
): Float32Array {
  return sharedCore().logSoftmaxGrad(gradOutput, logProbs, options);
}

/**
 * The gradient with respect to the input of `softmax`: `probs · (g - Σ g · probs)` over the class axis, what PyTorch's
 * autograd gives. Within 6e-7 of its terms, the difference of which it is; NaN spreads over its row.
 *
 * @param gradOutput The gradient g with respect to the result, laid out like `probs`.
 * @param probs The result of `softmax`, `[…, classes]`. Where neither it nor the gradient has a shape, one row.
 * @param options `shape` and `axis` of bare arrays, the last axis being the classes' by default, and `out`.
 * @returns A fresh array laid out like `probs`, or the array of `options.out`.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * const probs = softmax(new Float32Array([0, 0]));
 * console.log(softmaxGrad(new Float32Array([1, 0]), probs)); // Float32Array(2) [ 0.25, -0.25 ]
 */
export function softmaxGrad(gradOutput: FloatArrayLike, probs: FloatArrayLike, options?: SoftmaxOptions): Float32Array {
  return sharedCore().softmaxGrad(gradOutput, probs, options);
}

/**
 * Cross-entropy of logits and class targets: the mean over the rows of `log Σ e^x - x[target]`, in nats, as
 * `torch.nn.functional.cross_entropy`.
 *
 * Reduced losses are summed in float64 and good to 3e-7 of their size, also near certainty, where the loss is
 * `log1p(Σ_{j≠y} e^(x_j - x_y))`. A row whose target is `ignoreIndex` counts for nothing, whatever its logits; where
 * all are ignored the mean is NaN, unless a `normalizer` is given, and the sum 0. A row with NaN, with +Infinity or of
 * only -Infinity gives NaN.
 *
 * @param logits `[…, classes]`: a Float32Array (of targets.length rows, unless `options.shape` says otherwise) or a
 * tensor of one.
 * @param targets One class a row: integers of any kind, or a tensor of them.
 * @param options `reduction`, `ignoreIndex`, `normalizer` (for `"mean"`), `out` (for `"none"`), `shape` and `axis`.
 * @returns A number, or for reduction `"none"` one loss a row.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * const logits = new Float32Array([2, 0, 0, 30]);
 * console.log(crossEntropy(logits, [0, 1])); // 0.063464
 * console.log(crossEntropy(logits, [0, 1], { reduction: "none" })); // Float32Array(2) [ 0.126928, 9.35762e-14 ]
 */
export function crossEntropy(
  logits: FloatArrayLike,
  targets: ClassTargets,
  options: CrossEntropyOptions & Unreduced,
): Float32Array;
export function crossEntropy(
  logits: FloatArrayLike,
  targets: ClassTargets,
  options?: CrossEntropyOptions & Reduced,
): number;
export function crossEntropy(
  logits: FloatArrayLike,
  targets: ClassTargets,
  options?: CrossEntropyOptions,
): number | Float32Array;
export function crossEntropy(
  logits: FloatArrayLike,
  targets: ClassTargets,
  options?: CrossEntropyOptions,
): number | Float32Array {
  return sharedCore().crossEntropy(logits, targets, options);
}

/**
 * `crossEntropy`, and with it, in one call, the gradient with respect to the logits:
 * `gradOutput · (softmax(x) - onehot(target)) / n`, where n is what a mean divides by, and 1 for `"sum"` and `"none"`.
 * It is 0 for an ignored row. At the target it is `-Σ_{j≠y} p_j`, which is exact near certainty too; every element is
 * within 6e-7 of its size, or 1e-38.
 *
 * @param logits `[…, classes]`: a Float32Array (of targets.length rows, unless `options.shape` says otherwise) or a
 * tensor of one.
 * @param targets One class a row: integers of any kind, or a tensor of them.
 * @param options As for `crossEntropy`, but that `out` is where the gradient goes, and `gradOutput`.
 * @returns The loss as `crossEntropy` returns it, and the gradient: fresh, or in the array of `options.out`.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * const { loss, grad } = crossEntropyWithGrad(new Float32Array([0, 0]), [1]);
 * console.log(loss); // 0.693147
 * console.log(grad); // Float32Array(2) [ 0.5, -0.5 ]
 */
export function crossEntropyWithGrad(
  logits: FloatArrayLike,
  targets: ClassTargets,
  options: CrossEntropyGradOptions & Unreduced,
): LossWithGrad<Float32Array>;
export function crossEntropyWithGrad(
  logits: FloatArrayLike,
  targets: ClassTargets,
  options?: CrossEntropyGradOptions & Reduced,
): LossWithGrad<number>;
export function crossEntropyWithGrad(
  logits: FloatArrayLike,
  targets: ClassTargets,
  options?: CrossEntropyGradOptions,
): LossWithGrad;
export function crossEntropyWithGrad(
  logits: FloatArrayLike,
  targets: ClassTargets,
  options?: CrossEntropyGradOptions,
): LossWithGrad {
  return sharedCore().crossEntropyWithGrad(logits, targets, options);
}

/**
 * A tensor of zeros in the memory of the shared core: what the functions read from it and write to it (`out`) is not
 * copied. Dispose of it when done.
 *
 * @throws TypeError or RangeError for a shape that is none, or too large for the memory.
 *
 * @example
 * const logits = tensor([2, 3]);
 * logits.data.set([1, 2, 3, 4, 5, 6]);
 * console.log(crossEntropy(logits, [2, 2])); // 0.407606
 * logits.dispose();
 */
export function tensor(shape: readonly number[]): Tensor {
  return sharedCore().tensor(shape);
}
