/**
 * A row's exponentials: their maximum, their sum, and the exponentials themselves.
 *
 * A sum in float32 over 150,000 classes would be off by thousands of half-ulps. Here a float32 lane takes four
 * exponentials, of which three can be lost beside the first, before the sum goes on in float64. Rows go in blocks of
 * 512 logits, and a sum continues an earlier one, so that a row may also come in segments; where these are multiples of
 * a block, the bits are those of the row in one piece.
 */
import { Exp, reference, shift_of } from "./exp";
import { Lanes } from "./lanes";

/** How many logits make a block. */
export const BLOCK: i32 = 512;
const SHIFTED = memory.data(2048, 16);

/** The largest of n logits; NaN counts as -Infinity here and shows in the sum. */
export function row_max(logits: usize, n: i32): f32 {
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
 * `sum` + Σ e^x · 2^-m over n logits of a row with this maximum. Infinity where the maximum is, NaN where one logit is.
 */
export function row_exp_sum(logits: usize, n: i32, max: f32, sum: f64): f64 {
  if (max === Infinity) return has_nan(logits, n) ? NaN : sum + Infinity;
  const m = reference(max);
  const shift = shift_of(max);
  for (; n > 0; n -= BLOCK, logits += BLOCK << 2) {
    const count = min(n, BLOCK);
    sum += exp_sum_block(shift === 0 ? logits : shifted(logits, count, shift), count, m);
  }
  return sum;
}

/** Writes e^x · 2^-m for n logits of a row with this maximum to `out`, which may be the logits; returns their sum. */
export function row_exp(logits: usize, out: usize, n: i32, max: f32): f64 {
  const m = reference(max);
  const shift = shift_of(max);
  let sum: f64 = 0;
  for (; n > 0; n -= BLOCK, logits += BLOCK << 2, out += BLOCK << 2) {
    const count = min(n, BLOCK);
    sum += exp_block(shift === 0 ? logits : shifted(logits, count, shift), out, count, m);
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

/** Writes e^x · 2^-m · factor for n logits of a row with this maximum: a segment of a softmax or of a gradient. */
export function row_exp_scaled(logits: usize, out: usize, n: i32, max: f32, factor: f32): void {
  row_exp(logits, out, n, max);
  row_scale(out, n, factor);
}

function exp_sum_block(logits: usize, n: i32, m: f32): f64 {
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
  let low = f64x2.splat(0);
  let high = low;
  let a = f32x4.splat(0);
  let b = a;
  for (; n >= 32; n -= 32) {
    for (const stop = logits + 128; logits < stop; logits += 32) {
      a = f32x4.add(a, Exp.step(v128.load(logits), bias, lowest, log2e, ln2, ln2Rest, c5, c4, c3, c2, c1, c0));
      b = f32x4.add(b, Exp.step(v128.load(logits, 16), bias, lowest, log2e, ln2, ln2Rest, c5, c4, c3, c2, c1, c0));
    }
    low = f64x2.add(low, Lanes.widen_sum(a));
    high = f64x2.add(high, Lanes.widen_sum(b));
    a = f32x4.splat(0);
    b = a;
  }
  for (; n >= 4; n -= 4, logits += 16) {
    low = f64x2.add(
      low,
      Lanes.widen_sum(Exp.step(v128.load(logits), bias, lowest, log2e, ln2, ln2Rest, c5, c4, c3, c2, c1, c0)),
    );
  }
  if (n > 0) {
    const e = Exp.step(
      Lanes.load_tail(logits, n, -Infinity),
      bias,
      lowest,
      log2e,
      ln2,
      ln2Rest,
      c5,
      c4,
      c3,
      c2,
      c1,
      c0,
    );
    high = f64x2.add(high, Lanes.widen_sum(e));
  }
  return Lanes.sum_f64(f64x2.add(low, high));
}

function exp_block(logits: usize, out: usize, n: i32, m: f32): f64 {
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
  let low = f64x2.splat(0);
  let high = low;
  let a = f32x4.splat(0);
  let b = a;
  for (; n >= 32; n -= 32) {
    for (const stop = logits + 128; logits < stop; logits += 32, out += 32) {
      const e = Exp.step(v128.load(logits), bias, lowest, log2e, ln2, ln2Rest, c5, c4, c3, c2, c1, c0);
      const f = Exp.step(v128.load(logits, 16), bias, lowest, log2e, ln2, ln2Rest, c5, c4, c3, c2, c1, c0);
      a = f32x4.add(a, e);
      b = f32x4.add(b, f);
      v128.store(out, e);
      v128.store(out, f, 16);
    }
    low = f64x2.add(low, Lanes.widen_sum(a));
    high = f64x2.add(high, Lanes.widen_sum(b));
    a = f32x4.splat(0);
    b = a;
  }
  for (; n >= 4; n -= 4, logits += 16, out += 16) {
    const e = Exp.step(v128.load(logits), bias, lowest, log2e, ln2, ln2Rest, c5, c4, c3, c2, c1, c0);
    low = f64x2.add(low, Lanes.widen_sum(e));
    v128.store(out, e);
  }
  if (n > 0) {
    const e = Exp.step(
      Lanes.load_tail(logits, n, -Infinity),
      bias,
      lowest,
      log2e,
      ln2,
      ln2Rest,
      c5,
      c4,
      c3,
      c2,
      c1,
      c0,
    );
    high = f64x2.add(high, Lanes.widen_sum(e));
    Lanes.store_tail(out, n, e);
  }
  return Lanes.sum_f64(f64x2.add(low, high));
}

/** x - shift for up to a block of logits, in a place of its own: rows far out are rare, and the step stays lean. */
function shifted(logits: usize, n: i32, shift: f32): usize {
  for (let i = 0; i < n; i++) {
    const offset = (<usize>i) << 2;
    store<f32>(SHIFTED + offset, load<f32>(logits + offset) - shift);
  }
  return SHIFTED;
}

function has_nan(values: usize, n: i32): bool {
  for (let i = 0; i < n; i++) if (isNaN(load<f32>(values + ((<usize>i) << 2)))) return true;
  return false;
}
