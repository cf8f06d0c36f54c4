import { fromBfloat16, fromFloat16 } from "./half.js";
import { CoreTensor } from "./tensor.js";
import { checkMemory, isTypedArray, kindOf, readTensor, type TensorLike } from "./tensor-like.js";
import { wrongKind } from "./validate.js";

/**
 * A Float16Array, described rather than named: not every engine and not every TypeScript library has one.
 */
export interface HalfArray extends ArrayBufferView {
  readonly [Symbol.toStringTag]: "Float16Array";
  readonly length: number;
}

export type FloatArray = Float32Array | Float64Array | HalfArray;

/** What holds floating-point numbers: the array itself, or a tensor of one. */
export type FloatArrayLike = FloatArray | TensorLike;

/** What results come in: float64 for float64, float32 for all that is narrower. */
export type ResultArray = Float32Array | Float64Array;

/** The array that comes of an argument of this type. */
export type ResultOf<X> = X extends Float64Array | { readonly data: Float64Array }
  ? Float64Array
  : X extends Float32Array | HalfArray | { readonly data: Float32Array | Uint16Array | HalfArray }
    ? Float32Array
    : ResultArray;

/** Floating-point numbers as they are stored: halves by their bits. */
export type Floats =
  | { readonly kind: "float32"; readonly data: Float32Array }
  | { readonly kind: "float64"; readonly data: Float64Array }
  | { readonly kind: "float16" | "bfloat16"; readonly data: Uint16Array };

export type FloatKind = Floats["kind"];

/** An argument's numbers, with their shape where they came with one. */
export type FloatValues = Floats & { readonly shape: readonly number[] | undefined };

export const FLOATS = "a Float32Array, Float64Array or Float16Array, or a tensor of one ({ data, shape })";

/** `expected` says what the argument may be, where that is more. */
export function readFloats(name: string, value: unknown, expected = FLOATS): FloatValues {
  if (value instanceof Float32Array) {
    checkMemory(name, value, value.byteLength);
    return { kind: "float32", data: value, shape: undefined };
  }
  if (value instanceof CoreTensor) return { kind: "float32", data: value.data, shape: value.sizes };
  return readOtherFloats(name, value, expected);
}

/** What is seldom met stands by itself: a short function is compiled into those that call it. */
function readOtherFloats(name: string, value: unknown, expected: string): FloatValues {
  if (Array.isArray(value)) {
    const advice = Array.isArray(value[0]) ? "Float32Array.from(….flat()) and its shape" : "Float32Array.from(…)";
    throw new TypeError(`${wrongKind(name, expected, value).message}; pass ${advice}`);
  }
  const { data, shape, dtype } = readTensor(name, value, expected);
  const floats = asFloats(data, dtype);
  if (floats) return { ...floats, shape };
  if (kindOf(data) === "Uint16Array") {
    throw wrongKind(`${name}.dtype`, '"float16" or "bfloat16" for what a Uint16Array holds', dtype);
  }
  throw wrongKind(name, expected, data);
}

/** An array as floating-point numbers; undefined where it holds others. A Uint16Array needs a dtype to hold any. */
export function asFloats(data: ArrayBufferView, dtype: unknown): Floats | undefined {
  if (!isTypedArray(data)) return undefined;
  switch (kindOf(data)) {
    case "Float32Array":
      return { kind: "float32", data: data as Float32Array };
    case "Float64Array":
      return { kind: "float64", data: data as Float64Array };
    case "Float16Array":
      return { kind: "float16", data: new Uint16Array(data.buffer, data.byteOffset, data.length) };
    case "Uint16Array":
      return dtype === "float16" || dtype === "bfloat16" ? { kind: dtype, data: data as Uint16Array } : undefined;
    default:
      return undefined;
  }
}

/** The numbers themselves: a copy only where they are stored as bits. */
export function numbersOf({ kind, data }: Floats): ResultArray {
  switch (kind) {
    case "float16":
      return Float32Array.from(data, fromFloat16);
    case "bfloat16":
      return Float32Array.from(data, fromBfloat16);
    default:
      return data;
  }
}

export function numberAt({ kind, data }: Floats, index: number): number {
  const value = data[index] as number;
  return kind === "float16" ? fromFloat16(value) : kind === "bfloat16" ? fromBfloat16(value) : value;
}

/** Of which kind the results of numbers of this kind are. */
export function resultKind(kind: FloatKind): "float32" | "float64" {
  return kind === "float64" ? "float64" : "float32";
}

/**
 * From so many bytes on, results are made of memory that is not zeroed first, where the engine has such to give: the
 * Buffers of Node and Bun. Every result is written anyway, and to zero memory takes as long as the kernels do.
 */
const UNZEROED = 1 << 16;

type Buffers = { readonly Buffer?: { allocUnsafeSlow?(size: number): { readonly buffer: ArrayBuffer } } };

/** A fresh array for `length` results of numbers of this kind, all of which the caller writes. */
export function makeResults(kind: "float32", length: number): Float32Array;
export function makeResults(kind: FloatKind, length: number): ResultArray;
export function makeResults(kind: FloatKind, length: number): ResultArray {
  const Results = resultKind(kind) === "float64" ? Float64Array : Float32Array;
  const size = length * Results.BYTES_PER_ELEMENT;
  if (size < UNZEROED) return new Results(length);
  const buffer = (globalThis as Buffers).Buffer?.allocUnsafeSlow?.(size).buffer;
  // Somebody else's Buffer may be a part of a larger one.
  return buffer?.byteLength === size ? new Results(buffer) : new Results(length);
}
