export type { BackendName } from "./backend.js";
export { type Core, type CoreOptions, type CrossEntropy, type CrossEntropyWithGrad, createCore } from "./core.js";
export { CrossCheckError } from "./cross-check.js";
export type {
  CrossEntropyGradOptions,
  CrossEntropyOptions,
  LossWithGrad,
  Reduction,
} from "./cross-entropy.js";
export {
  crossEntropy,
  crossEntropyWithGrad,
  logSoftmax,
  logSoftmaxGrad,
  logSumExp,
  softmax,
  softmaxGrad,
  tensor,
} from "./functions.js";
export type { SoftmaxOptions } from "./log-softmax.js";
export type { ClassTargets } from "./targets.js";
export type { Tensor } from "./tensor.js";
export type { FloatArrayLike, TensorLike } from "./tensor-like.js";
