/**
 * The textbook formulas in float64, to hold the library against. Nothing here is shared with `src/`.
 *
 * Sums over classes leave out the row's largest, whose e^(x - max) is 1, so that what is small beside 1 is never added
 * to it before its logarithm is taken. Sums are compensated, and differences in exponents exact; what remains is the
 * rounding of exp, log1p and a few operations: `oracle.test.ts` holds all of it to arithmetic of many more digits.
 */

export { at, CompensatedSum, type Numbers, sum, type Targets } from "./oracle/arithmetic.js";
export {
  type AllOptions,
  type BackwardFunction,
  backwardFunctions,
  type Exact,
  type ExactLoss,
  exactBackward,
  exactLoss,
  exactSoftmax,
  type LossArguments,
  type LossFunction,
  lossFunctions,
  type SoftmaxFunction,
  softmaxFunctions,
} from "./oracle/call.js";
export {
  crossEntropy,
  type LossOptions,
  nllLoss,
  type SoftLossOptions,
  softCrossEntropy,
} from "./oracle/cross-entropy.js";
export {
  type BinaryOptions,
  type BinaryWithLogitsOptions,
  binaryCrossEntropy,
  binaryCrossEntropyWithLogits,
  type DivergenceOptions,
  klDivergence,
  type Weight,
} from "./oracle/elementwise.js";
export { fromRows, type Layout, sizesOf, toRows } from "./oracle/layout.js";
export type { Losses, ReductionOptions } from "./oracle/reduction.js";
export { logSoftmax, logSoftmaxGrad, logSumExp, softmax, softmaxGrad } from "./oracle/softmax.js";
