/**
 * Log-sum-exp, log-softmax, softmax and their gradients:
 *
 *   lse = m + log1p(rest)      log p = (x - m) - log1p(rest)      p = e^(x - m) / (1 + rest)
 *   log-softmax:  dx = g - p · Σ g      softmax:  dx = p · (g - Σ g p)
 *
 * A row with NaN or +Infinity or nothing but -Infinity has NaN everywhere, but that log-sum-exp is +Infinity where that
 * is and no NaN, and -Infinity where nothing else is.
 */

import { size_of } from "../kinds";
import { exp_values } from "./exp";
import {
  exp_factor,
  fill,
  find_maxima,
  finish_sums,
  has_nan,
  LOG,
  MAX,
  REST,
  set_softcap,
  TOP,
  take_exponentials,
  turn_to,
} from "./rows";
import {
  capacity,
  combine,
  ownWidth,
  SECOND,
  spread,
  TILE,
  tile_begin,
  tile_load,
  tile_steps,
  tile_store,
  width,
} from "./tile";
import { narrow_each } from "./values";

/** Of the exponentials or the gradients, a number a lane. */
const FACTOR = memory.data(64, 16);

export function log_sum_exp_wide(
  x: usize,
  kind: i32,
  lse: usize,
  resultKind: i32,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
): void {
  set_softcap(0);
  for (let row = 0, count = 0; row < rows; row += count) {
    count = tile_begin(row, rows, classes, inner, stride);
    measure(x, kind, classes);
    for (let i: usize = 0; i < ownWidth; i += 16) {
      v128.store(FACTOR + i, f64x2.add(v128.load(MAX + i), v128.load(LOG + i)));
    }
    for (let lane = 0; lane < count; lane++) {
      const offset = (<usize>lane) << 3;
      const max = load<f64>(MAX + offset);
      if (abs(max) !== Infinity) continue;
      if (isNaN(load<f64>(REST + offset)) && !has_nan(x, kind, lane, classes)) store<f64>(FACTOR + offset, max);
    }
    narrow_each(FACTOR, 8, lse + <usize>row * size_of(resultKind), resultKind, size_of(resultKind), count);
  }
}

export function log_softmax_wide(
  x: usize,
  kind: i32,
  logProbs: usize,
  resultKind: i32,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
): void {
  set_softcap(0);
  for (let row = 0, count = 0; row < rows; row += count) {
    count = tile_begin(row, rows, classes, inner, stride);
    measure(x, kind, classes);
    spread(LOG);
    for (let first = 0; first < classes; first += capacity) {
      const n = min(capacity, classes - first);
      if (classes > capacity) turn_to(x, kind, classes, first, n);
      subtract_logarithms(tile_steps(n));
      tile_store(TILE, logProbs, resultKind, first, n);
    }
  }
}

export function softmax_wide(
  x: usize,
  kind: i32,
  probs: usize,
  resultKind: i32,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
): void {
  set_softcap(0);
  for (let row = 0, count = 0; row < rows; row += count) {
    count = tile_begin(row, rows, classes, inner, stride);
    measure(x, kind, classes);
    for (let i: usize = 0; i < ownWidth; i += 16) v128.store(FACTOR + i, exp_factor(i));
    spread(FACTOR);
    for (let first = 0; first < classes; first += capacity) {
      const n = min(capacity, classes - first);
      if (classes > capacity) {
        turn_to(x, kind, classes, first, n);
        take_exponentials(SECOND, n);
      }
      scale(SECOND, tile_steps(n), FACTOR);
      tile_store(SECOND, probs, resultKind, first, n);
    }
  }
}

export function log_softmax_backward_wide(
  gradOutput: usize,
  gradKind: i32,
  logProbs: usize,
  kind: i32,
  grad: usize,
  resultKind: i32,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
): void {
  for (let row = 0, count = 0; row < rows; row += count) {
    count = tile_begin(row, rows, classes, inner, stride);
    fill(FACTOR, 0);
    for (let first = 0; first < classes; first += capacity) {
      const n = min(capacity, classes - first);
      tile_load(TILE, gradOutput, gradKind, first, n, 0);
      add_all(tile_steps(n));
    }
    combine(FACTOR);
    spread(FACTOR);
    for (let first = 0; first < classes; first += capacity) {
      const n = min(capacity, classes - first);
      if (classes > capacity) tile_load(TILE, gradOutput, gradKind, first, n, 0);
      tile_load(SECOND, logProbs, kind, first, n, 0);
      exp_values(SECOND, SECOND, (<usize>tile_steps(n)) << 6);
      subtract_probabilities(tile_steps(n));
      tile_store(TILE, grad, resultKind, first, n);
    }
  }
}

export function softmax_backward_wide(
  gradOutput: usize,
  gradKind: i32,
  probs: usize,
  kind: i32,
  grad: usize,
  resultKind: i32,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
): void {
  for (let row = 0, count = 0; row < rows; row += count) {
    count = tile_begin(row, rows, classes, inner, stride);
    fill(FACTOR, 0);
    for (let first = 0; first < classes; first += capacity) {
      const n = min(capacity, classes - first);
      tile_load(TILE, gradOutput, gradKind, first, n, 0);
      tile_load(SECOND, probs, kind, first, n, 0);
      add_products(tile_steps(n));
    }
    combine(FACTOR);
    spread(FACTOR);
    for (let first = 0; first < classes; first += capacity) {
      const n = min(capacity, classes - first);
      if (classes > capacity) {
        tile_load(TILE, gradOutput, gradKind, first, n, 0);
        tile_load(SECOND, probs, kind, first, n, 0);
      }
      multiply_deviations(tile_steps(n));
      tile_store(TILE, grad, resultKind, first, n);
    }
  }
}

/** What rows.ts has of the rows. A single chunk stays in the tile, less the shift, and its exponentials in the second. */
function measure(x: usize, kind: i32, classes: i32): void {
  find_maxima(x, kind, classes);
  for (let first = 0; first < classes; first += capacity) {
    const n = min(capacity, classes - first);
    turn_to(x, kind, classes, first, n);
    take_exponentials(SECOND, n);
  }
  finish_sums(classes);
}

function subtract_logarithms(steps: i32): void {
  for (let i: usize = 0; i < width; i += 16) {
    const max = v128.load(TOP + i);
    const log = v128.load(LOG + i);
    const end = TILE + i + ((<usize>steps) << 6);
    for (let at = TILE + i; at < end; at += 64) {
      v128.store(at, f64x2.sub(f64x2.sub(v128.load(at), max), log));
    }
  }
}

/** Multiplies a tile by a factor a lane. */
export function scale(tile: usize, steps: i32, factors: usize): void {
  for (let i: usize = 0; i < width; i += 16) {
    const factor = v128.load(factors + i);
    const end = tile + i + ((<usize>steps) << 6);
    for (let at = tile + i; at < end; at += 64) v128.store(at, f64x2.mul(v128.load(at), factor));
  }
}

function add_all(steps: i32): void {
  for (let i: usize = 0; i < width; i += 16) {
    let sum = f64x2.splat(0);
    const end = TILE + i + ((<usize>steps) << 6);
    for (let at = TILE + i; at < end; at += 64) sum = f64x2.add(sum, v128.load(at));
    v128.store(FACTOR + i, f64x2.add(v128.load(FACTOR + i), sum));
  }
}

function add_products(steps: i32): void {
  for (let i: usize = 0; i < width; i += 16) {
    let sum = f64x2.splat(0);
    const end = i + ((<usize>steps) << 6);
    for (let at = i; at < end; at += 64) {
      sum = f64x2.add(sum, f64x2.mul(v128.load(TILE + at), v128.load(SECOND + at)));
    }
    v128.store(FACTOR + i, f64x2.add(v128.load(FACTOR + i), sum));
  }
}

function subtract_probabilities(steps: i32): void {
  for (let i: usize = 0; i < width; i += 16) {
    const sum = v128.load(FACTOR + i);
    const end = i + ((<usize>steps) << 6);
    for (let at = i; at < end; at += 64) {
      v128.store(TILE + at, f64x2.sub(v128.load(TILE + at), f64x2.mul(v128.load(SECOND + at), sum)));
    }
  }
}

function multiply_deviations(steps: i32): void {
  for (let i: usize = 0; i < width; i += 16) {
    const mean = v128.load(FACTOR + i);
    const end = i + ((<usize>steps) << 6);
    for (let at = i; at < end; at += 64) {
      v128.store(TILE + at, f64x2.mul(v128.load(SECOND + at), f64x2.sub(v128.load(TILE + at), mean)));
    }
  }
}
