import type { Backend, ElementwiseLoss } from "./backend.js";
import {
  checkFactors,
  type ElementwiseCall,
  elementwiseLoss,
  elementwiseLossWithGrad,
  readPair,
} from "./elementwise.js";
import type { FloatArrayLike, ResultArray } from "./floats.js";
import {
  checkNormalizer,
  checkReduction,
  type GradOptions,
  type LossWithGrad,
  type Numbers,
  type ReductionOptions,
} from "./reduction.js";
import { checkOptions } from "./validate.js";

interface BinaryLossOptions extends ReductionOptions {
  /** The sizes of the axes of a bare array. */
  readonly shape?: readonly number[] | undefined;
  /** What each element's loss is multiplied by: one number, one for each of the last axis, or one an element. */
  readonly weight?: number | Numbers | undefined;
}

export interface BinaryCrossEntropyOptions extends BinaryLossOptions {
  /** Where the elements' losses go, with reduction `"none"`. */
  readonly out?: FloatArrayLike | undefined;
}

export interface BinaryCrossEntropyGradOptions extends BinaryLossOptions, GradOptions {
  /** Where the gradient goes: as long as the input, whose own array makes it in place. */
  readonly out?: FloatArrayLike | undefined;
}

interface PositiveWeight {
  /** What the positive term, that of the target's own mass, is multiplied by: in the same three forms as `weight`. */
  readonly posWeight?: number | Numbers | undefined;
}

export interface BinaryCrossEntropyWithLogitsOptions extends BinaryCrossEntropyOptions, PositiveWeight {}
export interface BinaryCrossEntropyWithLogitsGradOptions extends BinaryCrossEntropyGradOptions, PositiveWeight {}

const OPTIONS = new Set(["shape", "reduction", "weight", "normalizer", "out"]);
const GRAD_OPTIONS = new Set([...OPTIONS, "gradOutput"]);
const LOGITS_OPTIONS = new Set([...OPTIONS, "posWeight"]);
const LOGITS_GRAD_OPTIONS = new Set([...GRAD_OPTIONS, "posWeight"]);

export function binaryCrossEntropy(
  backend: Backend,
  probs: FloatArrayLike,
  targets: FloatArrayLike,
  options?: BinaryCrossEntropyOptions,
): number | ResultArray {
  checkOptions(options, OPTIONS);
  return elementwiseLoss(backend, prepare("binaryCrossEntropy", "probs", probs, targets, options), options?.out);
}

export function binaryCrossEntropyWithGrad(
  backend: Backend,
  probs: FloatArrayLike,
  targets: FloatArrayLike,
  options?: BinaryCrossEntropyGradOptions,
): LossWithGrad {
  checkOptions(options, GRAD_OPTIONS);
  const call = prepare("binaryCrossEntropy", "probs", probs, targets, options);
  return elementwiseLossWithGrad(backend, call, options?.gradOutput, options?.out);
}

export function binaryCrossEntropyWithLogits(
  backend: Backend,
  logits: FloatArrayLike,
  targets: FloatArrayLike,
  options?: BinaryCrossEntropyWithLogitsOptions,
): number | ResultArray {
  checkOptions(options, LOGITS_OPTIONS);
  const call = prepare("binaryCrossEntropyWithLogits", "logits", logits, targets, options);
  return elementwiseLoss(backend, call, options?.out);
}

export function binaryCrossEntropyWithLogitsWithGrad(
  backend: Backend,
  logits: FloatArrayLike,
  targets: FloatArrayLike,
  options?: BinaryCrossEntropyWithLogitsGradOptions,
): LossWithGrad {
  checkOptions(options, LOGITS_GRAD_OPTIONS);
  const call = prepare("binaryCrossEntropyWithLogits", "logits", logits, targets, options);
  return elementwiseLossWithGrad(backend, call, options?.gradOutput, options?.out);
}

function prepare(
  loss: ElementwiseLoss,
  name: string,
  values: FloatArrayLike,
  targetValues: FloatArrayLike,
  options: (BinaryLossOptions & PositiveWeight) | undefined,
): ElementwiseCall {
  const pair = readPair(name, values, "targets", targetValues, options);
  const { input } = pair;
  const reduction = checkReduction(options);
  const normalizer = checkNormalizer(options, reduction);
  return {
    loss,
    ...pair,
    weight: checkFactors("weight", options?.weight, input),
    posWeight: checkFactors("posWeight", options?.posWeight, input),
    reduction,
    divisor: reduction === "mean" ? (normalizer ?? input.data.length) : 1,
  };
}
