export type { BackendName } from "./backend.js";
export type {
  BinaryCrossEntropyGradOptions,
  BinaryCrossEntropyOptions,
  BinaryCrossEntropyWithLogitsGradOptions,
  BinaryCrossEntropyWithLogitsOptions,
} from "./binary-cross-entropy.js";
export {
  type Core,
  type CoreOptions,
  createCore,
  type LossFunction,
  type LossWithGradFunction,
  type SoftmaxFunction,
  type SoftmaxGradFunction,
} from "./core.js";
export { CrossCheckError } from "./cross-check.js";
export type { CrossEntropyGradOptions, CrossEntropyOptions } from "./cross-entropy.js";
export type { FloatArray, FloatArrayLike, HalfArray, ResultArray, ResultOf } from "./floats.js";
export {
  binaryCrossEntropy,
  binaryCrossEntropyWithGrad,
  binaryCrossEntropyWithLogits,
  binaryCrossEntropyWithLogitsWithGrad,
  crossEntropy,
  crossEntropyWithGrad,
  klDivergence,
  klDivergenceWithGrad,
  logSoftmax,
  logSoftmaxGrad,
  logSumExp,
  nllLoss,
  nllLossWithGrad,
  softmax,
  softmaxGrad,
  tensor,
} from "./functions.js";
export type { KlDivergenceGradOptions, KlDivergenceOptions } from "./kl-divergence.js";
export type { SoftmaxOptions } from "./log-softmax.js";
export type { NllLossGradOptions, NllLossOptions } from "./nll-loss.js";
export type { LossWithGrad, Numbers, Reduction } from "./reduction.js";
export type { ClassTargets, SoftTargets } from "./targets.js";
export type { Tensor } from "./tensor.js";
export type { TensorLike } from "./tensor-like.js";
