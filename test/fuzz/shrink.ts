/** Makes a failing call as small as it cheaply goes: fewer positions and classes, fewer options, shorter numbers. */

import { sizesOf } from "../oracle.js";
import { type ArrayArgument, type Call, isArgument, isFloats, rounded } from "./call.js";

/** From a first index to before an end. */
type Range = readonly [first: number, end: number];

interface Part {
  readonly outer: Range;
  readonly classes: Range;
  readonly inner: Range;
}

function isIn(index: number, [first, end]: Range): boolean {
  return index >= first && index < end;
}

function whole({ layout }: Call): Part {
  const { outer, classes, inner } = sizesOf(layout);
  return { outer: [0, outer], classes: [0, classes], inner: [0, inner] };
}

function partOfArray(array: ArrayArgument, call: Call, { outer, classes, inner }: Part): ArrayArgument {
  const sizes = sizesOf(call.layout);
  const isTaken = (i: number): boolean => {
    if (array.span === "classes") return isIn(i, classes);
    const position =
      array.span === "rows" ? i : Math.floor(i / (sizes.classes * sizes.inner)) * sizes.inner + (i % sizes.inner);
    const c = array.span === "rows" ? classes[0] : Math.floor(i / sizes.inner) % sizes.classes;
    return isIn(Math.floor(position / sizes.inner), outer) && isIn(position % sizes.inner, inner) && isIn(c, classes);
  };
  const values = array.values.filter((_, i) => isTaken(i));
  if (isFloats(array)) return { ...array, values };
  // Targets move with their classes; those whose class is gone take the first.
  const isClass = (label: number): boolean => label >= 0 && label < sizes.classes && label !== call.options.ignoreIndex;
  const moved = values.map((label) => (!isClass(label) ? label : isIn(label, classes) ? label - classes[0] : 0));
  return { ...array, values: moved };
}

/** A part of a call, with the class axis second, or last where it can be. */
function partOfCall(call: Call, part: Part): Call {
  const [outer, classes, inner] = [part.outer, part.classes, part.inner].map(([first, end]) => end - first);
  const shape = [Number(outer), Number(classes), Number(inner)];
  return {
    ...call,
    layout: inner === 1 ? { shape: shape.slice(0, 2) } : { shape, axis: 1 },
    withShape: true,
    arrays: mapArrays(call, (array) => partOfArray(array, call, part)),
  };
}

function mapArrays({ arrays }: Call, map: (array: ArrayArgument) => ArrayArgument): Call["arrays"] {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, map(array)]));
}

function without<T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== key));
}

function halves([first, end]: Range): Range[] {
  const middle = Math.floor((first + end) / 2);
  const ends: Range[] = [
    [first, middle],
    [middle, end],
    [first + 1, end],
    [first, end - 1],
  ];
  return ends.filter((range) => range[1] - range[0] >= 1 && range[1] - range[0] < end - first);
}

function shorter(array: ArrayArgument, digits: number): ArrayArgument {
  if (!isFloats(array)) return array;
  return { ...array, values: array.values.map((value) => rounded(array.kind, Number(value.toPrecision(digits)))) };
}

/** Calls that are a step smaller, those that may save most first. */
function smaller(call: Call): Call[] {
  const part = whole(call);
  const sizes = ["outer", "inner", "classes"] as const;
  const arrays = Object.keys(call.arrays).filter((name) => !isArgument(call, name));
  const plain = mapArrays(call, (array) => (array.form === "numbers" ? array : { ...array, form: "bare" }));
  return [
    ...sizes.flatMap((size) => halves(part[size]).map((range) => partOfCall(call, { ...part, [size]: range }))),
    ...arrays.map((name) => ({ ...call, arrays: without(call.arrays, name) })),
    ...Object.keys(call.options).map((name) => ({ ...call, options: without(call.options, name) })),
    ...(call.out === "fresh" ? [] : [{ ...call, out: "fresh" } as const]),
    { ...call, withShape: true, arrays: plain },
    ...[2, 4].map((digits) => ({ ...call, arrays: mapArrays(call, (array) => shorter(array, digits)) })),
  ];
}

function key(call: Call): string {
  return JSON.stringify(call, (_name, value) => (typeof value === "number" ? String(value) : value));
}

/** The smallest call found that fails too, after so many tries at the most. */
export function shrunk(call: Call, fails: (call: Call) => boolean, tries = 300): Call {
  const seen = new Set([key(call)]);
  let smallest = call;
  for (let left = tries; left > 0; ) {
    const next = smaller(smallest).find((candidate) => {
      const name = key(candidate);
      if (seen.has(name) || left-- <= 0) return false;
      seen.add(name);
      return fails(candidate);
    });
    if (next === undefined) break;
    smallest = next;
  }
  return smallest;
}
