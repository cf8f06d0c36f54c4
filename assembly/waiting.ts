/**
 * What is left of a row once its sum is known: its exponentials are to be multiplied by a factor, or its logits to have
 * their logarithm taken off. That waits until exponentials of another row are taken: the loops of exp-loop.ts do it by the
 * way, those that write exponentials multiply and those that only sum them subtract. They are bound by arithmetic and it by
 * memory, so that together they take little more time than one of them: a tenth to a fifth less for a row of 1000 classes.
 */
import { FLOAT32 } from "./kinds";
import { Lanes } from "./lanes";
import { widen } from "./widen";

/** Where results go that wait, and how many are left; and how far before them is what they are computed from. */
let results: usize = 0;
let left: i32 = 0;
export let apart: usize = 0;

/** A factor; or the two parts of a logarithm, one after the other; four times each. */
export const NUMBERS = memory.data(32, 16);

/** A value of its own, which is written to its place when all others are. */
let place: usize = 0;
let value: f32 = 0;

/** Lets n values in place wait for a factor, and one for its value; NOWHERE for none. What waited before is done first. */
export function let_scale(values: usize, n: i32, factor: v128, at: usize, own: f32): void {
  finish_scale();
  v128.store(NUMBERS, factor);
  results = values;
  left = n;
  place = at;
  value = own;
}

export const NOWHERE = memory.data(4, 4);

/**
 * Lets n logits wait to have two numbers taken off, which leaves at most 0. What waited before is done first. Halves do not
 * wait, whose loops are one for exponentials that are wanted and that are not.
 */
export function let_subtract(logits: usize, kind: i32, out: usize, n: i32, near: f32, rest: f32): void {
  if (kind !== FLOAT32) {
    widen(logits, kind, out, n);
    subtract(out, out, n, near, rest);
    return;
  }
  finish_subtract();
  v128.store(NUMBERS, f32x4.splat(near));
  v128.store(NUMBERS, f32x4.splat(rest), 16);
  results = out;
  left = n;
  apart = out - logits;
}

/** The first of n results that a loop has to compute, after which it goes on with the others; 0 for none. */
export function take(n: i32): usize {
  if (left < n) return 0;
  const first = results;
  results += (<usize>n) << 2;
  left -= n;
  return first;
}

/** Multiplies what is left. */
export function finish_scale(): void {
  if (place === 0) return;
  scale(results, left, v128.load(NUMBERS));
  store<f32>(place, value);
  left = 0;
  place = 0;
}

/** Multiplies n floats in place. */
export function scale(values: usize, n: i32, factor: v128): void {
  for (; n >= 8; n -= 8, values += 32) {
    const a = v128.load(values);
    const b = v128.load(values, 16);
    v128.store(values, f32x4.mul(a, factor));
    v128.store(values, f32x4.mul(b, factor), 16);
  }
  for (; n > 0; n--, values += 4) store<f32>(values, load<f32>(values) * f32x4.extract_lane(factor, 0));
}

/** Takes the numbers off what is left. */
export function finish_subtract(): void {
  subtract(results - apart, results, left, load<f32>(NUMBERS), load<f32>(NUMBERS, 16));
  left = 0;
}

/** min(x - near - rest, 0) */
function subtract(from: usize, to: usize, n: i32, near: f32, rest: f32): void {
  const a = f32x4.splat(near);
  const b = f32x4.splat(rest);
  const zero = f32x4.splat(0);
  for (; n > 0; n -= 4, from += 16, to += 16) {
    Lanes.put(to, n, f32x4.pmin(f32x4.sub(f32x4.sub(v128.load(from), a), b), zero));
  }
}
