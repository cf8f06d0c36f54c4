/**
 * What is left of a row once its sum is known: its exponentials are to be multiplied by a factor. That waits until those of
 * another row are taken: the loops of exp-loop.ts do it by the way. They are bound by arithmetic and it by memory, so that
 * together they take little more time than one of them: a tenth to a fifth less for a row of 1000 classes.
 */

/** Where the values are that wait, and how many are left. */
let values: usize = 0;
let left: i32 = 0;

/** The factor, four times. */
export const FACTOR = memory.data(16, 16);

/** A value of its own, which is written to its place when all others are. */
let place: usize = 0;
let value: f32 = 0;

/** Lets n values in place wait for a factor, and one for its value; NOWHERE for none. What waited before is done first. */
export function let_scale(first: usize, n: i32, factor: v128, at: usize, own: f32): void {
  finish_scale();
  v128.store(FACTOR, factor);
  values = first;
  left = n;
  place = at;
  value = own;
}

export const NOWHERE = memory.data(4, 4);

/** The first of n values that a loop has to multiply, after which it goes on with the others; 0 for none. */
export function take(n: i32): usize {
  if (left < n) return 0;
  const first = values;
  values += (<usize>n) << 2;
  left -= n;
  return first;
}

/** Multiplies what is left. */
export function finish_scale(): void {
  if (place === 0) return;
  scale(values, left, v128.load(FACTOR));
  store<f32>(place, value);
  left = 0;
  place = 0;
}

/** Multiplies n floats in place. */
export function scale(at: usize, n: i32, factor: v128): void {
  for (; n >= 8; n -= 8, at += 32) {
    const a = v128.load(at);
    const b = v128.load(at, 16);
    v128.store(at, f32x4.mul(a, factor));
    v128.store(at, f32x4.mul(b, factor), 16);
  }
  for (; n > 0; n--, at += 4) store<f32>(at, load<f32>(at) * f32x4.extract_lane(factor, 0));
}
