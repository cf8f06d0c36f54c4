/** Arrays with the class axis anywhere, as rows of classes, and back. */

import { at, type Numbers } from "./arithmetic.js";

export interface Layout {
  readonly shape: readonly number[];
  /** From either end; -1, the last, by default. */
  readonly axis?: number | undefined;
}

interface Sizes {
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
}

export function sizesOf({ shape, axis = -1 }: Layout): Sizes {
  const index = axis < 0 ? axis + shape.length : axis;
  const product = (sizes: readonly number[]): number => sizes.reduce((size, next) => size * next, 1);
  return { outer: product(shape.slice(0, index)), classes: at(shape, index), inner: product(shape.slice(index + 1)) };
}

/** Calls `visit` with the index of each element among the rows, and in the layout. */
function eachElement(layout: Layout, visit: (inRows: number, inLayout: number) => void): void {
  const { outer, classes, inner } = sizesOf(layout);
  let inLayout = 0;
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < classes; c++) {
      for (let i = 0; i < inner; i++) visit((o * inner + i) * classes + c, inLayout++);
    }
  }
}

/** The rows of an array, in the order of its other axes. */
export function toRows(array: Numbers, layout: Layout): Float64Array {
  const rows = new Float64Array(array.length);
  eachElement(layout, (inRows, inLayout) => {
    rows[inRows] = at(array, inLayout);
  });
  return rows;
}

/** The array of these rows. */
export function fromRows(rows: Numbers, layout: Layout): Float64Array {
  const array = new Float64Array(rows.length);
  eachElement(layout, (inRows, inLayout) => {
    array[inLayout] = at(rows, inRows);
  });
  return array;
}
