import type { ClassIndices, TargetArray } from "./backend.js";
import { asFloats, type FloatArray, type FloatValues } from "./floats.js";
import { checkRowShape, type Rows } from "./rows.js";
import { kindOf, readTensor, type TensorLike, type TypedArray } from "./tensor-like.js";
import { describe, wrongKind, wrongValue } from "./validate.js";

/** One class a row: any integer array, or a tensor of one. */
export type ClassTargets = IntegerArray | readonly number[] | TensorLike;

/** A mass for every class of every row: a float array or a tensor of one, laid out like the logits. */
export type SoftTargets = FloatArray | TensorLike;

export type IntegerArray = TargetArray | Uint32Array | BigInt64Array | BigUint64Array;

/** Class targets as they came, and their shape where they came with one. */
export interface RawTargets {
  readonly data: IntegerArray | readonly number[];
  readonly shape: readonly number[] | undefined;
}

/** Targets as a backend takes them, and how many rows they keep. */
export interface CheckedTargets extends ClassIndices {
  readonly kept: number;
}

const CLASSES = "an integer array, a number[] or a tensor of an integer array";
const CLASSES_OR_MASSES = `${CLASSES}, or a float array or a tensor of one for soft targets`;

/** What stands for an ignored row where targets are copied; no class is negative. */
const IGNORED = -1;

/** Class targets, or soft ones where they are floating-point numbers. */
export function readTargets(value: unknown): RawTargets | FloatValues {
  if (Array.isArray(value)) return { data: value, shape: undefined };
  const { data, shape, dtype } = readTensor("targets", value, CLASSES_OR_MASSES);
  const floats = asFloats(data, dtype);
  if (floats) return { ...floats, shape };
  if (isIntegers(data)) return { data, shape };
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
export function checkTargets({ data, shape }: RawTargets, ignoreIndex: number, layout: Rows): CheckedTargets {
  const { rows, classes } = layout;
  if (shape) checkRowShape("targets", shape, layout);
  if (data.length !== rows) throw wrongValue("targets", `${rows} values, one a row`, data.length);
  if (!ArrayBuffer.isView(data)) return checkCopied(data, (i) => data[i], ignoreIndex, classes);
  if (isBigInt(data)) return checkCopied(data, bigintReader(data), ignoreIndex, classes);
  if (isUint32(data)) return checkCopied(data, (i) => data[i], ignoreIndex, classes);
  return checkInPlace(data, ignoreIndex, classes);
}

function isBigInt(data: IntegerArray): data is BigInt64Array | BigUint64Array {
  return kindOf(data).startsWith("Big");
}

function isUint32(data: IntegerArray): data is Uint32Array {
  return kindOf(data) === "Uint32Array";
}

/** Targets that a backend reads as they are. */
function checkInPlace(data: TargetArray, ignoreIndex: number, classes: number): CheckedTargets {
  let kept = data.length;
  for (let i = 0; i < data.length; i++) {
    const target = Number(data[i]);
    if (target === ignoreIndex) kept--;
    else if (target < 0 || target >= classes) throw noClass(i, ignoreIndex, classes, target);
  }
  // An ignoreIndex beyond int32 is the value of none of these.
  return { data, ignoreIndex: ignoreIndex === (ignoreIndex | 0) ? ignoreIndex : IGNORED, kept };
}

/** Targets of a kind that holds more than int32, read one by one. */
function checkCopied(
  data: ArrayLike<unknown>,
  read: (i: number) => unknown,
  ignoreIndex: number,
  classes: number,
): CheckedTargets {
  const copy = new Int32Array(data.length);
  let kept = data.length;
  for (let i = 0; i < data.length; i++) {
    const target = read(i);
    if (typeof target !== "number") throw wrongKind(`targets[${i}]`, "a whole number", target);
    if (target === ignoreIndex) {
      copy[i] = IGNORED;
      kept--;
    } else if (Number.isInteger(target) && target >= 0 && target < classes) {
      copy[i] = target;
    } else {
      throw noClass(i, ignoreIndex, classes, data[i]);
    }
  }
  return { data: copy, ignoreIndex: IGNORED, kept };
}

/** Reads 64-bit integers as two words each: a BigInt would be an allocation an element. Exact up to 2^53. */
function bigintReader(data: BigInt64Array | BigUint64Array): (i: number) => number {
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length * 2);
  const signed = kindOf(data) === "BigInt64Array";
  return (i) => {
    const high = Number(words[2 * i + 1]);
    return (signed ? high | 0 : high) * 2 ** 32 + Number(words[2 * i]);
  };
}

function noClass(i: number, ignoreIndex: number, classes: number, target: unknown): RangeError {
  return new RangeError(
    `targets[${i}]: expected a class in [0, ${classes}) or ignoreIndex ${ignoreIndex}, got ${describe(target)}`,
  );
}
