/** The exponentials of a tile, of all its logits as they lie, relative to one reference. */
import { Exp, even_turns, FAR, HEADROOM } from "./exp";
import { Logits } from "./half";
import { FLOAT16, FLOAT32 } from "./kinds";
import { AHEAD, Lanes } from "./lanes";
import {
  along,
  between,
  classStride,
  floats_of,
  held,
  isAgain,
  pitch,
  place,
  step_of,
  stretch_of,
  stretches,
  TILE,
  tile_reset,
  whole,
} from "./tile";
import { forget } from "./waiting";

/** No logit is taken for more than 2^REACH, which is too much. */
const REACH: f32 = 124;

/**
 * By how many bits exponentials are larger than HEADROOM alone makes them: room for rows of lesser and of larger logits
 * than the one that the reference is of, which is a target's or one of the largest; or by itself for a target that is less
 * likely than others. All are even, as references are.
 */
export const ROOM_FOR_TARGETS: f32 = 38;
export const ROOM_FOR_MAXIMA: f32 = 58;
const ROOM_ALONE: f32 = 22;

/** FAR, and what a target may be away from the reference: 38 bits, and 40 more by its odds. */
const FARTHER: f32 = 600;

/** How many tiles in turn are clamped from the beginning, after one that had to be. */
const WARINESS: i32 = 8;
let wary: i32 = 0;

/** m: the exponentials are relative to 2^m, but for κ. */
export let exponent: f32 = 0;

/** Where results will be written once the sums are known, 0 for nowhere. */
export let expected: usize = 0;

/** Begins a call. */
export function tile_expect(results: usize): void {
  tile_reset();
  forget();
  expected = results;
}

/**
 * Chooses what the tile's exponentials are relative to: one of its logits, or 0 where that is far out or none. A row by
 * itself may be somewhat farther out: it is no other way than with others that it passes.
 */
export function tile_refer(logit: f32, room: f32): void {
  const isNear = abs(logit) < (isAgain ? FARTHER : FAR);
  exponent = even_turns(isNear ? logit : 0) - HEADROOM - (isAgain ? ROOM_ALONE : room);
}

/** Takes the exponentials of the classes from `first` to `first + n`. */
export function tile_exp(logits: usize, kind: i32, first: i32, n: i32): void {
  const step = step_of(kind);
  const to = held(first);
  const results = expected !== 0 && along ? place(expected, 4, first) : to;
  if (wary > 0) {
    wary--;
  } else {
    if (kind === FLOAT32 || stretch_of(n) < 8) {
      if (exponentials(floats_of(logits, kind, first, n), step, to, n, results)) return;
    } else {
      const from = place(logits, 2, first);
      if (kind === FLOAT16 ? exponentials_of<i16>(from, to, n) : exponentials_of<u16>(from, to, n)) return;
    }
    wary = WARINESS;
  }
  clamp(floats_of(logits, kind, first, n), step, n);
  exponentials(TILE, pitch, to, n, results);
}

/** Takes logits to the tile that are clamped to what is in range. */
function clamp(from: usize, step: usize, n: i32): void {
  const lowest = f32x4.splat(Exp.lowest(exponent));
  const highest = f32x4.splat((exponent + REACH) * <f32>0.693147182);
  const length = stretch_of(n);
  let tile = TILE;
  for (let k = stretches(n); k > 0; k--, from += step, tile += pitch) {
    for (let i = 0; i < length; i += 4) {
      const at = (<usize>i) << 2;
      v128.store(tile + at, f32x4.pmin(f32x4.pmax(v128.load(from + at), lowest), highest));
    }
  }
}

/**
 * Whether all were in range. The lines of the cache where results will be written are touched by the way: they have to be
 * read to be written to, for which writing would wait. Of rows that follow each other, that is, whose classes are one
 * stretch; else it gains nothing.
 */
function exponentials(from: usize, step: usize, to: usize, n: i32, results: usize): bool {
  const log2e = Exp.log2e();
  const ln2 = Exp.ln2();
  const ln2Rest = Exp.ln2_rest();
  const c4 = Exp.coefficient(4);
  const c3 = Exp.coefficient(3);
  const c2 = Exp.coefficient(2);
  const c1 = Exp.coefficient(1);
  const c0 = Exp.coefficient(0);
  const bias = Exp.kept_bias(exponent);
  const bytes = (<usize>stretch_of(n)) << 2;
  let turns = i32x4.splat(0);
  const end = Lanes.end_of_memory() - bytes;
  for (let k = stretches(n); k > 0; k--, from += step, to += between) {
    // A stretch is often part of a page: the one after the next is touched instead of what lies behind.
    const ahead = min(from + (whole ? AHEAD : 2 * step), end);
    let i: usize = 0;
    for (; i + 32 <= bytes; i += 32) {
      load<u32>(ahead + i);
      load<u32>(results + i);
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
      const x = left < 4 ? Lanes.load_tail(from + i, left, Exp.lowest(exponent)) : v128.load(from + i);
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
  const bias = Exp.kept_bias(exponent);
  const step = classStride << 1;
  const last = ((<usize>stretch_of(n)) << 2) - 32;
  let turns = i32x4.splat(0);
  for (let k = stretches(n); k > 0; k--, from += step, to += between) {
    for (let i: usize = 0; ; i = min(i + 32, last)) {
      const at = from + (i >> 1);
      const v = v128.load(at);
      const u = Logits.upper<T>(v, places);
      const l = Logits.lower<T>(v, at);
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
