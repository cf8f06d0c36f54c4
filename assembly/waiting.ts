/**
 * What is left of long rows once their sums are known: their exponentials are to be multiplied by a factor. That waits until
 * those of the next tile's rows are taken: the loop of exp-loop.ts does it by the way. It is bound by arithmetic and this
 * by memory, so that together they take little more time than one of them: a tenth to a fifth less for rows of 1000 classes.
 */

/** The rows that wait, one behind the other: where they begin, how many there are, and which one is next. */
let first: usize = 0;
let rows: usize = 0;
let next: usize = 0;
let classes: i32 = 0;
/** One float32 a row: their factors; and values that go to a place of their own, 0 for no such values. */
let factors: usize = 0;
let values: usize = 0;
/** Where these go, in bytes from the first row: of as many rows as a tile has at most. */
const PLACES = memory.data(64, 16);

/** What is left of the row that is being scaled, and its factor, four times. */
let at: usize = 0;
let left: i32 = 0;
export const FACTOR = memory.data(16, 16);

/**
 * Lets rows at `array` wait; what waited before has to be finished. Factors and values are read where they are, and so have
 * to stay until the rows are finished; places may change.
 */
export function let_wait(array: usize, count: i32, n: i32, itsFactors: usize, itsValues: usize, places: usize): void {
  first = array;
  rows = count;
  next = 0;
  classes = n;
  factors = itsFactors;
  values = itsValues;
  if (itsValues !== 0) memory.copy(PLACES, places, (<usize>count) << 2);
}

/** Forgets what waits, which is what an ended call left. */
export function forget(): void {
  rows = next = 0;
  left = 0;
}

/** The first of n values that a loop has to multiply, after which it goes on with the others; 0 for none. */
export function take(n: i32): usize {
  if (left < n && !(turn() && left >= n)) return 0;
  const from = at;
  at += (<usize>n) << 2;
  left -= n;
  return from;
}

/** Finishes a row and turns to the next; whether there is one. */
function turn(): bool {
  scale(at, left, v128.load(FACTOR));
  left = 0;
  if (next === rows) return false;
  v128.store(FACTOR, v128.load32_splat(factors + (next << 2)));
  at = first + ((next * classes) << 2);
  left = classes;
  next++;
  return true;
}

/** Scales all rows that wait, and writes their values. */
export function finish(): void {
  while (turn()) {}
  if (values !== 0) {
    for (let q: usize = 0; q < rows << 2; q += 4) store<f32>(first + load<u32>(q, PLACES), load<f32>(values + q));
  }
  rows = next = 0;
}

/** Multiplies n floats in place. */
export function scale(to: usize, n: i32, factor: v128): void {
  for (; n >= 8; n -= 8, to += 32) {
    const a = v128.load(to);
    const b = v128.load(to, 16);
    v128.store(to, f32x4.mul(a, factor));
    v128.store(to, f32x4.mul(b, factor), 16);
  }
  for (; n > 0; n--, to += 4) store<f32>(to, load<f32>(to) * f32x4.extract_lane(factor, 0));
}
