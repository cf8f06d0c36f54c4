import { sizeOf, type Values } from "./tensor-like.js";
import { checkShape, checkWhole, notYet, wrongValue } from "./validate.js";

/** How an array is laid out, where it does not say so itself. */
export interface LayoutOptions {
  /** The sizes of the axes of a bare array. */
  readonly shape?: readonly number[] | undefined;
  /** The class axis, counted from the end where it is negative; the last one by default, and so far no other. */
  readonly axis?: number | undefined;
}

/** An array as rows of classes: the class axis, and all the others taken together. */
export interface Rows {
  readonly shape: readonly number[];
  readonly rows: number;
  readonly classes: number;
}

/** Lays an array out by its own shape, by `options.shape`, or by what `infer` makes of its length: the first there is. */
export function layOut(
  name: string,
  values: Values<Float32Array>,
  options: LayoutOptions | undefined,
  infer: () => readonly number[],
): Rows {
  const given = options?.shape === undefined ? undefined : checkShape("shape", options.shape);
  if (given && values.shape && !sameShape(given, values.shape)) {
    throw wrongValue("shape", `[${values.shape.join(", ")}], the shape of ${name}`, given);
  }
  const shape = values.shape ?? given ?? infer();
  const last = shape.length - 1;
  if (last < 0) throw wrongValue("shape", "at least the class axis", shape);
  const classes = Number(shape[last]);
  const rows = sizeOf(shape, last);
  if (rows * classes !== values.data.length) {
    throw wrongValue(name, `${rows * classes} values for shape [${shape.join(", ")}]`, values.data.length);
  }
  if (options?.axis !== undefined) checkAxis(options.axis, shape.length);
  return { shape, rows, classes };
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && startsWith(a, b);
}

/** Whether the first sizes of `a` are those of `b`. */
export function startsWith(a: readonly number[], b: readonly number[]): boolean {
  for (let axis = 0; axis < b.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}

function checkAxis(axis: number, rank: number): void {
  checkWhole("axis", axis);
  if (axis < -rank || axis >= rank) throw wrongValue("axis", `one of ${rank} axes`, axis);
  if (axis !== -1 && axis !== rank - 1) throw notYet("axis", "a class axis that is not the last");
}
