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
  if (shape.length === 0) throw wrongValue("shape", "at least the class axis", shape);
  if (sizeOf(shape) !== values.data.length) {
    throw wrongValue(name, `${sizeOf(shape)} values for shape [${shape.join(", ")}]`, values.data.length);
  }
  checkAxis(options?.axis, shape.length);
  const classes = Number(shape[shape.length - 1]);
  return { shape, rows: sizeOf(shape.slice(0, -1)), classes };
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function checkAxis(axis: number | undefined, rank: number): void {
  if (axis === undefined || axis === -1) return;
  checkWhole("axis", axis);
  if (axis < -rank || axis >= rank) throw wrongValue("axis", `one of ${rank} axes`, axis);
  if (axis !== rank - 1) throw notYet("axis", "a class axis that is not the last is");
}
