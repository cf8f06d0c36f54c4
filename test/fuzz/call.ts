/** A call as data: what can be run on a core, answered by the oracle, made smaller, and printed. */

import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from "../narrow.js";
import { at, type BackwardFunction, type Layout, type LossFunction, type SoftmaxFunction, sizesOf } from "../oracle.js";

export type FloatKind = "float32" | "float64" | "float16" | "bfloat16";
export type FunctionName = SoftmaxFunction | BackwardFunction | LossFunction | `${LossFunction}WithGrad`;

export const integerKinds = [
  "Int32Array",
  "Uint8Array",
  "Uint16Array",
  "Uint32Array",
  "Int8Array",
  "Int16Array",
  "BigInt64Array",
  "BigUint64Array",
  "number[]",
] as const;

export type IntegerKind = (typeof integerKinds)[number];

/** What an array has a value for: each element of the layout, each row of classes, or each class (of the last axis). */
export type Span = "elements" | "rows" | "classes";

/**
 * How an array is handed over: by itself, as a view into a longer one, as a tensor with `shape` or with `dims`, as an
 * ndarray that is a window into its data, as a tensor in the core's own memory, or as plain numbers.
 */
export type Form = "bare" | "view" | "shape" | "dims" | "window" | "core" | "numbers";

export interface Floats {
  readonly kind: FloatKind;
  readonly span: Span;
  readonly form: Form;
  /** The values as the kind has them, which is exact. */
  readonly values: readonly number[];
}

export interface Classes {
  readonly kind: IntegerKind;
  readonly span: "rows";
  readonly form: Form;
  readonly values: readonly number[];
}

export type ArrayArgument = Floats | Classes;

export interface Call {
  readonly name: FunctionName;
  readonly layout: Layout;
  /** Whether the shape is given as an option. */
  readonly withShape: boolean;
  /** The arguments in their order, then the options that are arrays. */
  readonly arrays: Readonly<Record<string, ArrayArgument>>;
  readonly options: Readonly<Record<string, number | string | boolean>>;
  readonly out: "fresh" | "given" | "in place";
}

const OPTIONAL = new Set(["weight", "posWeight", "gradOutput"]);

/** logSoftmaxGrad and softmaxGrad take gradOutput for an argument. */
export function isArgument({ name }: Call, array: string): boolean {
  return !OPTIONAL.has(array) || name === "logSoftmaxGrad" || name === "softmaxGrad";
}

/** The argument whose kind and layout the results have. */
export function subjectOf({ name, arrays }: Call): readonly [name: string, array: Floats] {
  const subject = Object.entries(arrays)[name === "logSoftmaxGrad" || name === "softmaxGrad" ? 1 : 0];
  if (subject === undefined || !isFloats(subject[1])) throw new Error(`${name}: expected an array of floats`);
  return [subject[0], subject[1]];
}

export function isFloats(array: ArrayArgument): array is Floats {
  return array.kind.includes("float");
}

export function shapeOf(span: Span, { shape, axis = -1 }: Layout): readonly number[] {
  if (span === "elements") return shape;
  const index = axis < 0 ? axis + shape.length : axis;
  return span === "rows" ? shape.toSpliced(index, 1) : [at(shape, index)];
}

/** The kind of the results: as wide as the subject, and at least float32. */
export function resultKind(call: Call): "float32" | "float64" {
  return subjectOf(call)[1].kind === "float64" ? "float64" : "float32";
}

/** How long the array is that `out` takes; undefined where a call has no such result. */
export function outLength(call: Call): number | undefined {
  const { outer, classes, inner } = sizesOf(call.layout);
  const isLoss = call.options.reduction !== undefined || /Loss$|Entropy|Divergence/.test(call.name);
  if (!isLoss || call.name.endsWith("WithGrad")) {
    return call.name === "logSumExp" ? outer * inner : outer * classes * inner;
  }
  if (call.options.reduction !== "none") return undefined;
  return isRowwise(call) ? outer * inner : outer * classes * inner;
}

export function isRowwise({ name }: Call): boolean {
  return /^crossEntropy|^nllLoss/.test(name);
}

/** The value of a kind that is nearest to a number. */
export function rounded(kind: FloatKind, value: number): number {
  switch (kind) {
    case "float64":
      return value;
    case "float32":
      return Math.fround(value);
    case "float16":
      return fromFloat16(toFloat16(value));
    case "bfloat16":
      return fromBfloat16(toBfloat16(value));
  }
}

export type StoredArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** The typed array that has these values for its elements, halves as bits; plain numbers are in none. */
export function stored(kind: FloatKind | IntegerKind, values: readonly number[]): StoredArray {
  switch (kind) {
    case "float64":
      return Float64Array.from(values);
    case "float32":
      return Float32Array.from(values);
    case "float16":
      return Uint16Array.from(values, toFloat16);
    case "bfloat16":
      return Uint16Array.from(values, toBfloat16);
    case "Int32Array":
    case "number[]":
      return Int32Array.from(values);
    case "Uint8Array":
      return Uint8Array.from(values);
    case "Uint16Array":
      return Uint16Array.from(values);
    case "Uint32Array":
      return Uint32Array.from(values);
    case "Int8Array":
      return Int8Array.from(values);
    case "Int16Array":
      return Int16Array.from(values);
    case "BigInt64Array":
      return BigInt64Array.from(values, BigInt);
    case "BigUint64Array":
      return BigUint64Array.from(values, BigInt);
  }
}
