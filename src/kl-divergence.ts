import type { Backend } from "./backend.js";
import { type ElementwiseCall, elementwiseLoss, elementwiseLossWithGrad, readPair } from "./elementwise.js";
import type { FloatArrayLike, ResultArray } from "./floats.js";
import { checkNormalizer, type GradOptions, type LossWithGrad, type Reduction } from "./reduction.js";
import { checkBoolean, checkChoice, checkOptions, wrongValue } from "./validate.js";

interface DivergenceOptions {
  /** The sizes of the axes of a bare array. */
  readonly shape?: readonly number[] | undefined;
  /**
   * `"mean"` over the elements, as PyTorch has it; `"batchmean"`, the sum over the first axis' size, which is the mean
   * divergence; `"sum"`; or `"none"` for every element's term.
   */
  readonly reduction?: Reduction | "batchmean" | undefined;
  /** What a mean of either kind divides by in place of its own number. */
  readonly normalizer?: number | undefined;
  /** Whether `p` holds log-probabilities. */
  readonly logTarget?: boolean | undefined;
}

export interface KlDivergenceOptions extends DivergenceOptions {
  /** Where the elements' terms go, with reduction `"none"`. */
  readonly out?: FloatArrayLike | undefined;
}

export interface KlDivergenceGradOptions extends DivergenceOptions, GradOptions {
  /** Where the gradient goes: as long as `logQ`, whose own array makes it in place. */
  readonly out?: FloatArrayLike | undefined;
}

const OPTIONS = new Set(["shape", "reduction", "normalizer", "logTarget", "out"]);
const GRAD_OPTIONS = new Set([...OPTIONS, "gradOutput"]);
const REDUCTIONS = ["mean", "batchmean", "sum", "none"] as const;

export function klDivergence(
  backend: Backend,
  logQ: FloatArrayLike,
  p: FloatArrayLike,
  options?: KlDivergenceOptions,
): number | ResultArray {
  checkOptions(options, OPTIONS);
  return elementwiseLoss(backend, prepare(logQ, p, options), options?.out);
}

export function klDivergenceWithGrad(
  backend: Backend,
  logQ: FloatArrayLike,
  p: FloatArrayLike,
  options?: KlDivergenceGradOptions,
): LossWithGrad {
  checkOptions(options, GRAD_OPTIONS);
  return elementwiseLossWithGrad(backend, prepare(logQ, p, options), options?.gradOutput, options?.out);
}

function prepare(logQ: FloatArrayLike, p: FloatArrayLike, options: DivergenceOptions | undefined): ElementwiseCall {
  const pair = readPair("logQ", logQ, "p", p, options);
  const { input } = pair;
  const reduction = checkChoice("reduction", options?.reduction, REDUCTIONS);
  const normalizer = checkNormalizer(options, reduction);
  if (reduction === "batchmean" && input.shape?.length === 0) {
    throw wrongValue("logQ", 'a first axis for reduction "batchmean"', input.shape);
  }
  const count = { mean: input.data.length, batchmean: Number(input.shape?.[0]), sum: 1, none: 1 }[reduction];
  return {
    loss: checkBoolean("logTarget", options?.logTarget) ? "klDivergenceOfLogs" : "klDivergence",
    ...pair,
    weight: undefined,
    posWeight: undefined,
    reduction,
    divisor: normalizer ?? count,
  };
}
