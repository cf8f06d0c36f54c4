/**
 * Binary cross-entropy, of probabilities and of logits, with w for the weight, u for posWeight and s for the scale:
 *
 *   of p:  loss = -w (y max(log p, -100) + (1 - y) max(log(1 - p), -100))     dp = s w (p - y) / max(p (1 - p), ε)
 *   of x:  loss = w (u y softplus(-x) + (1 - y) softplus(x))                  dx = s w (σ(x) (1 - y) - u y σ(-x))
 *
 * ε is float32's 1e-12, as PyTorch has it. With q = e^-|x|: softplus(±x) = max(±x, 0) + log1p(q), and of σ(x) and
 * σ(-x) one is 1 / (1 + q), the other q / (1 + q):
 * near certainty the small one is no difference. At infinite logits the losses are those of PyTorch's formula, in which
 * Infinity - Infinity makes every loss of a -Infinity NaN.
 *
 * See elements.ts for the operands. What is returned is `total` plus the losses, added in their order.
 */
import {
  A,
  B,
  bring,
  bytes_of,
  CHUNK,
  fill_absent,
  GRAD,
  INPUT,
  is_present,
  LOSSES,
  Place,
  POS_WEIGHT,
  SCALE,
  TARGET,
  take,
  WEIGHT,
} from "./elements";
import { Exp, exp_values } from "./exp";
import { log_values, log1p_values } from "./log";

export function binary_cross_entropy(operands: usize, n: i32, total: f64): f64 {
  fill_absent(operands);
  for (let i = 0; i < n; i += CHUNK) {
    const count = min(CHUNK, n - i);
    for (let slot = INPUT; slot <= SCALE; slot++) bring(operands, slot, i, count);
    const bytes = bytes_of(count);
    total = probability_losses(count, total);
    take(operands, LOSSES, i, count);
    if (is_present(operands, GRAD)) {
      probability_gradients(bytes);
      take(operands, GRAD, i, count);
    }
  }
  return total;
}

export function binary_cross_entropy_with_logits(operands: usize, n: i32, total: f64): f64 {
  fill_absent(operands);
  for (let i = 0; i < n; i += CHUNK) {
    const count = min(CHUNK, n - i);
    for (let slot = INPUT; slot <= SCALE; slot++) bring(operands, slot, i, count);
    const bytes = bytes_of(count);
    for (let j: usize = 0; j < bytes; j += 16) {
      v128.store(A + j, f64x2.neg(f64x2.abs(v128.load(Place.of(INPUT) + j))));
    }
    exp_values(A, A, bytes);
    log1p_values(A, B, bytes);
    total = logit_losses(count, total);
    take(operands, LOSSES, i, count);
    if (is_present(operands, GRAD)) {
      logit_gradients(bytes);
      take(operands, GRAD, i, count);
    }
  }
  return total;
}

/** Constants: see exp.ts. */
const LEAST_LOG = memory.data<f64>([-100], 16);
const LEAST_VARIANCE = memory.data<f64>([9.999999960041972e-13], 16);
const LOWEST = memory.data<f64>([-Infinity], 16);

function probability_losses(n: i32, total: f64): f64 {
  const bytes = bytes_of(n);
  const one = Exp.one();
  const least = v128.load64_splat(LEAST_LOG);
  log_values(Place.of(INPUT), A, bytes);
  for (let i: usize = 0; i < bytes; i += 16) v128.store(B + i, f64x2.neg(v128.load(Place.of(INPUT) + i)));
  log1p_values(B, B, bytes);
  for (let i: usize = 0; i < bytes; i += 16) {
    const y = v128.load(Place.of(TARGET) + i);
    const a = f64x2.mul(y, f64x2.pmax(v128.load(A + i), least));
    const b = f64x2.mul(f64x2.sub(one, y), f64x2.pmax(v128.load(B + i), least));
    const loss = f64x2.neg(f64x2.mul(v128.load(Place.of(WEIGHT) + i), f64x2.add(a, b)));
    total = Place.take_losses(i, loss, n, total);
  }
  return total;
}

function probability_gradients(bytes: usize): void {
  const one = Exp.one();
  const least = v128.load64_splat(LEAST_VARIANCE);
  for (let i: usize = 0; i < bytes; i += 16) {
    const p = v128.load(Place.of(INPUT) + i);
    const divisor = f64x2.pmax(f64x2.mul(p, f64x2.sub(one, p)), least);
    const slope = f64x2.div(f64x2.sub(p, v128.load(Place.of(TARGET) + i)), divisor);
    const scale = f64x2.mul(v128.load(Place.of(SCALE) + i), v128.load(Place.of(WEIGHT) + i));
    v128.store(Place.of(GRAD) + i, f64x2.mul(scale, slope));
  }
}

/** From q in A and log1p(q) in B. */
function logit_losses(n: i32, total: f64): f64 {
  const bytes = bytes_of(n);
  const one = Exp.one();
  const zero = f64x2.splat(0);
  const lowest = v128.load64_splat(LOWEST);
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = v128.load(Place.of(INPUT) + i);
    const y = v128.load(Place.of(TARGET) + i);
    const log = v128.load(B + i);
    const positive = f64x2.mul(v128.load(Place.of(POS_WEIGHT) + i), y);
    const a = f64x2.mul(positive, f64x2.add(f64x2.pmax(f64x2.neg(x), zero), log));
    const b = f64x2.mul(f64x2.sub(one, y), f64x2.add(f64x2.pmax(x, zero), log));
    const loss = f64x2.mul(v128.load(Place.of(WEIGHT) + i), f64x2.add(a, b));
    total = Place.take_losses(i, v128.or(loss, f64x2.eq(x, lowest)), n, total);
  }
  return total;
}

/** From q in A. */
function logit_gradients(bytes: usize): void {
  const one = Exp.one();
  const zero = f64x2.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = v128.load(Place.of(INPUT) + i);
    const y = v128.load(Place.of(TARGET) + i);
    const q = v128.load(A + i);
    const large = f64x2.div(one, f64x2.add(one, q));
    const small = f64x2.mul(q, large);
    const negative = f64x2.lt(x, zero);
    const a = f64x2.mul(v128.bitselect(small, large, negative), f64x2.sub(one, y));
    const positive = f64x2.mul(v128.load(Place.of(POS_WEIGHT) + i), y);
    const b = f64x2.mul(positive, v128.bitselect(large, small, negative));
    const scale = f64x2.mul(v128.load(Place.of(SCALE) + i), v128.load(Place.of(WEIGHT) + i));
    v128.store(Place.of(GRAD) + i, f64x2.mul(scale, f64x2.sub(a, b)));
  }
}
