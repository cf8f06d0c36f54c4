/**
 * Kullback–Leibler divergence of probabilities p, or of their logarithms l, from a distribution's logarithms, with s
 * for the scale:
 *
 *   of p:  loss = p log p - p logQ, with 0 log 0 = 0       d logQ = -s p
 *   of l:  loss = e^l (l - logQ)                           d logQ = -s e^l
 *
 * Where logQ or l is -Infinity, 0 · -Infinity makes the loss NaN, as in PyTorch. See elements.ts for the operands. What is
 * returned is `total` plus the losses, added in their order.
 */
import {
  A,
  bring,
  bytes_of,
  CHUNK,
  fill_absent,
  GRAD,
  INPUT,
  is_present,
  LOSSES,
  Place,
  SCALE,
  TARGET,
  take,
} from "./elements";
import { exp_values } from "./exp";
import { log_values } from "./log";

export function kl_divergence(operands: usize, n: i32, total: f64): f64 {
  fill_absent(operands);
  for (let i = 0; i < n; i += CHUNK) {
    const count = min(CHUNK, n - i);
    const bytes = bytes_of(count);
    bring_all(operands, i, count);
    log_values(Place.of(TARGET), A, bytes);
    total = losses_of_probabilities(count, total);
    take(operands, LOSSES, i, count);
    if (is_present(operands, GRAD)) {
      gradients(Place.of(TARGET), bytes);
      take(operands, GRAD, i, count);
    }
  }
  return total;
}

export function kl_divergence_log_target(operands: usize, n: i32, total: f64): f64 {
  fill_absent(operands);
  for (let i = 0; i < n; i += CHUNK) {
    const count = min(CHUNK, n - i);
    const bytes = bytes_of(count);
    bring_all(operands, i, count);
    exp_values(Place.of(TARGET), A, bytes);
    total = losses_of_logarithms(count, total);
    take(operands, LOSSES, i, count);
    if (is_present(operands, GRAD)) {
      gradients(A, bytes);
      take(operands, GRAD, i, count);
    }
  }
  return total;
}

function bring_all(operands: usize, i: i32, n: i32): void {
  bring(operands, INPUT, i, n);
  bring(operands, TARGET, i, n);
  bring(operands, SCALE, i, n);
}

/** From log p in A. */
function losses_of_probabilities(n: i32, total: f64): f64 {
  const bytes = bytes_of(n);
  const zero = f64x2.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const p = v128.load(Place.of(TARGET) + i);
    const own = v128.andnot(f64x2.mul(p, v128.load(A + i)), f64x2.eq(p, zero));
    const crossed = f64x2.mul(p, v128.load(Place.of(INPUT) + i));
    total = Place.take_losses(i, f64x2.sub(own, crossed), n, total);
  }
  return total;
}

/** From e^l in A. */
function losses_of_logarithms(n: i32, total: f64): f64 {
  const bytes = bytes_of(n);
  for (let i: usize = 0; i < bytes; i += 16) {
    const distance = f64x2.sub(v128.load(Place.of(TARGET) + i), v128.load(Place.of(INPUT) + i));
    total = Place.take_losses(i, f64x2.mul(v128.load(A + i), distance), n, total);
  }
  return total;
}

function gradients(probs: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) {
    const g = f64x2.mul(v128.load(Place.of(SCALE) + i), v128.load(probs + i));
    v128.store(Place.of(GRAD) + i, f64x2.neg(g));
  }
}
