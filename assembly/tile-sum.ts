/** The sums of a tile's rows. */
import { Lanes } from "./lanes";
import { along, between, blocks, chunk, count, DONE, held, pitch, STATES, TILE, tile_again_but_for_done } from "./tile";

/**
 * Where exponentials become probabilities, the sum of all has to be at least 2^8, so that no normal float32 is flushed, and
 * less than 2^120, so that what they are multiplied by is a normal float32.
 */
const LEAST_OF_ALL: i32 = 0x40700000;
const LARGEST: i32 = 0x47700000;
const BOUND = memory.data<i32>([LEAST_OF_ALL]);

/** How many vectors are summed in float32 before the sum goes on in float64. */
const SUMMED: i32 = 4;

// One number a row, in whole vectors; what the last one of a block has too many, the next block overwrites.
export const SUMS = memory.data(8320, 16);

/** Masks of the first 1, 2, 3 and 4 lanes. */
const FIRST = memory.data<i32>([-1, 0, 0, 0, -1, -1, 0, 0, -1, -1, -1, 0, -1, -1, -1, -1], 16);

/** Adds n classes, the first of which is class `first` of their rows, to the rows' sums, which begin at 0 with class 0. */
export function tile_sum(first: i32, n: i32): void {
  if (along) sum_along();
  else sum_beside(held(first), first === 0, n);
}

function sum_along(): void {
  const bytes = (<usize>chunk) << 2;
  const before = (<usize>(chunk - 1) >> 2) << 4;
  const last = v128.load(FIRST + ((<usize>(chunk - 1) & 3) << 4));
  let a = TILE;
  let toB = bytes;
  let toD = bytes;
  let toE = bytes;
  const zero = Lanes.zero();
  for (let q = 0; q < count; q += 4) {
    if (q + 4 > count) {
      // Where there are not four rows left, the last one stands in for the others.
      toE = 0;
      if (q + 3 > count) toD = 0;
      if (q + 2 > count) toB = 0;
    }
    const b = a + toB;
    const d = b + toD;
    const e = d + toE;
    let x = v128.and(v128.load(a + before), last);
    let y = v128.and(v128.load(b + before), last);
    let z = v128.and(v128.load(d + before), last);
    let w = v128.and(v128.load(e + before), last);
    let low = zero;
    let high = zero;
    let i: usize = 0;
    for (;;) {
      const end = min(i + (SUMMED << 4), before);
      for (; i + 16 < end; i += 32) {
        x = f32x4.add(f32x4.add(x, v128.load(a + i)), v128.load(a + i, 16));
        y = f32x4.add(f32x4.add(y, v128.load(b + i)), v128.load(b + i, 16));
        z = f32x4.add(f32x4.add(z, v128.load(d + i)), v128.load(d + i, 16));
        w = f32x4.add(f32x4.add(w, v128.load(e + i)), v128.load(e + i, 16));
      }
      if (i < end) {
        x = f32x4.add(x, v128.load(a + i));
        y = f32x4.add(y, v128.load(b + i));
        z = f32x4.add(z, v128.load(d + i));
        w = f32x4.add(w, v128.load(e + i));
        i += 16;
      }
      const p = f32x4.add(v128.shuffle<i32>(x, y, 0, 4, 1, 5), v128.shuffle<i32>(x, y, 2, 6, 3, 7));
      const r = f32x4.add(v128.shuffle<i32>(z, w, 0, 4, 1, 5), v128.shuffle<i32>(z, w, 2, 6, 3, 7));
      const sums = f32x4.add(v128.shuffle<i64>(p, r, 0, 2), v128.shuffle<i64>(p, r, 1, 3));
      low = f64x2.add(low, f64x2.promote_low_f32x4(sums));
      high = f64x2.add(high, Lanes.promote_high(sums));
      if (i >= before) break;
      x = y = z = w = zero;
    }
    v128.store((<usize>q) << 3, low, SUMS);
    v128.store((<usize>q) << 3, high, SUMS + 16);
    a = e + bytes;
  }
}

function sum_beside(from: usize, fresh: bool, n: i32): void {
  let sums = SUMS;
  for (let block = 0; block < blocks; block++, sums += pitch << 1, from += <usize>n * pitch) {
    for (let i: usize = 0; i < pitch; i += 16) {
      let low = fresh ? Lanes.zero() : v128.load(sums + (i << 1));
      let high = fresh ? Lanes.zero() : v128.load(sums + (i << 1), 16);
      let at = from + i;
      let left = n;
      // Written out: a loop over four takes a tenth of the losses' time.
      for (; left >= SUMMED; left -= SUMMED) {
        let x = v128.load(at);
        x = f32x4.add(x, v128.load(at + between));
        at += between << 1;
        x = f32x4.add(x, v128.load(at));
        x = f32x4.add(x, v128.load(at + between));
        at += between << 1;
        low = f64x2.add(low, f64x2.promote_low_f32x4(x));
        high = f64x2.add(high, Lanes.promote_high(x));
      }
      if (left > 0) {
        let x = v128.load(at);
        for (; left > 1; left--) {
          at += between;
          x = f32x4.add(x, v128.load(at));
        }
        low = f64x2.add(low, f64x2.promote_low_f32x4(x));
        high = f64x2.add(high, Lanes.promote_high(x));
      }
      v128.store(sums + (i << 1), low);
      v128.store(sums + (i << 1), high, 16);
    }
  }
}

/** Whether the sums of all exponentials are within bounds: by their upper words, as in `compute_odds`. */
export function tile_is_near(): bool {
  const least = v128.load32_splat(BOUND);
  let above = Lanes.zero();
  if (count & 1) store<f64>((<usize>count) << 3, load<f64>((<usize>(count - 1)) << 3, SUMS), SUMS);
  for (let q: usize = 0; q < (<usize>count) << 3; q += 16) {
    above = i32x4.max_u(above, i32x4.sub(v128.load(q, SUMS), least));
  }
  return (i64x2.bitmask(i32x4.ge_u(above, i32x4.splat(LARGEST - LEAST_OF_ALL))) & 3) === 0;
}

/** Lets the rows whose sums are not within these bounds come again, what was written for them being nothing. */
export function tile_far_again(): void {
  for (let q: usize = 0; q < (<usize>count) << 2; q += 4) {
    const above = load<i32>(q << 1, SUMS + 4) - LEAST_OF_ALL;
    store<i32>(q, <u32>above < <u32>(LARGEST - LEAST_OF_ALL) ? DONE : 0, STATES);
  }
  tile_again_but_for_done();
}
