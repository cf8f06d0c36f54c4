import { CoreTensor } from "./tensor.js";
import { checkShape, checkWhole, notYet, wrongKind, wrongValue } from "./validate.js";

export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/**
 * Data in row-major order with the sizes of its axes, as most libraries have it: a tensor of a core, of ONNX Runtime or
 * transformers.js, an ndarray. Some of their types allow data that is not a typed array, which is refused when it
 * comes.
 */
export type TensorLike = { readonly data: ArrayBufferView | readonly unknown[] } & (
  | { readonly shape: readonly number[] }
  | { readonly dims: readonly number[] }
);

/** What holds float32 values: the array itself, or a tensor of one. */
export type FloatArrayLike = Float32Array | TensorLike;

/** An argument's values, with their shape where they came with one. */
export interface Values<T> {
  readonly data: T;
  readonly shape: readonly number[] | undefined;
}

const FLOATS = "a Float32Array or a tensor of one ({ data, shape })";

/** Widths that the contract has and this version has not. */
const OTHER_FLOATS = new Set(["Float64Array", "Float16Array", "Uint16Array"]);

export function readFloats(name: string, value: unknown): Values<Float32Array> {
  if (value instanceof CoreTensor) return value;
  if (Array.isArray(value)) throw new TypeError(`${wrongKind(name, FLOATS, value).message}; pass Float32Array.from(…)`);
  const { data, shape } = readTensor(name, value, FLOATS);
  if (isFloat32(data)) return { data, shape };
  const kind = kindOf(data);
  if (OTHER_FLOATS.has(kind)) throw notYet(name, `a ${kind}`);
  throw wrongKind(name, FLOATS, data);
}

/** Reads a typed array as it is, and takes a tensor apart. `expected` says what the argument may be. */
export function readTensor(name: string, value: unknown, expected: string): Values<TypedArray> {
  if (isTypedArray(value)) return { data: checkLive(name, value), shape: undefined };
  if (typeof value !== "object" || value === null || !("data" in value)) throw wrongKind(name, expected, value);
  const { data } = value;
  if (typeof data === "function") {
    throw new TypeError(
      `${name}: expected ${expected}, got a tensor whose data is a function; pass { data: tensor.dataSync(), shape }`,
    );
  }
  if (!isTypedArray(data)) throw wrongKind(`${name}.data`, "a typed array", data);
  const dims = field(value, "dims");
  const shape =
    dims === undefined ? checkShape(`${name}.shape`, field(value, "shape")) : checkShape(`${name}.dims`, dims);
  for (const key of ["stride", "strides"]) checkRowMajor(`${name}.${key}`, field(value, key), shape);
  const size = sizeOf(shape);
  if ("offset" in value) {
    // An ndarray is a window into its data.
    const offset = checkWhole(`${name}.offset`, value.offset);
    if (offset < 0 || offset + size > data.length) {
      throw wrongValue(`${name}.offset`, `${size} values from there in ${data.length}`, offset);
    }
    return { data: data.subarray(offset, offset + size), shape };
  }
  if (data.length !== size) throw wrongValue(`${name}.data`, `${size} values for its shape`, data.length);
  return { data: checkLive(name, data), shape };
}

/** How many positions the axes of a shape from `first` to before `end` have together. */
export function sizeOf(shape: readonly number[], first = 0, end = shape.length): number {
  let size = 1;
  for (let axis = first; axis < end; axis++) size *= Number(shape[axis]);
  return size;
}

/** The name of a typed array's kind, also of one from another realm, which is no instance of this realm's. */
export function kindOf(array: TypedArray): string {
  return array[Symbol.toStringTag];
}

function isTypedArray(value: unknown): value is TypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

function isFloat32(data: TypedArray): data is Float32Array {
  return data instanceof Float32Array || kindOf(data) === "Float32Array";
}

/** A view of memory that has moved or was transferred is empty, and so is its buffer for good. */
function checkLive(name: string, data: TypedArray): TypedArray {
  if (data.length > 0) return data;
  try {
    new Uint8Array(data.buffer);
    return data;
  } catch {
    throw new TypeError(
      `${name}: expected a live array, got a view of memory that has moved; read a tensor's data anew after making another`,
    );
  }
}

function field(value: object, key: string): unknown {
  return Reflect.get(value, key);
}

/** Strides, where a tensor has them as numbers; some have a method of that name. */
function checkRowMajor(name: string, strides: unknown, shape: readonly number[]): void {
  if (!Array.isArray(strides)) return;
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    // The stride of an axis of one position is never taken.
    if (shape[axis] !== 1 && strides[axis] !== expected) {
      throw wrongValue(name, "row-major order; copy the values into it first", strides);
    }
    expected *= Number(shape[axis]);
  }
}
