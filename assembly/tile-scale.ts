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
  step_of,
  stretch_of,
  stretches,
  TILE,
  whole,
} from "./tile";

/** Places for what is spread over the values of a tile. */
export const SPREAD = memory.data(32784, 16);
export const SECOND = memory.data(32784, 16);

/**
 * Where a loop finds one number a row, for each value of a stretch: spread over the values of a whole tile; else they
 * are the same for all stretches.
 */
export function spread(numbers: usize, to: usize): usize {
  if (!whole) return numbers;
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

/** Writes what is held of the classes from `first` to `first + n`, each multiplied by its row's factor, to an array. */
export function tile_scale(factors: usize, out: usize, first: i32, n: i32): void {
  const to = place(out, 4, first);
  if (along && chunk > 1) scale_along(factors, to);
  else scale_beside(factors, held(first), to, n);
}

/** Row by row: what the last vector of a row has too many, fewer than two classes make, the next row overwrites. */
function scale_along(factors: usize, to: usize): void {
  const bytes = (<usize>chunk) << 2;
  let tile = TILE;
  const last = factors + ((<usize>(count - 1)) << 2);
  for (; factors < last; factors += 4, tile += bytes, to += bytes) {
    const f = v128.load32_splat(factors);
    let i: usize = 0;
    for (; i + 16 < bytes; i += 32) {
      const x = v128.load(tile + i);
      const y = v128.load(tile + i, 16);
      v128.store(to + i, f32x4.mul(x, f));
      v128.store(to + i, f32x4.mul(y, f), 16);
    }
    if (i < bytes) v128.store(to + i, f32x4.mul(v128.load(tile + i), f));
  }
  const f = v128.load32_splat(factors);
  for (let i = 0; i < chunk; i += 4) {
    const at = (<usize>i) << 2;
    Lanes.put(to + at, chunk - i, f32x4.mul(v128.load(tile + at), f));
  }
}

/** By what is spread over the values. */
function scale_beside(factors: usize, from: usize, to: usize, n: i32): void {
  const length = stretch_of(n);
  const step = array_step();
  const numbers = spread(factors, SPREAD);
  for (let k = stretches(n); k > 0; k--, from += between, to += step) {
    for (let i = 0; i < length; i += 4) {
      const at = (<usize>i) << 2;
      Lanes.put(to + at, length - i, f32x4.mul(v128.load(from + at), v128.load(numbers + at)));
    }
  }
}

/** The same, and adds the row's offset. */
export function tile_scale_offset(factors: usize, offsets: usize, out: usize, first: i32, n: i32): void {
  const length = stretch_of(n);
  const step = array_step();
  const numbers = spread(factors, SPREAD);
  const others = spread(offsets, SECOND);
  let from = held(first);
  let to = place(out, 4, first);
  for (let k = stretches(n); k > 0; k--, from += between, to += step) {
    for (let i = 0; i < length; i += 4) {
      const at = (<usize>i) << 2;
      const v = f32x4.mul(v128.load(from + at), v128.load(numbers + at));
      Lanes.put(to + at, length - i, f32x4.add(v, v128.load(others + at)));
    }
  }
}

/** Takes the classes from `first` to `first + n`, each less its row's number, to where exponentials are. */
export function tile_less(numbers: usize, logits: usize, kind: i32, first: i32, n: i32): void {
  const length = stretch_of(n);
  const step = step_of(kind);
  const others = spread(numbers, SPREAD);
  let from = floats_of(logits, kind, first, n);
  let to = held(first);
  for (let k = stretches(n); k > 0; k--, to += between, from += step) {
    for (let i = 0; i < length; i += 4) {
      const at = (<usize>i) << 2;
      v128.store(to + at, f32x4.sub(Lanes.get(from + at, length - i), v128.load(others + at)));
    }
  }
}
