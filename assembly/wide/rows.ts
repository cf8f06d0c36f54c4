/**
 * What every row needs: its maximum, and the exponentials and their sum without the maximum, so that what is small
 * beside 1 is never added to it before its logarithm is taken:
 *
 *   rest = Σ_{j≠t} e^(x_j - m),   log Σ e^x = m + log1p(rest)
 *
 * Where t is not the only class with x_t = m, the others are ties and count 1 each.
 *
 * The exponentials are e^(x - shift) · 2^-M with an integer M near the maximum's logarithm to the base 2: there is no
 * difference x - m that is rounded. Only where |m| ≥ FAR, and multiples of ln 2 cease to be exact, is there a shift by
 * m: that difference is exact wherever it is not so large that the exponential is 0.
 *
 * NaN or +Infinity in a row, or nothing but -Infinity, make its rest NaN.
 */
import { Exp, exp_values } from "./exp";
import { log1p_values } from "./log";
import { cap_values } from "./softcap";
import {
  capacity,
  combine,
  flat,
  ownWidth,
  pads_of,
  spread,
  THIRD,
  TILE,
  tile_lane,
  tile_load,
  tile_pad,
  tile_steps,
  width,
} from "./tile";
import { widen_one } from "./values";

const FAR: f64 = 1048576;
const LN2: f64 = 0.6931471805599453;
/** So many numbers a lane are summed by themselves: long sums of short ones keep more digits. */
const BLOCK: usize = 128;

// A number a lane.
export const MAX = memory.data(64, 16);
/** What is taken off before all else, mostly 0, and the maximum without it. */
export const SHIFT = memory.data(64, 16);
export const TOP = memory.data(64, 16);
/** The bias that leads to 2^-M, and from where down the exponential is 0. */
const BIAS = memory.data(64, 16);
const LOWEST = memory.data(64, 16);
/** M, what the maximum leaves beside M ln 2, and its exponential in these terms. */
const EXPONENT = memory.data(64, 16);
export const TOP_EXP = memory.data(64, 16);
/** The sum without maxima; their number; rest, and log1p(rest). */
const SUM = memory.data(64, 16);
const TOPS = memory.data(64, 16);
export const REST = memory.data(64, 16);
export const LOG = memory.data(64, 16);

let shifted: bool = false;
let cap: f64 = 0;

/** Logits become c · tanh(x / c) in all that follows; 0 leaves them. */
export function set_softcap(softcap: f64): void {
  cap = softcap;
}

/** Softcaps values in place; with the slopes at `slopes`. */
export function apply_softcap(at: usize, slopes: usize, bytes: usize): void {
  if (cap !== 0) cap_values(at, slopes, bytes, cap);
}

export function has_softcap(): bool {
  return cap !== 0;
}

function load_logits(logits: usize, kind: i32, first: i32, n: i32): void {
  tile_load(TILE, logits, kind, first, n, -Infinity);
  apply_softcap(TILE, THIRD, (<usize>tile_steps(n)) << 6);
  tile_pad(TILE, n, -Infinity);
}

/** The rows' maxima, and what follows from them. A single chunk stays in the tile. */
export function find_maxima(logits: usize, kind: i32, classes: i32): void {
  fill(MAX, -Infinity);
  for (let first = 0; first < classes; first += capacity) {
    const n = min(capacity, classes - first);
    load_logits(logits, kind, first, n);
    take_maxima(tile_steps(n));
  }
  if (flat) {
    const low = f64x2.pmax(v128.load(MAX), v128.load(MAX, 16));
    const all = f64x2.pmax(low, f64x2.pmax(v128.load(MAX, 32), v128.load(MAX, 48)));
    v128.store(MAX, f64x2.pmax(all, v128.shuffle<i64>(all, all, 1, 0)));
  }
  take_references();
  fill(SUM, 0);
  fill(TOPS, 0);
}

export function fill(lanes: usize, value: f64): void {
  const v = f64x2.splat(value);
  for (let i: usize = 0; i < 64; i += 16) v128.store(lanes + i, v);
}

/** NaN counts as -Infinity here and shows in the sums. */
function take_maxima(steps: i32): void {
  let a = v128.load(MAX);
  let b = v128.load(MAX, 16);
  let c = v128.load(MAX, 32);
  let d = v128.load(MAX, 48);
  const end = TILE + ((<usize>steps) << 6);
  for (let at = TILE; at < end; at += 64) {
    a = f64x2.pmax(a, v128.load(at));
    b = f64x2.pmax(b, v128.load(at, 16));
    c = f64x2.pmax(c, v128.load(at, 32));
    d = f64x2.pmax(d, v128.load(at, 48));
  }
  v128.store(MAX, a);
  v128.store(MAX, b, 16);
  v128.store(MAX, c, 32);
  v128.store(MAX, d, 48);
}

function take_references(): void {
  let far = i64x2.splat(0);
  for (let i: usize = 0; i < ownWidth; i += 16) {
    const max = v128.load(MAX + i);
    const none = f64x2.eq(max, f64x2.splat(-Infinity));
    const here = v128.andnot(f64x2.ge(f64x2.abs(max), f64x2.splat(FAR)), none);
    far = v128.or(far, here);
    const shift = v128.and(max, here);
    const top = f64x2.sub(max, shift);
    const m = f64x2.nearest(f64x2.mul(v128.andnot(top, none), Exp.log2e()));
    v128.store(SHIFT + i, shift);
    v128.store(TOP + i, top);
    v128.store(EXPONENT + i, m);
    v128.store(BIAS + i, f64x2.sub(Exp.bias(), m));
    v128.store(LOWEST + i, f64x2.add(Exp.lowest(), f64x2.mul(m, f64x2.splat(LN2))));
  }
  shifted = v128.any_true(far);
  exp_lanes(TOP, TOP_EXP);
  spread(SHIFT);
  spread(TOP);
}

/** e^x · 2^-M of a number a lane. */
export function exp_lanes(from: usize, to: usize): void {
  for (let i: usize = 0; i < ownWidth; i += 16) {
    v128.store(to + i, Exp.rest(v128.load(from + i), v128.load(EXPONENT + i), Exp.ln2(), Exp.ln2_rest()));
  }
  exp_values(to, to, ownWidth);
}

/** The classes from `first` to `first + n` in the tile, less the shift, the pads as the maximum. */
export function turn_to(logits: usize, kind: i32, classes: i32, first: i32, n: i32): void {
  if (classes > capacity) load_logits(logits, kind, first, n);
  if (shifted) {
    const end = TILE + ((<usize>tile_steps(n)) << 6);
    for (let at = TILE; at < end; at += 64) {
      for (let i: usize = 0; i < 64; i += 16) v128.store(at + i, f64x2.sub(v128.load(at + i), v128.load(SHIFT + i)));
    }
  }
  tile_pad(TILE, n, load<f64>(TOP));
}

/** The tile's exponentials, to `to`; to the sums those that are not of the maximum, and how many are. */
export function take_exponentials(to: usize, n: i32): void {
  const bytes = (<usize>tile_steps(n)) << 6;
  // A flat row's lanes are all alike: one run through all of them.
  if (flat) exp_lane(TILE, to - TILE, TILE + bytes, 16, 0);
  else for (let i: usize = 0; i < width; i += 16) exp_lane(TILE + i, to - TILE, TILE + bytes, 64, i);
}

/** Every vector from `at` on that lies `distance` behind the last one, to `offset` further on. */
function exp_lane(at: usize, offset: usize, end: usize, distance: usize, lanes: usize): void {
  const log2e = Exp.log2e();
  const ln2 = Exp.ln2();
  const ln2Rest = Exp.ln2_rest();
  const one = Exp.one();
  const two = Exp.two();
  const q0 = Exp.constant(0);
  const q1 = Exp.constant(1);
  const q2 = Exp.constant(2);
  const q3 = Exp.constant(3);
  const q4 = Exp.constant(4);
  const bias = v128.load(BIAS + lanes);
  const lowest = v128.load(LOWEST + lanes);
  const max = v128.load(TOP + lanes);
  let sum = v128.load(SUM + lanes);
  let tops = v128.xor(one, one);
  while (at < end) {
    const blockEnd = min(end, at + BLOCK * distance);
    let part = v128.xor(one, one);
    for (; at < blockEnd; at += distance) {
      const x = v128.load(at);
      const near = f64x2.pmax(x, lowest);
      const t = f64x2.add(f64x2.mul(near, log2e), bias);
      const r = Exp.rest(near, f64x2.sub(t, bias), ln2, ln2Rest);
      const p = f64x2.add(Exp.beyond_one(r, q0, q1, q2, q3, q4, two), one);
      const e = f64x2.mul(p, i64x2.shl(t, 52));
      const top = f64x2.eq(x, max);
      part = f64x2.add(part, v128.andnot(e, top));
      tops = i64x2.sub(tops, top);
      v128.store(at + offset, e);
    }
    sum = f64x2.add(sum, part);
  }
  v128.store(SUM + lanes, sum);
  // A whole number below 2^52, under the exponent of 2^52.
  const two52 = f64x2.splat(4503599627370496);
  v128.store(TOPS + lanes, f64x2.add(v128.load(TOPS + lanes), f64x2.sub(v128.or(tops, two52), two52)));
}

/** rest and log1p(rest), from the sums. */
export function finish_sums(classes: i32): void {
  combine(SUM);
  combine(TOPS);
  const alone = f64x2.splat(<f64>(1 + pads_of(classes)));
  for (let i: usize = 0; i < ownWidth; i += 16) {
    const ties = f64x2.sub(v128.load(TOPS + i), alone);
    v128.store(REST + i, f64x2.add(f64x2.div(v128.load(SUM + i), v128.load(TOP_EXP + i)), ties));
  }
  log1p_values(REST, LOG, ownWidth);
}

/** 1 / (e^m 2^-M (1 + rest)): what the exponentials are multiplied by to become probabilities. */
export function exp_factor(i: usize): v128 {
  const one = Exp.one();
  return f64x2.div(one, f64x2.mul(v128.load(TOP_EXP + i), f64x2.add(one, v128.load(REST + i))));
}

/** Whether there is a NaN in a lane's row. */
export function has_nan(logits: usize, kind: i32, lane: i32, classes: i32): bool {
  for (let c = 0; c < classes; c++) if (isNaN(widen_one(tile_lane(logits, kind, lane, c), kind))) return true;
  return false;
}
