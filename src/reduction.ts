import { FLOATS, type FloatArrayLike, type FloatValues, readFloats } from "./floats.js";
import { checkChoice, checkPositive, wrongKind, wrongValue } from "./validate.js";

export type Reduction = "mean" | "sum" | "none";

/** Numbers that an option may hold: float arrays and tensors of them as everywhere, and plain arrays. */
export type Numbers = readonly number[] | FloatArrayLike;

export interface ReductionOptions {
  /** `"mean"`, `"sum"`, or `"none"` for every loss by itself. */
  readonly reduction?: Reduction | undefined;
  /** What a `"mean"` divides by in place of its own number. */
  readonly normalizer?: number | undefined;
}

export interface GradOptions {
  /** What the gradient is multiplied by: a number, or with reduction `"none"` one number a loss. 1 by default. */
  readonly gradOutput?: number | Numbers | undefined;
}

/** Losses are asked for one by one. */
export interface Unreduced {
  readonly reduction: "none";
}

/** A reduced loss is asked for, or none in particular. */
export interface Reduced<R extends string = "mean" | "sum"> {
  readonly reduction?: R | undefined;
}

export interface LossWithGrad<Loss = number | Float32Array | Float64Array, Grad = Float32Array | Float64Array> {
  readonly loss: Loss;
  /** d loss / d input, laid out like the input. */
  readonly grad: Grad;
}

const REDUCTIONS = ["mean", "sum", "none"] as const;

export function checkReduction(options: ReductionOptions | undefined): Reduction {
  return checkChoice("reduction", options?.reduction, REDUCTIONS);
}

/** The normalizer, where there is one; it means something to a mean only. */
export function checkNormalizer(
  options: Pick<ReductionOptions, "normalizer"> | undefined,
  reduction: string,
): number | undefined {
  if (options?.normalizer === undefined) return undefined;
  if (!reduction.endsWith("mean")) throw wrongValue("normalizer", `reduction "mean", which divides by it`, reduction);
  return checkPositive("normalizer", options.normalizer);
}

/** Refuses `out` where there is no array for it. */
export function checkNoOut(out: unknown, reduction: string): void {
  if (out !== undefined && reduction !== "none") {
    throw wrongValue("out", `reduction "none", which has an array for a result`, reduction);
  }
}

/** `gradOutput` as one number, or for reduction `"none"` as the `length` numbers of an array. */
export function checkGradOutput(
  value: GradOptions["gradOutput"],
  reduction: string,
  length: number,
  each: string,
): number | FloatValues {
  if (value === undefined) return 1;
  if (typeof value === "number") return value;
  if (reduction !== "none") throw wrongKind("gradOutput", `a number for reduction "${reduction}"`, value);
  const numbers = readNumbers("gradOutput", value, true);
  if (numbers.data.length !== length) {
    throw wrongValue("gradOutput", `${length} values, one ${each}`, numbers.data.length);
  }
  return numbers;
}

const NUMBERS = `a number[], ${FLOATS}`;

/** A float array, a tensor of one, or a plain array of numbers; where `orNumber`, the message names a number too. */
export function readNumbers(name: string, value: unknown, orNumber = false): FloatValues {
  if (!Array.isArray(value)) return readFloats(name, value, orNumber ? `a number, ${NUMBERS}` : NUMBERS);
  for (let i = 0; i < value.length; i++) {
    if (typeof value[i] !== "number") throw wrongKind(`${name}[${i}]`, "a number", value[i]);
  }
  return { kind: "float64", data: Float64Array.from(value), shape: undefined };
}

/**
 * What a gradient is scaled by: a mean's divisor goes into it. A mean over nothing has no gradient, not an infinite one.
 */
export function scaleOf(gradOutput: number, divisor: number): number {
  return divisor === 0 ? Number.NaN : gradOutput / divisor;
}
