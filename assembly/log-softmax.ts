/**
 * Over rows of logits x, `classes` long:  lse = log Σ e^x   logProbs = x - lse   probs = e^x / Σ e^x
 * and, for a gradient g of what was computed:  dx = g - e^logProbs · Σ g   and   dx = probs · (g - Σ g · probs).
 *
 * What is written is apart from the logits; a gradient of these may be where `gradOutput` is.
 *
 * The backward kernels take whole rows, one after another; forward it goes by tiles (log-softmax-tile.ts). Rows that do not
 * fit where they are computed take the same steps a segment at a time, through the functions whose names begin with `row`.
 */
import { Exp, INVERSE_KAPPA, shift_of } from "./exp";
import { BLOCK, log_of_sum, relativeTo, row_scale, whole_exp, widened } from "./exp-row";
import { size_of } from "./half";
import { FLOAT32 } from "./kinds";
import { Lanes } from "./lanes";
import { widen } from "./widen";

/** The log-sum-exp of a row, in nats. */
export function row_log_sum_exp(logits: usize, kind: i32, classes: i32): f32 {
  const sum = whole_exp(logits, kind, 0, classes, 0);
  return <f32>log_sum_exp_of(relativeTo, sum);
}

export function log_softmax_of_row(logits: usize, kind: i32, logProbs: usize, classes: i32): void {
  const sum = whole_exp(logits, kind, 0, classes, 0);
  row_log_softmax(logits, kind, logProbs, classes, relativeTo, sum);
}

export function softmax_of_row(logits: usize, kind: i32, probs: usize, classes: i32): void {
  row_scale(probs, classes, softmax_factor(whole_exp(logits, kind, probs, classes, 0)));
}

export function log_softmax_backward(gradOutput: usize, logProbs: usize, grad: usize, rows: i32, classes: i32): void {
  const stride = (<usize>classes) << 2;
  for (let row = 0; row < rows; row++, gradOutput += stride, logProbs += stride, grad += stride) {
    row_log_softmax_backward(gradOutput, logProbs, grad, classes, row_sum(gradOutput, FLOAT32, classes, 0, 0));
  }
}

export function softmax_backward(gradOutput: usize, probs: usize, grad: usize, rows: i32, classes: i32): void {
  const stride = (<usize>classes) << 2;
  for (let row = 0; row < rows; row++, gradOutput += stride, probs += stride, grad += stride) {
    row_softmax_backward(gradOutput, probs, grad, classes, row_dot(gradOutput, probs, classes, 0));
  }
}

/** The log-sum-exp, in nats, of a row with this maximum, whose exponentials sum to `sum`. */
export function log_sum_exp_of(max: f32, sum: f64): f64 {
  if (max === Infinity) return sum;
  return <f64>shift_of(max) + log_of_sum(max, sum);
}

/** What a row's exponentials are multiplied by to sum to 1; NaN where the row has no softmax. */
export function softmax_factor(sum: f64): f32 {
  return sum < Infinity ? <f32>(1 / sum) : <f32>NaN;
}

/**
 * x - lse for n logits of a row with this maximum, whose exponentials sum to `sum`. lse is taken off in two parts, each
 * subtraction rounding once, to the size of its result: far out what the row is shifted by and the rest, else its
 * float32 and what that rounds off. No rounding makes a probability larger than 1. A row of only -Infinity, with
 * +Infinity or with NaN has no log-softmax but NaN.
 */
export function row_log_softmax(logits: usize, kind: i32, logProbs: usize, n: i32, max: f32, sum: f64): void {
  const shift = shift_of(max);
  const lse = log_of_sum(max, sum);
  const near = shift === 0 ? <f32>lse : shift;
  subtract(logits, kind, logProbs, n, near, <f32>(shift === 0 ? lse - <f64>near : lse));
}

/** min(x - near - rest, 0), two vectors a turn. */
export function subtract(logits: usize, kind: i32, out: usize, n: i32, near: f32, rest: f32): void {
  if (kind !== FLOAT32) {
    widen(logits, kind, out, n);
    logits = out;
  }
  const a = f32x4.splat(near);
  const b = f32x4.splat(rest);
  const zero = Lanes.zero();
  for (; n >= 16; n -= 16, logits += 64, out += 64) {
    const x = f32x4.sub(f32x4.sub(v128.load(logits), a), b);
    const y = f32x4.sub(f32x4.sub(v128.load(logits, 16), a), b);
    const z = f32x4.sub(f32x4.sub(v128.load(logits, 32), a), b);
    const w = f32x4.sub(f32x4.sub(v128.load(logits, 48), a), b);
    v128.store(out, f32x4.pmin(x, zero));
    v128.store(out, f32x4.pmin(y, zero), 16);
    v128.store(out, f32x4.pmin(z, zero), 32);
    v128.store(out, f32x4.pmin(w, zero), 48);
  }
  for (; n > 0; n -= 4, logits += 16, out += 16) {
    Lanes.put(out, n, f32x4.pmin(f32x4.sub(f32x4.sub(v128.load(logits), a), b), zero));
  }
}

/** `sum` + Σ (value - shift), in float64. */
export function row_sum(values: usize, kind: i32, n: i32, shift: f64, sum: f64): f64 {
  const stride = <usize>BLOCK * size_of(kind);
  for (; n > 0; n -= BLOCK, values += stride) {
    const count = min(n, BLOCK);
    sum += sum_block(widened(values, kind, count, 0), count, shift);
  }
  return sum;
}

/** `sum` + Σ a · b, in float64. */
export function row_dot(a: usize, b: usize, n: i32, sum: f64): f64 {
  for (; n > 0; n -= BLOCK, a += BLOCK << 2, b += BLOCK << 2) sum += dot_block(a, b, min(n, BLOCK));
  return sum;
}

/**
 * g - e^logProbs · sum for n classes. Log-probabilities are no reason for a reference of their own: they are at most 0,
 * and what lies above 88 by mistake is taken for 88.
 */
export function row_log_softmax_backward(gradOutput: usize, logProbs: usize, grad: usize, n: i32, sum: f64): void {
  const log2e = Exp.log2e();
  const ln2 = Exp.ln2();
  const ln2Rest = Exp.ln2_rest();
  const c4 = Exp.coefficient(4);
  const c3 = Exp.coefficient(3);
  const c2 = Exp.coefficient(2);
  const c1 = Exp.coefficient(1);
  const c0 = Exp.coefficient(0);
  const bias = Lanes.kept(Exp.bias(0));
  const lowest = Lanes.kept(f32x4.splat(Exp.lowest(0)));
  const highest = Lanes.kept(f32x4.splat(88));
  const total = Lanes.kept(f32x4.splat(<f32>(sum * INVERSE_KAPPA)));
  for (; n > 0; n -= 4, gradOutput += 16, logProbs += 16, grad += 16) {
    const x = f32x4.pmin(v128.load(logProbs), highest);
    const e = Exp.step(x, bias, lowest, log2e, ln2, ln2Rest, c4, c3, c2, c1, c0);
    Lanes.put(grad, n, f32x4.sub(v128.load(gradOutput), f32x4.mul(e, total)));
  }
}

/** probs · (g - dot) for n classes. */
export function row_softmax_backward(gradOutput: usize, probs: usize, grad: usize, n: i32, dot: f64): void {
  const mean = <f32>dot;
  const d = f32x4.splat(mean);
  for (; n >= 4; n -= 4, gradOutput += 16, probs += 16, grad += 16) {
    v128.store(grad, f32x4.mul(v128.load(probs), f32x4.sub(v128.load(gradOutput), d)));
  }
  for (; n > 0; n--, gradOutput += 4, probs += 4, grad += 4) {
    store<f32>(grad, load<f32>(probs) * (load<f32>(gradOutput) - mean));
  }
}

/** Σ (value - shift) of up to a block of float32, each added in float64. */
function sum_block(values: usize, n: i32, shift: f64): f64 {
  const s = f64x2.splat(shift);
  let a = Lanes.zero();
  let b = a;
  for (; n >= 4; n -= 4, values += 16) {
    const v = v128.load(values);
    a = f64x2.add(a, f64x2.sub(f64x2.promote_low_f32x4(v), s));
    b = f64x2.add(b, f64x2.sub(Lanes.promote_high(v), s));
  }
  let sum = Lanes.sum_f64(f64x2.add(a, b));
  for (; n > 0; n--, values += 4) sum += <f64>load<f32>(values) - shift;
  return sum;
}

/** Σ a · b of up to a block of float32, products and sum in float64. */
function dot_block(a: usize, b: usize, n: i32): f64 {
  let low = Lanes.zero();
  let high = low;
  for (; n >= 4; n -= 4, a += 16, b += 16) {
    const x = v128.load(a);
    const y = v128.load(b);
    low = f64x2.add(low, f64x2.mul(f64x2.promote_low_f32x4(x), f64x2.promote_low_f32x4(y)));
    high = f64x2.add(high, f64x2.mul(Lanes.promote_high(x), Lanes.promote_high(y)));
  }
  let sum = Lanes.sum_f64(f64x2.add(low, high));
  for (; n > 0; n--, a += 4, b += 4) sum += <f64>load<f32>(a) * <f64>load<f32>(b);
  return sum;
}
