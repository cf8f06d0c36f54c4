/** The expectations that hold results to exact values, and the bounds that they are held to. */

import { expect, vi } from "vitest";
import type { Tolerance } from "./bounds.js";
import { at, type Numbers } from "./oracle.js";

export * from "./bounds.js";

const SHOWN = 5;

function errorInTolerances(got: number, want: number, allowed: number): number {
  if (Number.isFinite(got) && Number.isFinite(want)) return Math.abs(got - want) / allowed;
  return Object.is(got, want) ? 0 : Number.POSITIVE_INFINITY;
}

/** Holds an array, whose rows have `classes` elements, to the exact values; one expectation, however long it is. */
export const expectClose = vi.defineHelper(
  (what: string, got: Numbers, want: Numbers, classes: number, tolerance: Tolerance): void => {
    const misses: { index: number; error: number }[] = [];
    for (let i = 0; i < want.length; i++) {
      const exact = at(want, i);
      const error = errorInTolerances(got[i] ?? Number.NaN, exact, tolerance(exact, i));
      if (!(error <= 1)) misses.push({ index: i, error });
    }
    const report = misses
      .sort((a, b) => b.error - a.error)
      .slice(0, SHOWN)
      .map(({ index, error }) => {
        const where = `${what} row ${Math.floor(index / classes)} class ${index % classes}`;
        return `${where}: got ${got[index]}, want ${want[index]}, off by ${error.toPrecision(3)} tolerances`;
      });
    expect({ length: got.length, misses: misses.length, report }).toEqual({
      length: want.length,
      misses: 0,
      report: [],
    });
  },
);

/** Holds one number to its exact value. */
export const expectCloseNumber = vi.defineHelper(
  (what: string, got: number, want: number, tolerance: Tolerance): void => {
    expectClose(what, [got], [want], 1, tolerance);
  },
);

/** The bits of float32 values, as a view of them. */
export function wordsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** The same bits, word by word: NaN equals NaN, and 0 does not equal -0. */
export const expectSameBits = vi.defineHelper((what: string, got: Float32Array, want: Float32Array): void => {
  const [gotWords, wantWords] = [wordsOf(got), wordsOf(want)];
  let index = 0;
  while (index < wantWords.length && gotWords[index] === wantWords[index]) index++;
  const report = index === wantWords.length ? "same bits" : `${what}[${index}]: got ${got[index]}, want ${want[index]}`;
  expect({ length: got.length, report }).toEqual({ length: want.length, report: "same bits" });
});
