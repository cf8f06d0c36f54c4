import type { Layout } from "./backend.js";

/** Visits the rows in order: their classes lie from `start` to below `end`, `step` apart. */
export function eachRow(
  { outer, classes, inner }: Layout,
  visit: (row: number, start: number, end: number, step: number) => void,
): void {
  const length = classes * inner;
  for (let row = 0, block = 0; block < outer; block++) {
    for (let start = block * length; start < block * length + inner; start++, row++) {
      visit(row, start, start + length, inner);
    }
  }
}

export function at(values: ArrayLike<number>, index: number): number {
  return values[index] as number;
}
