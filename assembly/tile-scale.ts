/** What is computed of one number a row, and a tile's values. */
import { Lanes } from "./lanes";
import {
  along,
  array_step,
  between,
  blocks,
  chunk,
  count,
  floats_of,
  held,
  pitch,
  place,
  positions,
  step_of,
  TILE,
  whole,
} from "./tile";

/** Places for what is spread over the values of a tile. */
const SPREAD = memory.data(32784, 16);
const SECOND = memory.data(32784, 16);

/**
 * Whether loops beside numbers go through a tile as one stretch, over which the numbers are spread; else they go block by
 * block and class by class, and find the numbers beside each.
 */
function is_flat(): bool {
  return whole && (along || (positions & 3) !== 0);
}

/** Where such a loop finds one number a row, for each value of a stretch. */
function spread(numbers: usize, to: usize): usize {
  if (!is_flat()) return numbers;
  let at = to;
  if (along) {
    for (const end = numbers + ((<usize>count) << 2); numbers < end; numbers += 4) {
      const v = v128.load32_splat(numbers);
      const next = at + ((<usize>chunk) << 2);
      for (; at < next; at += 16) v128.store(at, v);
      at = next;
    }
    return to;
  }
  for (let block = 0; block < blocks; block++, numbers += pitch) {
    for (let c = 0; c < chunk; c++, at += pitch) {
      for (let i: usize = 0; i < pitch; i += 16) v128.store(at + i, v128.load(numbers + i));
    }
  }
  return to;
}

/** Zeros for all rows. */
export const ZEROS = memory.data(4112, 16);

/**
 * Writes what is held of the classes from `first` to `first + n`, each less its row's offset, if there are such, and
 * multiplied by its row's factor, to an array.
 */
export function tile_scale(factors: usize, offsets: usize, out: usize, first: i32, n: i32): void {
  const to = place(out, 4, first);
  if (along && chunk > 1) {
    if (offsets !== 0) subtract_along(TILE, offsets, ZEROS, Infinity, SECOND);
    scale_along(factors, offsets === 0 ? TILE : SECOND, to);
  } else {
    const from = held(first);
    if (offsets !== 0) subtract_beside(from, between, offsets, ZEROS, Infinity, from, between, n);
    scale_beside(factors, from, to, n);
  }
}

/** Row by row: what the last vector of a row has too many, fewer than two classes make, the next row overwrites. */
function scale_along(factors: usize, from: usize, to: usize): void {
  const bytes = (<usize>chunk) << 2;
  const last = factors + ((<usize>(count - 1)) << 2);
  for (; factors < last; factors += 4, from += bytes, to += bytes) {
    const f = v128.load32_splat(factors);
    let i: usize = 0;
    for (; i + 16 < bytes; i += 32) {
      const x = v128.load(from + i);
      const y = v128.load(from + i, 16);
      v128.store(to + i, f32x4.mul(x, f));
      v128.store(to + i, f32x4.mul(y, f), 16);
    }
    if (i < bytes) v128.store(to + i, f32x4.mul(v128.load(from + i), f));
  }
  const f = v128.load32_splat(factors);
  for (let i = 0; i < chunk; i += 4) {
    const at = (<usize>i) << 2;
    Lanes.put(to + at, chunk - i, f32x4.mul(v128.load(from + at), f));
  }
}

function scale_beside(factors: usize, from: usize, to: usize, n: i32): void {
  const flat = is_flat();
  const length = flat ? count * n : positions;
  const step = array_step();
  let numbers = spread(factors, SPREAD);
  for (let block = flat ? 1 : blocks; block > 0; block--, numbers += pitch) {
    for (let k = flat ? 1 : n; k > 0; k--, from += between, to += step) {
      let i = 0;
      for (; i + 8 <= length; i += 8) {
        const at = (<usize>i) << 2;
        const x = f32x4.mul(v128.load(from + at), v128.load(numbers + at));
        const y = f32x4.mul(v128.load(from + at, 16), v128.load(numbers + at, 16));
        v128.store(to + at, x);
        v128.store(to + at, y, 16);
      }
      for (; i < length; i += 4) {
        const at = (<usize>i) << 2;
        Lanes.put(to + at, length - i, f32x4.mul(v128.load(from + at), v128.load(numbers + at)));
      }
    }
  }
}

/**
 * Writes x - number - rest of the classes from `first` to `first + n`, and at most `most`, to where stretches lie `toStep`
 * apart; a number and a rest for each row.
 */
export function tile_subtract(
  logits: usize,
  kind: i32,
  numbers: usize,
  rests: usize,
  most: f32,
  to: usize,
  toStep: usize,
  first: i32,
  n: i32,
): void {
  const from = floats_of(logits, kind, first, n);
  if (along && chunk > 1 && from !== to) subtract_along(from, numbers, rests, most, to);
  else subtract_beside(from, step_of(kind), numbers, rests, most, to, toStep, n);
}

/** Row by row, as `scale_along`. */
function subtract_along(from: usize, numbers: usize, rests: usize, most: f32, to: usize): void {
  const bytes = (<usize>chunk) << 2;
  const limit = f32x4.splat(most);
  const last = numbers + ((<usize>(count - 1)) << 2);
  for (; numbers < last; numbers += 4, rests += 4, from += bytes, to += bytes) {
    const a = v128.load32_splat(numbers);
    const b = v128.load32_splat(rests);
    let i: usize = 0;
    for (; i + 16 < bytes; i += 32) {
      const x = f32x4.sub(f32x4.sub(v128.load(from + i), a), b);
      const y = f32x4.sub(f32x4.sub(v128.load(from + i, 16), a), b);
      v128.store(to + i, f32x4.pmin(x, limit));
      v128.store(to + i, f32x4.pmin(y, limit), 16);
    }
    if (i < bytes) {
      v128.store(to + i, f32x4.pmin(f32x4.sub(f32x4.sub(v128.load(from + i), a), b), limit));
    }
  }
  const a = v128.load32_splat(numbers);
  const b = v128.load32_splat(rests);
  for (let i = 0; i < chunk; i += 4) {
    const at = (<usize>i) << 2;
    const v = f32x4.sub(f32x4.sub(v128.load(from + at), a), b);
    Lanes.put(to + at, chunk - i, f32x4.pmin(v, limit));
  }
}

function subtract_beside(
  from: usize,
  step: usize,
  numbers: usize,
  rests: usize,
  most: f32,
  to: usize,
  toStep: usize,
  n: i32,
): void {
  const limit = f32x4.splat(most);
  const flat = is_flat();
  const length = flat ? count * n : positions;
  let a = spread(numbers, SPREAD);
  let b = spread(rests, SECOND);
  for (let block = flat ? 1 : blocks; block > 0; block--, a += pitch, b += pitch) {
    for (let k = flat ? 1 : n; k > 0; k--, from += step, to += toStep) {
      let i = 0;
      for (; i + 8 <= length; i += 8) {
        const at = (<usize>i) << 2;
        const v = f32x4.sub(f32x4.sub(v128.load(from + at), v128.load(a + at)), v128.load(b + at));
        const w = f32x4.sub(f32x4.sub(v128.load(from + at, 16), v128.load(a + at, 16)), v128.load(b + at, 16));
        v128.store(to + at, f32x4.pmin(v, limit));
        v128.store(to + at, f32x4.pmin(w, limit), 16);
      }
      for (; i < length; i += 4) {
        const at = (<usize>i) << 2;
        const v = f32x4.sub(f32x4.sub(v128.load(from + at), v128.load(a + at)), v128.load(b + at));
        Lanes.put(to + at, length - i, f32x4.pmin(v, limit));
      }
    }
  }
}
