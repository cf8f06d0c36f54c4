/**
 * A tile: as many rows as fit in a place that stays in the fastest cache, for rows of few classes, where a row by itself
 * is mostly beginning and end, and for rows whose classes do not lie next to each other. Long rows, of many classes that
 * do, share no more than a reference and what follows their sums (tile-long.ts).
 *
 * The arrays are `[outer, classes, stride]`, of which the first `inner` positions take part: row q has its class c at
 * ((q / inner) · classes + c) · stride + q % inner. A tile is whole blocks of such rows in one stretch, or else some
 * positions of one block, whose classes may come in chunks.
 *
 * The exponentials are taken of all logits as they lie, whatever their rows, relative to one reference: only 2^-m tells
 * one reference from another, which is exact, so a row's bits do not depend on the rows beside it: but for probabilities
 * below 2^-126, which one reference flushes and another may not. Then the rows are summed, and what follows for each row is
 * spread over its logits again. Rows whose sums are too far from 1 for all of this come again, one by one.
 */
import { size_of, value_at } from "./half";
import { FLOAT32 } from "./kinds";
import { widen } from "./widen";

/** How many values a tile holds. */
const VALUES: i32 = 8192;

/** How many rows are enough where they follow each other, and where blocks of some that lie beside each other do. */
const ENOUGH: i32 = 256;
const ENOUGH_BESIDE: i32 = 64;

/**
 * The fewest and the most positions that a tile of all classes is made of. Where there are too many classes for that, and
 * where there is a result to keep exponentials in, it takes them in chunks, for as many positions as there are: memory is
 * faster in long stretches.
 */
const NARROWEST: i32 = 128;
const WIDEST: i32 = 256;
const MOST: i32 = 1024;

/**
 * From so many classes on rows that follow each other are long; and of how many values a tile of them is. Where results are
 * written it is of fewer, so that what waits for its factor is still in the fastest cache, and several make one of the
 * others: a block of rows (src/blocks.ts) is whole tiles of either sort.
 */
const LONG: i32 = 256;
const LONG_VALUES: i32 = 32768;
const LONG_RESULTS: i32 = 4096;

/** A place for the values of a tile and a vector more. */
export const TILE = memory.data(32784, 16);

/** How many rows there are: so many blocks of so many positions. */
export let count: i32 = 0;
export let blocks: i32 = 0;
export let positions: i32 = 0;
/** Whether the tile is one stretch of its array, and whether in it the classes of a row are neighbours. */
export let whole: bool = false;
export let along: bool = false;
/** Whether its rows are long: then it holds none of their exponentials. */
export let long: bool = false;
/** Where it begins in an array, in values, and how far a row's classes are apart there, and, in bytes, in the tile. */
let start: usize = 0;
export let classStride: usize = 1;
export let pitch: usize = 4;
/** How many classes it holds at once. */
export let chunk: i32 = 0;
/** The array that its exponentials are kept in where that is the result's, else 0; how far their classes are apart, in bytes. */
let keeper: usize = 0;
export let between: usize = 4;

/** In place of a result: no values of all classes are wanted. */
export const ONLY_SUMS: usize = 1;

/** When a tile comes again: what becomes of its rows, and how many of them are still to come, one by one. */
export const STATES = memory.data(4096, 16);
/** A row that need not come again, and one that there is no use in taking as a tile; all others are 0. */
export const DONE: i32 = 1;
export const HOPELESS: i32 = 2;
let again: i32 = 0;
let alone: i32 = 0;
/** Whether the tile is one of these, and such a one. */
export let isAgain: bool = false;
export let isHopeless: bool = false;

/**
 * Turns to as many of the next `left` rows from `row` as there is room for, or to one that is done already; whether it is
 * not. `result` is an array for values of all classes that the exponentials may be kept in, or 0; or it is
 * ONLY_SUMS.
 */
export function tile_begin(row: i32, left: i32, classes: i32, inner: i32, stride: i32, result: usize): bool {
  isAgain = alone > 0;
  isHopeless = false;
  if (isAgain) {
    const state = load<i32>(STATES + ((<usize>(again - alone)) << 2));
    alone--;
    left = 1;
    count = 1;
    isHopeless = state === HOPELESS;
    if (state === DONE) return false;
  }
  const block = inner === 1 ? row : row / inner;
  const position = row - block * inner;
  const length = classes * stride;
  start = <usize>block * length + position;
  classStride = stride;
  long = stride === 1 && classes >= LONG;
  whole = long || (position === 0 && inner === stride && inner <= min(left, WIDEST) && length <= VALUES);
  along = whole && inner === 1;
  keeper = 0;
  if (whole) {
    positions = inner;
    const most = along ? min(left, ENOUGH) : min(left / inner, max(ENOUGH_BESIDE / inner, 1));
    blocks = min(most, long ? long_rows(classes, result) : max(VALUES / length, 1));
    pitch = (<usize>inner) << 2;
    chunk = classes;
  } else {
    const most = min(left, inner - position);
    const fitting = (VALUES / classes) & ~3;
    const keeps = result > ONLY_SUMS;
    const inChunks = keeps || fitting < NARROWEST;
    positions = min(most, inChunks ? MOST : min(fitting, WIDEST));
    if (keeps && positions >= 4) {
      keeper = result;
      positions &= ~3;
    }
    blocks = 1;
    const padded = (positions + 3) & ~3;
    pitch = (<usize>padded) << 2;
    chunk = (VALUES / padded) & ~3;
  }
  count = blocks * positions;
  between = keeper === 0 ? pitch : array_step();
  return true;
}

function long_rows(classes: i32, result: usize): i32 {
  const few = max(LONG_RESULTS / classes, 1);
  return result === ONLY_SUMS ? max(LONG_VALUES / classes / few, 1) * few : few;
}

/** Where its exponentials are, from class `first`. */
export function held(first: i32): usize {
  return keeper === 0 ? TILE : place(keeper, 4, first);
}

/** Whether those of all classes are there, rather than of the last chunk. */
export function holds_all(classes: i32): bool {
  return keeper !== 0 || chunk >= classes;
}

/** Where class `first` of the tile begins in an array whose values have this size. */
export function place(array: usize, size: usize, first: i32): usize {
  return array + (start + <usize>first * classStride) * size;
}

// Loops go through stretches of values: a whole tile is one, else each class is one.

export function stretches(n: i32): i32 {
  return whole ? 1 : n;
}

export function stretch_of(n: i32): i32 {
  return whole ? count * n : positions;
}

/** The distance between stretches in an array of float32. */
export function array_step(): usize {
  return classStride << 2;
}

/** Where the classes from `first` to `first + n` are as float32: where they lie, or of halves in the tile. */
export function floats_of(logits: usize, kind: i32, first: i32, n: i32): usize {
  const from = place(logits, size_of(kind), first);
  if (kind === FLOAT32) return from;
  widen_stretches(from, kind, n);
  return TILE;
}

/** The distance between their stretches. */
export function step_of(kind: i32): usize {
  return kind === FLOAT32 ? array_step() : pitch;
}

function widen_stretches(from: usize, kind: i32, n: i32): void {
  const length = stretch_of(n);
  let tile = TILE;
  for (let k = stretches(n); k > 0; k--, from += classStride << 1, tile += pitch) widen(from, kind, tile, length);
}

// A row by itself for the kernels for whole rows: where it is if its classes are neighbours, or brought together as float32.

export function row_kind(kind: i32): i32 {
  return along ? kind : FLOAT32;
}

export function row_bring(array: usize, kind: i32, classes: i32, spare: usize): usize {
  const size = size_of(kind);
  let from = place(array, size, 0);
  if (along) return from;
  for (let c = 0, to = spare; c < classes; c++, from += classStride * size, to += 4) {
    store<f32>(to, value_at(from, kind));
  }
  return spare;
}

/** Where its result is to be written, and then taken from: in the array, or behind the logits. */
export function row_out(array: usize, classes: i32, spare: usize): usize {
  return along ? place(array, 4, 0) : spare + ((<usize>classes) << 2);
}

export function row_take(array: usize, classes: i32, from: usize): void {
  if (along) return;
  for (let c = 0, to = place(array, 4, 0); c < classes; c++, from += 4, to += classStride << 2) {
    store<f32>(to, load<f32>(from));
  }
}

/** Forgets what a call left that was ended in its midst. */
export function tile_reset(): void {
  alone = 0;
}

/** The tile's rows come again, one by one. */
export function tile_again(): void {
  memory.fill(STATES, 0, (<usize>count) << 2);
  tile_again_but_for_done();
}

export function tile_again_but_for_done(): void {
  again = alone = count;
  count = 0;
}
