/**
 * Sixteen rows side by side, a lane a row, in four vectors: for rows of few classes, where a row by itself is mostly
 * horizontal steps, and for rows whose classes do not lie next to each other. A tile holds up to `CHUNK` classes of its
 * rows, class by class, in a place of its own, and each step below works on all of it; longer rows come in chunks.
 *
 * The arrays are `[outer, classes, stride]`, of which the first `inner` positions take part: row q has its class c at
 * ((q / inner) · classes + c) · stride + q % inner.
 */
import { Exp, FAR } from "./exp";
import { FLOAT32 } from "./kinds";
import { Lanes } from "./lanes";
import { widen, widen_all } from "./widen";

export const LANES: i32 = 16;
export const CHUNK: i32 = 256;

/** One class of all lanes, in bytes. */
export const CLASS: usize = 64;

/**
 * How many classes are summed in float32 before the sum goes on in float64: a lane is all the row has, so it is few.
 */
const BLOCK: i32 = 4;

/** The classes of the tile, and of a second one for gradients of two inputs. */
export const TILE = memory.data(16384, 16);
export const SECOND = memory.data(16384, 16);

// One number a lane, float32 but for the sums.
export const MAX = memory.data(64, 16);
export const SHIFT = memory.data(64, 16);
export const REFERENCE = memory.data(64, 16);
export const SUM = memory.data(128, 16);

/** Where the lanes' class 0 lies, in bytes from the array's beginning. Lanes without a row repeat the first. */
const START = memory.data(64, 16);

/** How the lanes lie: in one vector after another, each a row of its own, or anyhow. */
const NEIGHBOURS: i32 = 0;
const ROWS: i32 = 1;
const ANYHOW: i32 = 2;
let arrangement: i32 = ANYHOW;
let rowsInTile: i32 = 0;
/** What of a class is in use, in bytes: whole vectors, of which a tile with few rows has fewer than four. */
export let width: usize = CLASS;
/** The distance between a row's classes, in bytes. */
let classStride: usize = 4;

/** Turns to the rows from `row`, at most sixteen of `rows`; returns how many. */
export function tile_begin(row: i32, rows: i32, classes: i32, inner: i32, stride: i32): i32 {
  rowsInTile = min(LANES, rows - row);
  classStride = (<usize>stride) << 2;
  let block = row / inner;
  let position = row - block * inner;
  const full = rowsInTile === LANES;
  arrangement = full && stride === 1 ? ROWS : full && position + LANES <= inner ? NEIGHBOURS : ANYHOW;
  width = (<usize>((rowsInTile + 3) & ~3)) << 2;
  for (let lane = 0; lane < <i32>(width >> 2); lane++) {
    const start = lane < rowsInTile ? (<usize>block * classes * stride + position) << 2 : load<u32>(START);
    store<u32>(START + ((<usize>lane) << 2), <u32>start);
    if (++position === inner) {
      position = 0;
      block++;
    }
  }
  return rowsInTile;
}

/** Fills a tile with the classes from `first` to `first + n` of its rows in `array`, widened to float32. */
export function tile_load(tile: usize, array: usize, kind: i32, first: i32, n: i32): void {
  if (kind === FLOAT32) tile_load_floats(tile, array, first, n);
  else tile_load_halves(tile, array, kind, first, n);
}

function tile_load_floats(tile: usize, array: usize, first: i32, n: i32): void {
  const at = array + <usize>first * classStride;
  if (arrangement === NEIGHBOURS) {
    let from = at + load<u32>(START);
    for (let c = 0; c < n; c++, from += classStride, tile += CLASS) {
      const a = v128.load(from);
      const b = v128.load(from, 16);
      const d = v128.load(from, 32);
      const e = v128.load(from, 48);
      v128.store(tile, a);
      v128.store(tile, b, 16);
      v128.store(tile, d, 32);
      v128.store(tile, e, 48);
    }
  } else if (arrangement === ROWS && n >= 4) {
    for (let group = 0; group < 4; group++, tile += 16) {
      const starts = START + ((<usize>group) << 4);
      const a = at + load<u32>(starts);
      const b = at + load<u32>(starts, 4);
      const d = at + load<u32>(starts, 8);
      const e = at + load<u32>(starts, 12);
      for (let c = 0; c < n; c += 4) {
        // The last four classes may overlap those before them.
        const k = <usize>min(c, n - 4);
        const offset = k << 2;
        const x = v128.load(a + offset);
        const y = v128.load(b + offset);
        const z = v128.load(d + offset);
        const w = v128.load(e + offset);
        const to = tile + k * CLASS;
        v128.store(to, Lanes.transposed0(x, y, z, w));
        v128.store(to, Lanes.transposed1(x, y, z, w), 64);
        v128.store(to, Lanes.transposed2(x, y, z, w), 128);
        v128.store(to, Lanes.transposed3(x, y, z, w), 192);
      }
    }
  } else {
    for (let lane = 0; lane < <i32>(width >> 2); lane++, tile += 4) {
      let from = at + load<u32>(START + ((<usize>lane) << 2));
      let to = tile;
      for (let c = 0; c < n; c++, from += classStride, to += CLASS) store<f32>(to, load<f32>(from));
    }
  }
}

/** The places are those of float32, by half. */
function tile_load_halves(tile: usize, array: usize, kind: i32, first: i32, n: i32): void {
  const step = classStride >> 1;
  const at = array + <usize>first * step;
  if (arrangement === ROWS && first === 0 && n < CHUNK) {
    // All sixteen rows in one stretch, as float32 in the place of a second input.
    const start = load<u32>(START);
    widen_all(array + (start >> 1), SECOND, SECOND + ((<usize>n) << 6), kind);
    tile_load_floats(tile, SECOND - start, 0, n);
  } else if (arrangement === NEIGHBOURS) {
    let from = at + (load<u32>(START) >> 1);
    for (let c = 0; c < n; c++, from += step, tile += CLASS) {
      widen_all(from, tile, tile + CLASS, kind);
    }
  } else {
    for (let lane = 0; lane < <i32>(width >> 2); lane++, tile += 4) {
      let from = at + (load<u32>(START + ((<usize>lane) << 2)) >> 1);
      let to = tile;
      for (let c = 0; c < n; c++, from += step, to += CLASS) store<f32>(to, widen(from, kind));
    }
  }
}

/** Takes a tile to the classes from `first` to `first + n` of its rows in `array`. */
export function tile_store(tile: usize, array: usize, first: i32, n: i32): void {
  const at = array + <usize>first * classStride;
  if (arrangement === NEIGHBOURS) {
    let to = at + load<u32>(START);
    for (let c = 0; c < n; c++, to += classStride, tile += CLASS) {
      v128.store(to, v128.load(tile));
      v128.store(to, v128.load(tile, 16), 16);
      v128.store(to, v128.load(tile, 32), 32);
      v128.store(to, v128.load(tile, 48), 48);
    }
  } else if (arrangement === ROWS && n >= 4) {
    for (let group = 0; group < 4; group++, tile += 16) {
      const starts = START + ((<usize>group) << 4);
      const a = at + load<u32>(starts);
      const b = at + load<u32>(starts, 4);
      const d = at + load<u32>(starts, 8);
      const e = at + load<u32>(starts, 12);
      for (let c = 0; c < n; c += 4) {
        const k = <usize>min(c, n - 4);
        const offset = k << 2;
        const from = tile + k * CLASS;
        const x = v128.load(from);
        const y = v128.load(from, 64);
        const z = v128.load(from, 128);
        const w = v128.load(from, 192);
        v128.store(a + offset, Lanes.transposed0(x, y, z, w));
        v128.store(b + offset, Lanes.transposed1(x, y, z, w));
        v128.store(d + offset, Lanes.transposed2(x, y, z, w));
        v128.store(e + offset, Lanes.transposed3(x, y, z, w));
      }
    }
  } else {
    for (let lane = 0; lane < rowsInTile; lane++, tile += 4) {
      let to = at + load<u32>(START + ((<usize>lane) << 2));
      let from = tile;
      for (let c = 0; c < n; c++, to += classStride, from += CLASS) store<f32>(to, load<f32>(from));
    }
  }
}

/** Where a class of a lane stands in a tile that begins with class `first` and holds n; 0 where it does not. */
export function tile_place(tile: usize, lane: i32, klass: i32, first: i32, n: i32): usize {
  const c = klass - first;
  return <u32>c < <u32>n ? tile + <usize>c * CLASS + ((<usize>lane) << 2) : 0;
}

/** Starts the statistics of a tile's rows anew. */
export function tile_clear(): void {
  for (let i: usize = 0; i < width; i += 16) v128.store(MAX + i, f32x4.splat(-Infinity));
  memory.fill(SUM, 0, 128);
}

/** Takes n classes into the maxima; NaN counts as -Infinity here and shows in the sums. */
export function tile_max(n: i32): void {
  for (let i: usize = 0; i < width; i += 16) {
    let max = v128.load(MAX + i);
    const end = TILE + i + <usize>n * CLASS;
    for (let at = TILE + i; at < end; at += CLASS) max = f32x4.pmax(max, v128.load(at));
    v128.store(MAX + i, max);
  }
}

/**
 * The rows' shifts and references from their maxima, as `shift_of` and `reference` have them; whether there is a shift.
 */
export function tile_reference(): bool {
  let shifts = i32x4.splat(0);
  for (let i: usize = 0; i < width; i += 16) {
    const max = v128.load(MAX + i);
    const none = f32x4.eq(max, f32x4.splat(-Infinity));
    const far = v128.andnot(f32x4.ge(f32x4.abs(max), f32x4.splat(FAR)), none);
    const shift = v128.and(max, far);
    const near = v128.andnot(f32x4.sub(max, shift), none);
    const m = Exp.reference(near);
    v128.store(SHIFT + i, shift);
    v128.store(REFERENCE + i, m);
    shifts = v128.or(shifts, far);
  }
  return v128.any_true(shifts);
}

/** Takes the shifts off n classes. */
export function tile_shift(n: i32): void {
  for (let c = 0; c < n; c++) {
    for (let i: usize = 0; i < width; i += 16) {
      const at = TILE + <usize>c * CLASS + i;
      v128.store(at, f32x4.sub(v128.load(at), v128.load(SHIFT + i)));
    }
  }
}

/** Turns n classes into their steps e^x · 2^-m, and adds these to the sums. */
export function tile_exp(n: i32): void {
  for (let v: usize = 0; v < width >> 4; v++) exp_vector(TILE + (v << 4), n, REFERENCE + (v << 4), SUM + (v << 5));
}

/** Adds n classes, as they stand, to float64 sums of the lanes. */
export function tile_add(n: i32, sums: usize): void {
  for (let v: usize = 0; v < width >> 4; v++) {
    let low = v128.load(sums + (v << 5));
    let high = v128.load(sums + (v << 5), 16);
    const end = TILE + (v << 4) + <usize>n * CLASS;
    for (let at = TILE + (v << 4); at < end; at += CLASS) {
      const x = v128.load(at);
      low = f64x2.add(low, f64x2.promote_low_f32x4(x));
      high = f64x2.add(high, Lanes.promote_high(x));
    }
    v128.store(sums + (v << 5), low);
    v128.store(sums + (v << 5), high, 16);
  }
}

/** Takes one number a lane off n classes; lanes that are not kept stay as they are. */
export function tile_subtract(n: i32, numbers: usize, kept: usize): void {
  for (let i: usize = 0; i < width; i += 16) {
    const number = v128.and(v128.load(numbers + i), v128.load(kept + i));
    const end = TILE + i + <usize>n * CLASS;
    for (let at = TILE + i; at < end; at += CLASS) v128.store(at, f32x4.sub(v128.load(at), number));
  }
}

/** Multiplies n classes by a factor a lane; lanes that are not kept become 0, whatever they hold. */
export function tile_scale(n: i32, factors: usize, kept: usize): void {
  for (let i: usize = 0; i < width; i += 16) {
    const factor = v128.load(factors + i);
    const keep = v128.load(kept + i);
    const end = TILE + i + <usize>n * CLASS;
    for (let at = TILE + i; at < end; at += CLASS) {
      v128.store(at, v128.and(f32x4.mul(v128.load(at), factor), keep));
    }
  }
}

function exp_vector(at: usize, n: i32, reference: usize, sum: usize): void {
  const log2e = Exp.log2e();
  const ln2 = Exp.ln2();
  const ln2Rest = Exp.ln2_rest();
  const c4 = Exp.coefficient(4);
  const c3 = Exp.coefficient(3);
  const c2 = Exp.coefficient(2);
  const c1 = Exp.coefficient(1);
  const c0 = Exp.coefficient(0);
  const m = v128.load(reference);
  const bias = Exp.bias(m);
  const lowest = Exp.lowest(m);
  let low = v128.load(sum);
  let high = v128.load(sum, 16);
  while (n > 0) {
    const end = at + <usize>min(n, BLOCK) * CLASS;
    n -= BLOCK;
    let total = f32x4.splat(0);
    for (; at < end; at += CLASS) {
      const e = Exp.step(v128.load(at), bias, lowest, log2e, ln2, ln2Rest, c4, c3, c2, c1, c0);
      total = f32x4.add(total, e);
      v128.store(at, e);
    }
    low = f64x2.add(low, f64x2.promote_low_f32x4(total));
    high = f64x2.add(high, Lanes.promote_high(total));
  }
  v128.store(sum, low);
  v128.store(sum, high, 16);
}
