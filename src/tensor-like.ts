import { checkShape, checkWhole, wrongKind, wrongValue } from "./validate.js";

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
export type TensorLike = Shaped | (Shaped & Described);

type Shaped = { readonly data: ArrayBufferView | readonly unknown[] } & (
  | { readonly shape: readonly number[] }
  | { readonly dims: readonly number[] }
);

/** What a tensor may say besides, all or some: a literal is refused a name that no member of a union has. */
interface Described {
  /** What a `Uint16Array` holds, under either name: `"float16"` or `"bfloat16"`. */
  readonly dtype: unknown;
  readonly type: unknown;
  /** Where the values begin in `data`, which may hold more, and how far apart they lie: only row-major is taken. */
  readonly offset: unknown;
  readonly stride: unknown;
  readonly strides: unknown;
}

/** A typed array, with its shape and the name of its kind where it came with them. */
export interface TensorParts {
  readonly data: TypedArray;
  readonly shape: readonly number[] | undefined;
  readonly dtype: unknown;
}

/** Reads a typed array as it is, and takes a tensor apart. `expected` says what the argument may be. */
export function readTensor(name: string, value: unknown, expected: string): TensorParts {
  if (isTypedArray(value)) {
    checkMemory(name, value, value.byteLength);
    return { data: value, shape: undefined, dtype: undefined };
  }
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
  const dtype = field(value, "dtype") ?? field(value, "type");
  const size = sizeOf(shape);
  checkMemory(name, data, data.byteLength);
  if ("offset" in value && value.offset !== undefined) {
    // An ndarray is a window into its data.
    const offset = checkWhole(`${name}.offset`, value.offset);
    if (offset < 0 || offset + size > data.length) {
      throw wrongValue(`${name}.offset`, `${size} values from there in ${data.length}`, offset);
    }
    return { data: data.subarray(offset, offset + size), shape, dtype };
  }
  if (data.length !== size) throw wrongValue(`${name}.data`, `${size} values for its shape`, data.length);
  return { data, shape, dtype };
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

export function isTypedArray(value: unknown): value is TypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

/** The most bytes of an array that V8 keeps without a buffer, until it is asked for one. */
const WITHOUT_BUFFER = 64;

/**
 * Refuses memory that is gone and memory that other threads write to. Whether a small array is shared is not asked: its
 * buffer would be made for the answer, which takes longer than a small call. Callers who know the array's kind read its
 * `byteLength` faster than this, which meets every kind.
 */
export function checkMemory(name: string, data: TypedArray, byteLength: number): void {
  if (byteLength === 0) checkLive(name, data);
  else if (byteLength > WITHOUT_BUFFER) checkUnshared(name, data.buffer);
}

function checkUnshared(name: string, buffer: ArrayBufferLike): void {
  if (buffer[Symbol.toStringTag] === "SharedArrayBuffer") {
    throw wrongKind(name, "memory of this thread alone, such as a copy by slice()", buffer);
  }
}

/** An array is empty where its memory has moved, was transferred or shrank too far; its methods tell that from none. */
function checkLive(name: string, data: TypedArray): void {
  try {
    data.keys();
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
  if (!isList(strides)) return;
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    // The stride of an axis of one position is never taken.
    if (shape[axis] !== 1 && strides[axis] !== expected) {
      throw wrongValue(name, "row-major order; copy the values into it first", Array.from(strides));
    }
    expected *= Number(shape[axis]);
  }
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || isTypedArray(value);
}
