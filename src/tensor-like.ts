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
 * transformers.js, an ndarray.
 */
export interface TensorLike {
  readonly data: TypedArray;
  readonly shape?: readonly number[];
  readonly dims?: readonly number[];
}

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
  if (value instanceof Float32Array) return { data: value, shape: undefined };
  if (value instanceof CoreTensor) return value;
  const { data, shape } = readTensor(name, value, FLOATS);
  if (data instanceof Float32Array) return { data, shape };
  const kind = data.constructor.name;
  if (OTHER_FLOATS.has(kind)) throw notYet(name, `a ${kind}`);
  throw wrongKind(name, FLOATS, data);
}

/** Reads a typed array as it is, and takes a tensor apart. `expected` says what the argument may be. */
export function readTensor(name: string, value: unknown, expected: string): Values<TypedArray> {
  if (isTypedArray(value)) return { data: value, shape: undefined };
  if (typeof value !== "object" || value === null || !("data" in value)) throw wrongKind(name, expected, value);
  const { data } = value;
  if (typeof data === "function") {
    throw new TypeError(
      `${name}: expected ${expected}, got a tensor whose data is a function; pass { data: tensor.dataSync(), shape }`,
    );
  }
  if (!isTypedArray(data)) throw wrongKind(`${name}.data`, "a typed array", data);
  const shape =
    "dims" in value ? checkShape(`${name}.dims`, value.dims) : checkShape(`${name}.shape`, field(value, "shape"));
  for (const key of ["stride", "strides"]) {
    if (key in value) checkRowMajor(`${name}.${key}`, field(value, key), shape);
  }
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
  return { data, shape };
}

/** How many positions the axes of a shape from `first` to before `end` have together. */
export function sizeOf(shape: readonly number[], first = 0, end = shape.length): number {
  let size = 1;
  for (let axis = first; axis < end; axis++) size *= Number(shape[axis]);
  return size;
}

function isTypedArray(value: unknown): value is TypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

function field(value: object, key: string): unknown {
  return Reflect.get(value, key);
}

function checkRowMajor(name: string, strides: unknown, shape: readonly number[]): void {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    // The stride of an axis of one position is never taken.
    if (shape[axis] !== 1 && (!Array.isArray(strides) || strides[axis] !== expected)) {
      throw wrongValue(name, "row-major order; copy the values into it first", strides);
    }
    expected *= Number(shape[axis]);
  }
}
