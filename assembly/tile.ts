/**
 * A tile: as many rows as fit in a place that stays in the fastest cache, for rows of few classes, where a row by itself
 * is mostly beginning and end, and for rows whose classes do not lie next to each other.
 *
 * The arrays are `[outer, classes, stride]`, of which the first `inner` positions take part: row q has its class c at
 * ((q / inner) · classes + c) · stride + q % inner. A tile is whole blocks of such rows in one stretch, or else some
 * positions of one block, whose classes may come in chunks.
 *
 * The exponentials are taken of all logits as they lie, whatever their rows, relative to one reference: only 2^-m tells
 * one reference from another, which is exact, so a row's bits do not depend on the rows beside it. Then the rows are
 * summed, and what follows for each row is spread over its logits again. Rows whose sums are too far from 1 for all of this
 * come again, one by one.
 */
import { Exp, FAR, HEADROOM } from "./exp";
import { Logits, size_of, value_at } from "./half";
import { FLOAT16, FLOAT32 } from "./kinds";
import { AHEAD, Lanes } from "./lanes";
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
 * Where exponentials become probabilities, the sum of all has to be at least 2^8, so that nothing is flushed that float32
 * has, and at most 2^120, so that what they are multiplied by is a normal float32. No logit is taken for more than 2^REACH,
 * which is too much.
 */
const LEAST_OF_ALL: f64 = 256;
const LARGEST: f64 = 1.329227995784916e36;
const REACH: f32 = 124;

/**
 * By how many bits exponentials are larger than HEADROOM alone makes them: room for rows of lesser and of larger logits
 * than the one that the reference is of, or by itself for a target that is less likely than others.
 */
const ROOM: f32 = 52;
const ROOM_ALONE: f32 = 22;

/** FAR, the largest sum and its logarithm's distance from a logit of its row */
const FARTHER: f32 = 600;

/** How many vectors are summed in float32 before the sum goes on in float64. */
const SUMMED: i32 = 4;

/** Places for the values of a tile and a vector more: its exponentials, and what is spread over them. */
export const TILE = memory.data(32784, 16);
export const SPREAD = memory.data(32784, 16);
export const SECOND = memory.data(32784, 16);

// One number a row, in whole vectors; what the last one of a block has too many, the next block overwrites.
export const SUMS = memory.data(8320, 16);

/** What takes the reference off logits, and between what they are clamped. */
const RANGE = memory.data(48, 16);

/** How many tiles in turn are clamped from the beginning, after one that had to be. */
const WARINESS: i32 = 8;
let wary: i32 = 0;

/** Masks of the first 1, 2, 3 and 4 lanes. */
const FIRST = memory.data<i32>([-1, 0, 0, 0, -1, -1, 0, 0, -1, -1, -1, 0, -1, -1, -1, -1], 16);

/** How many rows there are: so many blocks of so many positions. */
export let count: i32 = 0;
let blocks: i32 = 0;
export let positions: i32 = 0;
/** Whether the tile is one stretch of its array, and whether in it the classes of a row are neighbours. */
export let whole: bool = false;
export let along: bool = false;
/** Where it begins in an array, in values, and how far a row's classes are apart there, and, in bytes, in the tile. */
let start: usize = 0;
export let classStride: usize = 1;
let pitch: usize = 4;
/** How many classes it holds at once. */
export let chunk: i32 = 0;
/** The array that its exponentials are kept in where that is the result's, else 0; how far their classes are apart, in bytes. */
let keeper: usize = 0;
export let between: usize = 4;
/** 2^m: what its exponentials are relative to, but for κ. */
export let unit: f64 = 1;

/** Which of the tile's rows need not come again, when it does; and how many of its rows are still to come one by one. */
export const DONE = memory.data(4096, 16);
let again: i32 = 0;
let alone: i32 = 0;

/**
 * Turns to as many of the next `left` rows from `row` as there is room for, or to one that is done already; whether it is
 * not. `result` is an array for values of all classes that the exponentials may be kept in, or 0.
 */
export function tile_begin(row: i32, left: i32, classes: i32, inner: i32, stride: i32, result: usize): bool {
  if (alone > 0) {
    const isDone = load<i32>(DONE + ((<usize>(again - alone)) << 2));
    alone--;
    left = 1;
    count = 1;
    if (isDone) return false;
  }
  const block = inner === 1 ? row : row / inner;
  const position = row - block * inner;
  const length = classes * stride;
  start = <usize>block * length + position;
  classStride = stride;
  whole = position === 0 && inner === stride && inner <= min(left, WIDEST) && length <= VALUES;
  along = whole && inner === 1;
  keeper = 0;
  if (whole) {
    positions = inner;
    const most = along ? min(left, ENOUGH) : min(left / inner, max(ENOUGH_BESIDE / inner, 1));
    blocks = min(most, VALUES / length);
    pitch = (<usize>inner) << 2;
    chunk = classes;
  } else {
    const most = min(left, inner - position);
    const fitting = (VALUES / classes) & ~3;
    const inChunks = result !== 0 || fitting < NARROWEST;
    positions = min(most, inChunks ? MOST : min(fitting, WIDEST));
    if (result !== 0 && positions >= 4) {
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

/**
 * Chooses what the tile's exponentials are relative to: one of its logits, or 0 where that is far out or none. A row by
 * itself may be somewhat farther out: it is no other way than with others that it passes.
 */
export function tile_refer(logit: f32): void {
  const isAlone = count === 1;
  const isNear = abs(logit) < (isAlone ? FARTHER : FAR);
  const m = nearest(isNear ? logit * <f32>1.44269504 : 0) - HEADROOM - (isAlone ? ROOM_ALONE : ROOM);
  unit = reinterpret<f64>((1023 + <i64>m) << 52);
  const v = f32x4.splat(m);
  v128.store(RANGE, Exp.bias(v));
  v128.store(RANGE, Exp.lowest(v), 16);
  v128.store(RANGE, f32x4.splat((m + REACH) * <f32>0.693147182), 32);
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

/** Takes the exponentials of the classes from `first` to `first + n`. */
export function tile_exp(logits: usize, kind: i32, first: i32, n: i32): void {
  const step = step_of(kind);
  const to = held(first);
  if (wary > 0) {
    wary--;
  } else {
    if (kind === FLOAT32 || stretch_of(n) < 8) {
      if (exponentials(floats_of(logits, kind, first, n), step, to, n)) return;
    } else {
      const from = place(logits, 2, first);
      if (kind === FLOAT16 ? exponentials_of<i16>(from, to, n) : exponentials_of<u16>(from, to, n)) return;
    }
    wary = WARINESS;
  }
  clamp(floats_of(logits, kind, first, n), step, n);
  exponentials(TILE, pitch, to, n);
}

/** Takes logits to the tile that are clamped to what is in range. */
function clamp(from: usize, step: usize, n: i32): void {
  const lowest = v128.load(RANGE, 16);
  const highest = v128.load(RANGE, 32);
  const length = stretch_of(n);
  let tile = TILE;
  for (let k = stretches(n); k > 0; k--, from += step, tile += pitch) {
    for (let i = 0; i < length; i += 4) {
      const at = (<usize>i) << 2;
      v128.store(tile + at, f32x4.pmin(f32x4.pmax(Lanes.get(from + at, length - i), lowest), highest));
    }
  }
}

/** Whether all were in range. */
function exponentials(from: usize, step: usize, to: usize, n: i32): bool {
  const log2e = Exp.log2e();
  const ln2 = Exp.ln2();
  const ln2Rest = Exp.ln2_rest();
  const c4 = Exp.coefficient(4);
  const c3 = Exp.coefficient(3);
  const c2 = Exp.coefficient(2);
  const c1 = Exp.coefficient(1);
  const c0 = Exp.coefficient(0);
  const bias = v128.load(RANGE);
  const bytes = (<usize>stretch_of(n)) << 2;
  let turns = i32x4.splat(0);
  const end = Lanes.end_of_memory();
  for (let k = stretches(n); k > 0; k--, from += step, to += between) {
    // A stretch is often part of a page: the one after the next is touched instead of what lies behind.
    const ahead = from + (whole ? AHEAD : 2 * step);
    let i: usize = 0;
    for (; i + 32 <= bytes; i += 32) {
      load<u32>(min(ahead + i, end));
      const x = v128.load(from + i);
      const y = v128.load(from + i, 16);
      const s = Exp.turns(x, bias, log2e);
      const t = Exp.turns(y, bias, log2e);
      turns = v128.or(turns, v128.or(s, t));
      v128.store(to + i, f32x4.mul(Exp.rest(x, s, bias, ln2, ln2Rest, c4, c3, c2, c1, c0), Exp.power(s)));
      v128.store(to + i, f32x4.mul(Exp.rest(y, t, bias, ln2, ln2Rest, c4, c3, c2, c1, c0), Exp.power(t)), 16);
    }
    for (; i < bytes; i += 16) {
      const left = <i32>(bytes - i) >> 2;
      const x = left < 4 ? Lanes.load_tail(from + i, left, load<f32>(RANGE, 16)) : v128.load(from + i);
      const t = Exp.turns(x, bias, log2e);
      turns = v128.or(turns, t);
      v128.store(to + i, f32x4.mul(Exp.rest(x, t, bias, ln2, ln2Rest, c4, c3, c2, c1, c0), Exp.power(t)));
    }
  }
  return Exp.is_right(turns);
}

/** The same from halves, at least eight a stretch, the last of which are taken as a whole vector once more. */
function exponentials_of<T>(from: usize, to: usize, n: i32): bool {
  const places = Logits.places();
  const scale = Logits.scale();
  const log2e = Exp.log2e();
  const ln2 = Exp.ln2();
  const ln2Rest = Exp.ln2_rest();
  const c4 = Exp.coefficient(4);
  const c3 = Exp.coefficient(3);
  const c2 = Exp.coefficient(2);
  const c1 = Exp.coefficient(1);
  const c0 = Exp.coefficient(0);
  const bias = v128.load(RANGE);
  const step = classStride << 1;
  const last = ((<usize>stretch_of(n)) << 2) - 32;
  let turns = i32x4.splat(0);
  for (let k = stretches(n); k > 0; k--, from += step, to += between) {
    for (let i: usize = 0; ; i = min(i + 32, last)) {
      const v = v128.load(from + (i >> 1));
      const u = Logits.upper<T>(v, places);
      const l = Logits.lower<T>(v, from);
      const x = Logits.first<T>(u, l, scale);
      const y = Logits.second<T>(u, l, scale);
      const s = Exp.turns(x, bias, log2e);
      const t = Exp.turns(y, bias, log2e);
      turns = v128.or(turns, v128.or(s, t));
      v128.store(to + i, f32x4.mul(Exp.rest(x, s, bias, ln2, ln2Rest, c4, c3, c2, c1, c0), Exp.power(s)));
      v128.store(to + i, f32x4.mul(Exp.rest(y, t, bias, ln2, ln2Rest, c4, c3, c2, c1, c0), Exp.power(t)), 16);
      if (i === last) break;
    }
  }
  return Exp.is_right(turns);
}

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
    let low = f64x2.splat(0);
    let high = low;
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
      x = y = z = w = f32x4.splat(0);
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
      let low = fresh ? f64x2.splat(0) : v128.load(sums + (i << 1));
      let high = fresh ? f64x2.splat(0) : v128.load(sums + (i << 1), 16);
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

/** Whether the sums of all exponentials are within bounds. */
export function tile_is_near(): bool {
  const least = f64x2.splat(LEAST_OF_ALL);
  const most = f64x2.splat(LARGEST);
  let near = i64x2.splat(-1);
  for (let q = 0; q < count; q += 2) {
    const sum = q + 1 < count ? v128.load((<usize>q) << 3, SUMS) : v128.load64_splat((<usize>q) << 3, SUMS);
    near = v128.and(near, v128.and(f64x2.ge(sum, least), f64x2.le(sum, most)));
  }
  return i64x2.all_true(near);
}

/** Writes the tile's values, each multiplied by its row's factor, to the classes from `first` to `first + n` of an array. */
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

/** The tile's rows come again, one by one. */
export function tile_again(): void {
  memory.fill(DONE, 0, (<usize>count) << 2);
  tile_again_but_for_done();
}

export function tile_again_but_for_done(): void {
  again = alone = count;
  count = 0;
}
