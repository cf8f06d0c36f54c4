/**
 * Rows in float64. A tile is up to 256 steps of eight lanes, 64 bytes each. Rows lie in it in one of two ways:
 *
 * - side by side: eight rows, a lane a row, class c at step c. Lanes without a row repeat the first.
 * - flat: one row, class c at lane c % 8 of step c / 8. That is for classes that are neighbours, and too many for a tile
 *   side by side. The lanes behind the last class are pads, and what the lanes come to is combined at the end.
 *
 * Inner loops are the same for both, and longer rows come in chunks. Which way a row lies depends on the layout alone, so
 * that its results do not depend on its neighbours.
 *
 * The arrays are `[outer, classes, stride]`, of which the first `inner` positions take part: row q has its class c at
 * ((q / inner) · classes + c) · stride + q % inner.
 */
import { size_of } from "../kinds";
import { narrow_each, narrow_steps, widen_each, widen_steps } from "./values";

export const LANES: i32 = 8;
const STEPS: i32 = 256;

/** Three tiles, one behind the other: values, what belongs to each of them, and their slopes. */
export const TILE = memory.data(49152, 16);
export const SECOND: usize = TILE + 16384;
export const THIRD: usize = TILE + 32768;

/** Where the lanes' class 0 lies, in values from the array's beginning. */
const START = memory.data(32, 16);

export let flat: bool = false;
/** The most classes of a chunk. */
export let capacity: i32 = STEPS;
/** How many lanes of a step are in use, in bytes: whole vectors. */
export let width: usize = 64;
/** How many lanes have a row of their own, in bytes: whole vectors. Of a flat row it is the first, and a copy of it. */
export let ownWidth: usize = 64;
let neighbours: bool = false;
let rowsInTile: i32 = 0;
/** The distance between a row's classes, in values. */
let classStride: usize = 1;

/** Turns to the rows from `row`; returns how many there are in the tile. */
export function tile_begin(row: i32, rows: i32, classes: i32, inner: i32, stride: i32): i32 {
  flat = inner === 1 && stride === 1 && classes > STEPS;
  capacity = flat ? STEPS * LANES : STEPS;
  classStride = <usize>stride;
  rowsInTile = flat ? 1 : min(LANES, rows - row);
  ownWidth = (<usize>((rowsInTile + 1) & ~1)) << 3;
  width = flat ? 64 : ownWidth;
  let block = row / inner;
  let position = row - block * inner;
  neighbours = rowsInTile === LANES && position + LANES <= inner;
  for (let lane = 0; lane < <i32>(ownWidth >> 3); lane++) {
    const start = lane < rowsInTile ? <u32>(block * classes * stride + position) : load<u32>(START);
    store<u32>(START + ((<usize>lane) << 2), start);
    if (++position === inner) {
      position = 0;
      block++;
    }
  }
  return rowsInTile;
}

/** The steps that n classes take. */
export function tile_steps(n: i32): i32 {
  return flat ? (n + 7) >> 3 : n;
}

/** Where class c of a lane's row lies in `array`. */
export function tile_lane(array: usize, kind: i32, lane: i32, c: i32): usize {
  return array + (<usize>load<u32>(START + ((<usize>lane) << 2)) + <usize>c * classStride) * size_of(kind);
}

/** Fills a tile with the classes from `first` to `first + n` of its rows in `array`, and the pads with `pad`. */
export function tile_load(tile: usize, array: usize, kind: i32, first: i32, n: i32, pad: f64): void {
  const size = size_of(kind);
  const distance = classStride * size;
  const from = tile_lane(array, kind, 0, first);
  if (flat) {
    const whole = n & ~7;
    widen_steps(from, kind, size << 3, whole >> 3, tile);
    widen_each(from + <usize>whole * size, kind, size, n - whole, tile + ((<usize>whole) << 3), 8);
    tile_pad(tile, n, pad);
  } else if (neighbours) {
    widen_steps(from, kind, distance, n, tile);
  } else {
    for (let lane = 0; lane < <i32>(width >> 3); lane++, tile += 8) {
      widen_each(tile_lane(array, kind, lane, first), kind, distance, n, tile, 64);
    }
  }
}

/** Takes a tile to the classes from `first` to `first + n` of its rows in `array`. */
export function tile_store(tile: usize, array: usize, kind: i32, first: i32, n: i32): void {
  const size = size_of(kind);
  const distance = classStride * size;
  const to = tile_lane(array, kind, 0, first);
  if (flat) {
    const whole = n & ~7;
    narrow_steps(tile, to, kind, size << 3, whole >> 3);
    narrow_each(tile + ((<usize>whole) << 3), 8, to + <usize>whole * size, kind, size, n - whole);
  } else if (neighbours) {
    narrow_steps(tile, to, kind, distance, n);
  } else {
    for (let lane = 0; lane < rowsInTile; lane++, tile += 8) {
      narrow_each(tile, 64, tile_lane(array, kind, lane, first), kind, distance, n);
    }
  }
}

/** Sets the pads behind n classes. */
export function tile_pad(tile: usize, n: i32, pad: f64): void {
  if (!flat) return;
  const end = tile + ((<usize>(n + 7) & ~7) << 3);
  for (let at = tile + ((<usize>n) << 3); at < end; at += 8) store<f64>(at, pad);
}

/** How many pads a row of so many classes has. */
export function pads_of(classes: i32): i32 {
  return flat ? -classes & 7 : 0;
}

/** Where a class of a lane stands in a tile that begins with class `first` and holds n; 0 where it does not. */
export function tile_place(tile: usize, lane: i32, klass: i32, first: i32, n: i32): usize {
  const c = klass - first;
  if (<u32>c >= <u32>n) return 0;
  return tile + (flat ? (<usize>c) << 3 : ((<usize>c) << 6) + ((<usize>lane) << 3));
}

/** A flat row's number for all lanes, from the first. */
export function spread(lanes: usize): void {
  if (!flat) return;
  const v = v128.load64_splat(lanes);
  for (let i: usize = 0; i < 64; i += 16) v128.store(lanes + i, v);
}

/** A flat row's sum of what its lanes come to, in the first two lanes. */
export function combine(lanes: usize): void {
  if (!flat) return;
  const low = f64x2.add(v128.load(lanes), v128.load(lanes, 16));
  const sum = f64x2.add(low, f64x2.add(v128.load(lanes, 32), v128.load(lanes, 48)));
  v128.store(lanes, f64x2.add(sum, v128.shuffle<i64>(sum, sum, 1, 0)));
}
