/**
 * A row's exponentials: their maximum, their sum, and the exponentials themselves.
 *
 * Rows go in blocks of 2048 logits, and a sum continues an earlier one, so that a row may also come in segments; where
 * these are multiples of a block, the bits are those of the row in one piece.
 *
 * The reference of a row need not be that of its maximum: any near enough will do, and the largest of the first few
 * logits (`row_top`) saves a pass over all of them. Where the exponentials then come out too large (`is_settled`), the
 * row is taken anew with its maximum. So what a row is taken relative to depends on nothing but the row.
 *
 * Loops are lean as long as all exponents are in range, which they find out by the way; a block in which one is not,
 * most often for a masked class, is taken anew by the same loop with its logits clamped, and so are those after it.
 * Which loop it was makes no difference to the bits.
 */
import { drift, Exp, log_reference, reference, shift_of } from "./exp";
import { block_exp } from "./exp-loop";
import { exchange, low_bits, mask_of, size_of, value_at, value_of } from "./half";
import { FLOAT16, FLOAT32 } from "./kinds";
import { Lanes } from "./lanes";
import { scale } from "./waiting";
import { log } from "./wide";
import { widen } from "./widen";

/** How many logits make a block. */
export const BLOCK: i32 = 2048;

/** How many logits a row is judged by. */
const FIRST: i32 = 16;

/** A block's logits as float32, less the row's shift. */
const WIDENED = memory.data(8192, 16);

/** Whose reference the exponentials of the last whole row are relative to. */
export let relativeTo: f32 = 0;

/** How many rows in turn are clamped from the beginning, after one that had to be. */
const WARINESS: i32 = 8;
let wary: i32 = 0;

/**
 * The largest of n logits. NaN counts as -Infinity among float32 and shows in the sum; halves with a NaN have the
 * maximum Infinity, whose sum it shows in.
 */
export function row_max(logits: usize, kind: i32, n: i32): f32 {
  return kind === FLOAT32 ? max_of_floats(logits, n) : max_of_halves(logits, kind, n);
}

/** The largest of the first of n logits: what a row's exponentials are relative to, if they turn out to be settled. */
export function row_top(logits: usize, kind: i32, n: i32): f32 {
  return row_max(logits, kind, min(n, FIRST));
}

/** Whether exponentials with this sum, relative to this logit, need not be taken relative to the row's maximum. */
export function is_settled(top: f32, sum: f64): bool {
  return is_near(top) && sum < 1.2676506002282294e30; // 2^100
}

/** Whether a row may be taken relative to this logit as it is. */
function is_near(top: f32): bool {
  return top > -Infinity && shift_of(top) === 0;
}

function max_of_floats(logits: usize, n: i32): f32 {
  let a = f32x4.splat(-Infinity);
  let b = a;
  let c = a;
  let d = a;
  for (; n >= 16; n -= 16, logits += 64) {
    a = f32x4.pmax(a, v128.load(logits));
    b = f32x4.pmax(b, v128.load(logits, 16));
    c = f32x4.pmax(c, v128.load(logits, 32));
    d = f32x4.pmax(d, v128.load(logits, 48));
  }
  for (; n > 0; n--, logits += 4) a = f32x4.pmax(a, v128.load32_splat(logits));
  return Lanes.max(f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d)));
}

/**
 * Halves have the order of their bits as integers, those below 0 the reverse one. So the largest signed integer is the
 * maximum, or where it is below 0 the smallest one of the unsigned; and the largest of either sort shows NaN.
 */
function max_of_halves(logits: usize, kind: i32, n: i32): f32 {
  const infinity: u32 = kind === FLOAT16 ? 0x7c00 : 0x7f80;
  const flip = i16x8.splat(-0x8000);
  let signed = flip;
  let unsigned = i16x8.splat(0);
  let at = logits;
  const end = logits + ((<usize>n) << 1);
  for (; at + 16 <= end; at += 16) {
    signed = i16x8.max_s(signed, v128.load(at));
    unsigned = i16x8.max_u(unsigned, v128.load(at));
  }
  for (; at < end; at += 2) {
    signed = i16x8.max_s(signed, v128.load16_splat(at));
    unsigned = i16x8.max_u(unsigned, v128.load16_splat(at));
  }
  const most = Lanes.max_u16(v128.xor(signed, flip)) ^ 0x8000;
  if (most > infinity && most < 0x8000) return Infinity;
  if (Lanes.max_u16(unsigned) > (infinity | 0x8000)) return Infinity;
  return value_of(most < 0x8000 ? most : least_of_halves(logits, end), kind);
}

/** The smallest of the halves before `end`, as an unsigned integer. */
function least_of_halves(at: usize, end: usize): u32 {
  let least = i16x8.splat(-1);
  for (; at + 16 <= end; at += 16) least = i16x8.min_u(least, v128.load(at));
  for (; at < end; at += 2) least = i16x8.min_u(least, v128.load16_splat(at));
  return ~Lanes.max_u16(v128.not(least)) & 0xffff;
}

/**
 * `sum` + Σ e^x · 2^-m over n logits, m being the reference of `max`. Infinity where `max` is, NaN where one logit is or
 * an exponential is beyond float32.
 */
export function row_exp_sum(logits: usize, kind: i32, n: i32, max: f32, sum: f64): f64 {
  if (max === Infinity) return has_nan(logits, kind, n) ? NaN : sum + Infinity;
  return exp_under(logits, kind, 0, n, max, sum);
}

function exp_under(logits: usize, kind: i32, out: usize, n: i32, max: f32, sum: f64): f64 {
  return exp_from(logits, kind, out, n, reference(max), shift_of(max), sum, 0);
}

/**
 * The same relative to 2^m, of logits less a shift; and writes the exponentials to `out`, apart from them, unless it is 0: then
 * `later` says how far from the logits results will be written, 0 for nowhere.
 */
export function exp_from(
  logits: usize,
  kind: i32,
  out: usize,
  n: i32,
  m: f32,
  shift: f32,
  sum: f64,
  later: usize,
): f64 {
  const stride = <usize>BLOCK * size_of(kind);
  const outStride: usize = out === 0 ? 0 : BLOCK << 2;
  let lean = begin_lean(shift);
  for (; n > 0; n -= BLOCK, logits += stride, out += outStride) {
    const count = min(n, BLOCK);
    if (lean) {
      const part = block_exp(logits, kind, out, count, m, later);
      if (part < Infinity) {
        sum += part;
        continue;
      }
      lean = be_wary();
    }
    sum += block_exp(clamped(logits, kind, count, shift, m), FLOAT32, out, count, m, 0);
  }
  return sum;
}

/**
 * Writes e^x · 2^-m for a row of n logits to `out`, 0 for nowhere; returns their sum without the one at `hole`, 0 for none,
 * in whose place what is written means nothing. `relativeTo` says afterwards whose reference m is.
 */
export function whole_exp(logits: usize, kind: i32, out: usize, n: i32, hole: usize): f64 {
  const own = open_hole(hole, kind);
  const top = row_top(logits, kind, n);
  let sum: f64 = Infinity;
  if (is_near(top)) {
    fill_hole(hole, kind, top);
    sum = exp_of_row(logits, kind, out, n, top);
  }
  relativeTo = top;
  if (!is_settled(top, sum)) {
    open_hole(hole, kind);
    relativeTo = row_max(logits, kind, n);
    sum = exp_of_row(logits, kind, out, n, relativeTo);
  }
  close_hole(hole, kind, own);
  return sum;
}

function exp_of_row(logits: usize, kind: i32, out: usize, n: i32, max: f32): f64 {
  return out === 0 ? row_exp_sum(logits, kind, n, max, 0) : exp_under(logits, kind, out, n, max, 0);
}

/** Puts -Infinity in the place of a logit that is left out, and returns its own bits. */
function open_hole(hole: usize, kind: i32): u32 {
  return hole === 0 ? 0 : exchange(hole, kind, mask_of(kind));
}

/** Puts there what adds nothing, and need not be clamped. */
function fill_hole(hole: usize, kind: i32, top: f32): void {
  if (hole !== 0) exchange(hole, kind, low_bits(reference(top), kind));
}

function close_hole(hole: usize, kind: i32, own: u32): void {
  if (hole !== 0) exchange(hole, kind, own);
}

/** The logarithm of a row's exponentials, which sum to `sum` relative to `max`, but for `shift_of(max)`. */
export function log_of_sum(max: f32, sum: f64): f64 {
  return log_reference(max) + log(sum) + drift(sum);
}

/** Multiplies n floats by a factor in place. */
export function row_scale(values: usize, n: i32, factor: f64): void {
  scale(values, n, within_float32(values, n, factor));
}

/** The same, and adds an offset. */
export function row_scale_offset(values: usize, n: i32, factor: f64, offset: f32): void {
  const f = within_float32(values, n, factor);
  const o = f32x4.splat(offset);
  for (; n >= 4; n -= 4, values += 16) v128.store(values, f32x4.add(f32x4.mul(v128.load(values), f), o));
  for (; n > 0; n--, values += 4) store<f32>(values, load<f32>(values) * f32x4.extract_lane(f, 0) + offset);
}

/**
 * A factor as float32. Where the sum of a row is huge, or the row all but certain, it can be too small for that: then 2^-64
 * of it goes to the values beforehand, as often as it takes.
 */
function within_float32(values: usize, n: i32, factor: f64): v128 {
  if (factor === 0 || !(abs(factor) < 7.888609052210118e-31)) return f32x4.splat(<f32>factor); // 2^-100
  row_scale(values, n, 5.421010862427522e-20); // 2^-64
  return within_float32(values, n, factor * 1.8446744073709552e19); // 2^64
}

/** Writes e^x · 2^-m · factor + offset for n logits: a segment of a softmax or of a gradient. */
export function row_exp_scaled(logits: usize, kind: i32, out: usize, n: i32, max: f32, factor: f64, offset: f32): void {
  exp_under(logits, kind, out, n, max, 0);
  if (offset === 0) row_scale(out, n, factor);
  else row_scale_offset(out, n, factor, offset);
}

function begin_lean(shift: f32): bool {
  if (shift !== 0) return false;
  if (wary === 0) return true;
  wary--;
  return false;
}

function be_wary(): bool {
  wary = WARINESS;
  return false;
}

/** Up to a block of logits as float32, less a shift: where they are, or in a place of their own. */
export function widened(logits: usize, kind: i32, n: i32, shift: f32): usize {
  if (kind !== FLOAT32) widen(logits, kind, WIDENED, n);
  else if (shift === 0) return logits;
  else memory.copy(WIDENED, logits, (<usize>n) << 2);
  if (shift !== 0)
    for (let i: usize = 0; i < (<usize>n) << 2; i += 4) store<f32>(i, load<f32>(i, WIDENED) - shift, WIDENED);
  return WIDENED;
}

/** The same, clamped from below, in the place of their own. */
function clamped(logits: usize, kind: i32, n: i32, shift: f32, m: f32): usize {
  let from = widened(logits, kind, n, shift);
  const lowest = f32x4.splat(Exp.lowest(m));
  let to = WIDENED;
  for (; n > 0; n -= 4, from += 16, to += 16) v128.store(to, f32x4.pmax(v128.load(from), lowest));
  return WIDENED;
}

function has_nan(values: usize, kind: i32, n: i32): bool {
  const size = size_of(kind);
  for (let i = 0; i < n; i++, values += size) if (isNaN(value_at(values, kind))) return true;
  return false;
}
