import type { Backend, ClassIndices } from "./backend.js";
import { asFloats, type FloatArray, type FloatValues } from "./floats.js";
import { checkRowShape, type Rows } from "./rows.js";
import { checkMemory, kindOf, readTensor, type TensorLike, type TypedArray } from "./tensor-like.js";
import { describe, wrongKind, wrongValue } from "./validate.js";

/** One class a row: any integer array, or a tensor of one. */
export type ClassTargets = IntegerArray | readonly number[] | TensorLike;

/** A mass for every class of every row: a float array or a tensor of one, laid out like the logits. */
export type SoftTargets = FloatArray | TensorLike;

export type IntegerArray =
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** Class targets as they came, and their shape where they came with one. */
export interface RawTargets {
  readonly data: IntegerArray | readonly number[];
  /** How many there are, asked where the kind of the array is known: what meets all kinds waits long for an answer. */
  readonly length: number;
  readonly shape: readonly number[] | undefined;
}

/** Targets as a backend takes them, and how many rows they keep. */
export interface CheckedTargets extends ClassIndices {
  readonly kept: number;
}

const CLASSES = "an integer array, a number[] or a tensor of an integer array";
const CLASSES_OR_MASSES = `${CLASSES}, or a float array or a tensor of one for soft targets`;

/** What stands for an ignored row, or for none: no class is negative. */
const IGNORED = -1;

/** Class targets, or soft ones where they are floating-point numbers. */
export function readTargets(value: unknown): RawTargets | FloatValues {
  if (value instanceof Int32Array) {
    checkMemory("targets", value, value.byteLength);
    return { data: value, length: value.length, shape: undefined };
  }
  if (Array.isArray(value)) return { data: value, length: value.length, shape: undefined };
  return readOtherTargets(value);
}

function readOtherTargets(value: unknown): RawTargets | FloatValues {
  const { data, shape, dtype } = readTensor("targets", value, CLASSES_OR_MASSES);
  const floats = asFloats(data, dtype);
  if (floats) return { ...floats, shape };
  if (isIntegers(data)) return { data, length: data.length, shape };
  throw wrongKind("targets", CLASSES_OR_MASSES, data);
}

export function isSoft(targets: RawTargets | FloatValues): targets is FloatValues {
  return "kind" in targets;
}

export function readClasses(value: unknown): RawTargets {
  const targets = readTargets(value);
  if (isSoft(targets)) throw wrongKind("targets", CLASSES, targets.data);
  return targets;
}

const INTEGER_KINDS = new Set([
  "Int8Array",
  "Int16Array",
  "Int32Array",
  "Uint8Array",
  "Uint16Array",
  "Uint32Array",
  "BigInt64Array",
  "BigUint64Array",
]);

function isIntegers(data: TypedArray): data is IntegerArray {
  return INTEGER_KINDS.has(kindOf(data));
}

/** Checks that there is one target a row of the logits, and that each is a class or `ignoreIndex`. */
export function checkTargets(
  { data, length, shape }: RawTargets,
  ignoreIndex: number,
  layout: Rows,
  backend: Pick<Backend, "keptTargets">,
): CheckedTargets {
  const { rows, classes } = layout;
  if (shape) checkRowShape("targets", shape, layout);
  if (length !== rows) throw wrongValue("targets", `${rows} values, one a row`, length);
  if (data instanceof Int32Array) return checkInt32(data, ignoreIndex, classes, backend);
  return checkOthers(data, ignoreIndex, classes);
}

function checkOthers(data: IntegerArray | readonly number[], ignoreIndex: number, classes: number): CheckedTargets {
  if (!ArrayBuffer.isView(data)) return checkNumbers(data, ignoreIndex, classes);
  if (isBigInt(data)) return checkBigInts(data, ignoreIndex, classes);
  return checkIntegers(data, ignoreIndex, classes);
}

function isBigInt(data: IntegerArray): data is BigInt64Array | BigUint64Array {
  return kindOf(data).startsWith("Big");
}

/** By itself: what meets integers of all kinds waits longer for each property of theirs. */
function checkInt32(
  data: Int32Array,
  ignoreIndex: number,
  classes: number,
  backend: Pick<Backend, "keptTargets">,
): CheckedTargets {
  if (ignoreIndex === (ignoreIndex | 0)) {
    const kept = backend.keptTargets(data, classes, ignoreIndex);
    if (kept >= 0) return { data, step: 1, ignoreIndex, kept };
  }
  return checkIntegers(data, ignoreIndex, classes);
}

/** Fewer targets are sooner looked at one after another than by the kernels. */
export const FEW_TARGETS = 64;

/** `Backend.keptTargets`, one target after another. */
export function keptTargets(targets: Int32Array, classes: number, ignoreIndex: number): number {
  const isClass = ignoreIndex >= 0 && ignoreIndex < classes;
  if (!isClass && areClasses(targets, classes)) return targets.length;
  let kept = targets.length;
  for (const target of targets) {
    if (target === ignoreIndex) kept--;
    else if (target < 0 || target >= classes) return -1;
  }
  return kept;
}

/** Without a branch each, which is several times as fast as looking for what is none. */
export function areClasses(data: Int32Array, classes: number): boolean {
  // Read once: once a memory has grown, V8 asks an array for its length anew each time.
  const { length } = data;
  const last = classes - 1;
  // Negative where a target is, or is beyond the last class.
  let signs = 0;
  for (let i = 0; i < length; i++) {
    const target = data[i] as number;
    signs |= target | (last - target);
  }
  return signs >= 0;
}

function checkIntegers(
  data: Exclude<IntegerArray, BigInt64Array | BigUint64Array>,
  ignoreIndex: number,
  classes: number,
): CheckedTargets {
  const { length } = data;
  let kept = length;
  for (let i = 0; i < length; i++) {
    const target = data[i] as number;
    if (target === ignoreIndex) kept--;
    else if (target < 0 || target >= classes) throw noClass(i, ignoreIndex, classes, target);
  }
  // Where ignoreIndex is none of their values, none of them is ignored.
  const inRange = ignoreIndex >= -(2 ** 31) && ignoreIndex < 2 ** 32;
  const signed = kindOf(data) === "Uint32Array" ? new Int32Array(data.buffer, data.byteOffset, length) : data;
  return { data: signed, step: 1, ignoreIndex: inRange ? ignoreIndex | 0 : IGNORED, kept };
}

function checkNumbers(data: readonly number[], ignoreIndex: number, classes: number): CheckedTargets {
  let kept = data.length;
  for (let i = 0; i < data.length; i++) {
    const target: unknown = data[i];
    if (typeof target !== "number") throw wrongKind(`targets[${i}]`, "a whole number", target);
    if (target === ignoreIndex) kept--;
    else if (!Number.isInteger(target) || target < 0 || target >= classes) {
      throw noClass(i, ignoreIndex, classes, target);
    }
  }
  if (ignoreIndex === (ignoreIndex | 0)) return { data, step: 1, ignoreIndex, kept };
  const ignoring = Int32Array.from(data, (target) => (target === ignoreIndex ? IGNORED : target));
  return { data: ignoring, step: 1, ignoreIndex: IGNORED, kept };
}

/**
 * 64-bit integers are read as two words each: a BigInt would be an allocation an element. Of one that is known to be a
 * class or `ignoreIndex`, the lower word tells which, unless that is beyond 32 bits.
 */
function checkBigInts(data: BigInt64Array | BigUint64Array, ignoreIndex: number, classes: number): CheckedTargets {
  if (ignoreIndex !== (ignoreIndex | 0)) return checkNumbers(Array.from(data, Number), ignoreIndex, classes);
  const words = new Int32Array(data.buffer, data.byteOffset, data.length * 2);
  // An unsigned integer is no negative ignoreIndex, whatever its bits.
  const ignoredHigh = ignoreIndex >= 0 ? 0 : kindOf(data) === "BigInt64Array" ? -1 : undefined;
  let kept = data.length;
  for (let i = 0; i < data.length; i++) {
    const low = words[2 * i] as number;
    const high = words[2 * i + 1] as number;
    if (low === ignoreIndex && high === ignoredHigh) kept--;
    else if (high !== 0 || low < 0 || low >= classes) throw noClass(i, ignoreIndex, classes, data[i]);
  }
  return { data: words, step: 2, ignoreIndex, kept };
}

function noClass(i: number, ignoreIndex: number, classes: number, target: unknown): RangeError {
  return new RangeError(
    `targets[${i}]: expected a class in [0, ${classes}) or ignoreIndex ${ignoreIndex}, got ${describe(target)}`,
  );
}
