/**
 * A row's exponentials: their maximum, their sum, and the exponentials themselves.
 *
 * A sum in float32 over 150,000 classes would be off by thousands of half-ulps. Here a float32 lane takes four
 * exponentials, of which three can be lost beside the first, before the sum goes on in float64. Rows go in blocks of
 * 512 logits, and a sum continues an earlier one, so that a row may also come in segments; where these are multiples of
 * a block, the bits are those of the row in one piece.
 */
import { Exp, reference, shift_of } from "./exp";
import { Logits, size_of, value_at, value_of } from "./half";
import { FLOAT16, FLOAT32 } from "./kinds";
import { Lanes } from "./lanes";

/** How many logits make a block. */
export const BLOCK: i32 = 512;
const SHIFTED = memory.data(2048, 16);

/** How many go through the loops before their float32 sums do; what is left of a block is padded. */
const STRETCH: i32 = 32;
const PADDED = memory.data(128, 16);
const RESULTS = memory.data(128, 16);

/**
 * The largest of n logits. NaN counts as -Infinity among float32 and shows in the sum; halves with a NaN have the
 * maximum Infinity, whose sum it shows in.
 */
export function row_max(logits: usize, kind: i32, n: i32): f32 {
  return kind === FLOAT32 ? max_of_floats(logits, n) : max_of_halves(logits, kind, n);
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
  for (; n >= 4; n -= 4, logits += 16) a = f32x4.pmax(a, v128.load(logits));
  if (n > 0) b = f32x4.pmax(b, Lanes.load_tail(logits, n, -Infinity));
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
 * `sum` + Σ e^x · 2^-m over n logits of a row with this maximum. Infinity where the maximum is, NaN where one logit is.
 */
export function row_exp_sum(logits: usize, kind: i32, n: i32, max: f32, sum: f64): f64 {
  if (max === Infinity) return has_nan(logits, kind, n) ? NaN : sum + Infinity;
  const m = reference(max);
  const shift = shift_of(max);
  const stride = <usize>BLOCK * size_of(kind);
  for (; n > 0; n -= BLOCK, logits += stride) {
    const count = min(n, BLOCK);
    if (shift !== 0) sum += exp_sum_block<f32>(shifted(logits, kind, count, shift), count, m);
    else if (kind === FLOAT32) sum += exp_sum_block<f32>(logits, count, m);
    else if (kind === FLOAT16) sum += exp_sum_block<i16>(logits, count, m);
    else sum += exp_sum_block<u16>(logits, count, m);
  }
  return sum;
}

/**
 * Writes e^x · 2^-m for n logits of a row with this maximum to `out`, which may be the logits where these are float32;
 * returns their sum.
 */
export function row_exp(logits: usize, kind: i32, out: usize, n: i32, max: f32): f64 {
  const m = reference(max);
  const shift = shift_of(max);
  const stride = <usize>BLOCK * size_of(kind);
  let sum: f64 = 0;
  for (; n > 0; n -= BLOCK, logits += stride, out += BLOCK << 2) {
    const count = min(n, BLOCK);
    if (shift !== 0) sum += exp_block<f32>(shifted(logits, kind, count, shift), out, count, m);
    else if (kind === FLOAT32) sum += exp_block<f32>(logits, out, count, m);
    else if (kind === FLOAT16) sum += exp_block<i16>(logits, out, count, m);
    else sum += exp_block<u16>(logits, out, count, m);
  }
  return sum;
}

/** Multiplies n floats by a factor in place. */
export function row_scale(values: usize, n: i32, factor: f32): void {
  const f = f32x4.splat(factor);
  for (; n >= 8; n -= 8, values += 32) {
    const a = v128.load(values);
    const b = v128.load(values, 16);
    v128.store(values, f32x4.mul(a, f));
    v128.store(values, f32x4.mul(b, f), 16);
  }
  for (; n > 0; n--, values += 4) store<f32>(values, load<f32>(values) * factor);
}

/** The same, and adds an offset. */
export function row_scale_offset(values: usize, n: i32, factor: f32, offset: f32): void {
  const f = f32x4.splat(factor);
  const o = f32x4.splat(offset);
  for (; n >= 4; n -= 4, values += 16) v128.store(values, f32x4.add(f32x4.mul(v128.load(values), f), o));
  for (; n > 0; n--, values += 4) store<f32>(values, load<f32>(values) * factor + offset);
}

/**
 * Writes e^x · 2^-m · factor + offset for n logits of a row with this maximum: a segment of a softmax or of a gradient.
 */
export function row_exp_scaled(logits: usize, kind: i32, out: usize, n: i32, max: f32, factor: f32, offset: f32): void {
  row_exp(logits, kind, out, n, max);
  if (offset === 0) row_scale(out, n, factor);
  else row_scale_offset(out, n, factor, offset);
}

function exp_sum_block<T>(logits: usize, n: i32, m: f32): f64 {
  const places = Logits.places();
  const scale = Logits.scale();
  const log2e = Exp.log2e();
  const ln2 = Exp.ln2();
  const ln2Rest = Exp.ln2_rest();
  const c5 = Exp.coefficient(5);
  const c4 = Exp.coefficient(4);
  const c3 = Exp.coefficient(3);
  const c2 = Exp.coefficient(2);
  const c1 = Exp.coefficient(1);
  const c0 = Exp.coefficient(0);
  const bias = Exp.bias(f32x4.splat(m));
  const lowest = Exp.lowest(f32x4.splat(m));
  const size = sizeof<T>();
  let low = f64x2.splat(0);
  let high = low;
  for (; n > 0; n -= STRETCH) {
    if (n < STRETCH) logits = padded<T>(logits, n);
    let a = f32x4.splat(0);
    let b = a;
    for (const stop = logits + pairs_of(n) * size; logits < stop; logits += 8 * size) {
      const x = Logits.load<T>(logits, places, scale);
      const y = Logits.load_next<T>(logits, places, scale);
      a = f32x4.add(a, Exp.step(x, bias, lowest, log2e, ln2, ln2Rest, c5, c4, c3, c2, c1, c0));
      b = f32x4.add(b, Exp.step(y, bias, lowest, log2e, ln2, ln2Rest, c5, c4, c3, c2, c1, c0));
    }
    low = f64x2.add(low, Lanes.widen_sum(a));
    high = f64x2.add(high, Lanes.widen_sum(b));
  }
  return Lanes.sum_f64(f64x2.add(low, high));
}

function exp_block<T>(logits: usize, out: usize, n: i32, m: f32): f64 {
  const places = Logits.places();
  const scale = Logits.scale();
  const log2e = Exp.log2e();
  const ln2 = Exp.ln2();
  const ln2Rest = Exp.ln2_rest();
  const c5 = Exp.coefficient(5);
  const c4 = Exp.coefficient(4);
  const c3 = Exp.coefficient(3);
  const c2 = Exp.coefficient(2);
  const c1 = Exp.coefficient(1);
  const c0 = Exp.coefficient(0);
  const bias = Exp.bias(f32x4.splat(m));
  const lowest = Exp.lowest(f32x4.splat(m));
  const size = sizeof<T>();
  let low = f64x2.splat(0);
  let high = low;
  let rest = out;
  for (; n > 0; n -= STRETCH) {
    if (n < STRETCH) {
      logits = padded<T>(logits, n);
      rest = out;
      out = RESULTS;
    }
    let a = f32x4.splat(0);
    let b = a;
    for (const stop = logits + pairs_of(n) * size; logits < stop; logits += 8 * size, out += 32) {
      const x = Logits.load<T>(logits, places, scale);
      const y = Logits.load_next<T>(logits, places, scale);
      const e = Exp.step(x, bias, lowest, log2e, ln2, ln2Rest, c5, c4, c3, c2, c1, c0);
      const f = Exp.step(y, bias, lowest, log2e, ln2, ln2Rest, c5, c4, c3, c2, c1, c0);
      a = f32x4.add(a, e);
      b = f32x4.add(b, f);
      v128.store(out, e);
      v128.store(out, f, 16);
    }
    low = f64x2.add(low, Lanes.widen_sum(a));
    high = f64x2.add(high, Lanes.widen_sum(b));
    if (n < STRETCH) copy(rest, RESULTS, (<usize>n) << 2);
  }
  return Lanes.sum_f64(f64x2.add(low, high));
}

/** A stretch's logits, or those that are left of it, in whole pairs of vectors. */
function pairs_of(n: i32): usize {
  return <usize>(min(n, STRETCH) + 7) & ~7;
}

/** The last logits, fewer than a stretch, in a place where -Infinity follows them. */
function padded<T>(logits: usize, n: i32): usize {
  const fill = isFloat<T>() ? i32x4.splat(0xff800000) : i16x8.splat(isSigned<T>() ? -0x400 : -0x80);
  for (let i: usize = 0; i < <usize>STRETCH * sizeof<T>(); i += 16) v128.store(PADDED + i, fill);
  copy(PADDED, logits, <usize>n * sizeof<T>());
  return PADDED;
}

function copy(to: usize, from: usize, bytes: usize): void {
  for (; bytes >= 16; bytes -= 16, to += 16, from += 16) v128.store(to, v128.load(from));
  for (; bytes > 0; bytes -= 2, to += 2, from += 2) store<u16>(to, load<u16>(from));
}

/** x - shift for up to a block of logits, in a place of its own: rows far out are rare, and the step stays lean. */
function shifted(logits: usize, kind: i32, n: i32, shift: f32): usize {
  const size = size_of(kind);
  for (let i = 0; i < n; i++, logits += size) {
    store<f32>(SHIFTED + ((<usize>i) << 2), value_at(logits, kind) - shift);
  }
  return SHIFTED;
}

function has_nan(values: usize, kind: i32, n: i32): bool {
  const size = size_of(kind);
  for (let i = 0; i < n; i++, values += size) if (isNaN(value_at(values, kind))) return true;
  return false;
}
