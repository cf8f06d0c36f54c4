import type { Layout } from "./backend.js";
import type { FloatValues } from "./floats.js";
import { sizeOf } from "./tensor-like.js";
import { checkShape, checkWhole, wrongValue } from "./validate.js";

/** How an array is laid out, where it does not say so itself. */
export interface LayoutOptions {
  /** The sizes of the axes of a bare array. */
  readonly shape?: readonly number[] | undefined;
  /** The class axis, counted from the end where it is negative; the last one by default. */
  readonly axis?: number | undefined;
}

/** An array as rows of classes: the class axis between the axes before it and those behind it, taken together. */
export interface Rows extends Layout {
  readonly shape: readonly number[];
  readonly axis: number;
  /** outer · inner */
  readonly rows: number;
}

/** The kernels count in int32. */
export const MOST_VALUES = 2 ** 31 - 1;

/** Refuses an array that has not as many values as its shape. */
export function checkLength(name: string, length: number, shape: readonly number[]): void {
  const size = sizeOf(shape);
  if (size > MOST_VALUES) throw wrongValue(name, `at most ${MOST_VALUES} values`, size);
  if (size !== length) throw wrongValue(name, `${size} values for shape [${shape.join(", ")}]`, length);
}

/** The shape of an array, its own or `options.shape`; undefined where there is neither. */
export function givenShape(
  name: string,
  own: readonly number[] | undefined,
  options: LayoutOptions | undefined,
): readonly number[] | undefined {
  if (options?.shape === undefined) return own;
  const given = checkShape("shape", options.shape);
  if (own && !sameShape(given, own)) throw wrongValue("shape", `[${own.join(", ")}], the shape of ${name}`, given);
  return given;
}

/** Lays an array out by a shape, which is its own, given or inferred. */
export function layOut(
  name: string,
  values: Pick<FloatValues, "data" | "shape">,
  shape: readonly number[],
  options: LayoutOptions | undefined,
): Rows {
  if (shape.length === 0) throw wrongValue(values.shape ? name : "shape", "at least the class axis", shape);
  checkLength(name, values.data.length, shape);
  const axis = options?.axis === undefined ? shape.length - 1 : checkAxis(options.axis, shape.length);
  const outer = sizeOf(shape, 0, axis);
  const inner = sizeOf(shape, axis + 1);
  if (outer * inner > MOST_VALUES) throw wrongValue(name, `at most ${MOST_VALUES} rows`, outer * inner);
  return { shape, axis, outer, classes: Number(shape[axis]), inner, rows: outer * inner };
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}

/** Refuses a shape of what has one value a row that is not the layout's without its class axis. */
export function checkRowShape(name: string, shape: readonly number[], layout: Rows): void {
  const expected = layout.shape.filter((_, axis) => axis !== layout.axis);
  if (!sameShape(shape, expected)) throw wrongValue(name, `shape [${expected.join(", ")}]`, shape);
}

function checkAxis(value: unknown, rank: number): number {
  const axis = checkWhole("axis", value);
  if (axis < -rank || axis >= rank) throw wrongValue("axis", `one of ${rank} axes`, axis);
  return axis < 0 ? axis + rank : axis;
}
