/**
 * Log-softmax, softmax and log-sum-exp, a tile of rows at a time: the same formulas as in log-softmax.ts, over the arrays
 * that tile.ts describes. `rows` counts outer · inner; `spare` has room for two rows of float32, unless their
 * classes are neighbours.
 */
import { LOG_KAPPA, unit_of } from "./exp";
import { row_max, row_top } from "./exp-row";
import { size_of } from "./half";
import { FLOAT32 } from "./kinds";
import { log_softmax_of_row, row_log_sum_exp, softmax_of_row, subtract } from "./log-softmax";
import {
  array_step,
  chunk,
  count,
  DONE,
  holds_all,
  isAgain,
  long,
  ONLY_SUMS,
  place,
  row_bring,
  row_kind,
  row_out,
  row_take,
  STATES,
  stretch_of,
  tile_begin,
} from "./tile";
import { exponent, ROOM_FOR_MAXIMA, tile_exp, tile_expect, tile_refer } from "./tile-exp";
import { long_sums, row_place } from "./tile-long";
import { tile_scale, tile_subtract } from "./tile-scale";
import { SUMS, tile_far_again, tile_is_near, tile_sum } from "./tile-sum";
import { finish, let_wait } from "./waiting";
import { Wide } from "./wide";

// One number a row: what is taken off its logits, in two parts, or what its values are multiplied by.
const NUMBERS = memory.data(4112, 16);
const RESTS = memory.data(4112, 16);

export function log_sum_exp_forward(
  logits: usize,
  kind: i32,
  lse: usize,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
  spare: usize,
): void {
  tile_expect(0);
  for (let row = 0; row < rows; row += count) {
    if (!tile_begin(row, rows - row, classes, inner, stride, ONLY_SUMS)) continue;
    const to = lse + ((<usize>row) << 2);
    if (take(logits, kind, classes, spare, 0)) {
      compute_logarithms();
      memory.copy(to, NUMBERS, (<usize>count) << 2);
    } else if (!isAgain) {
      compute_logarithms();
      const bytes = (<usize>count) << 2;
      tile_far_again();
      // A row's only logit may be where its result goes: if the row comes again, it has to stay.
      for (let q: usize = 0; q < bytes; q += 4) {
        if (load<i32>(q, STATES) === DONE) store<f32>(to + q, load<f32>(q, NUMBERS));
      }
    } else {
      const x = row_bring(logits, kind, classes, spare);
      store<f32>(to, row_log_sum_exp(x, row_kind(kind), classes));
    }
  }
}

export function log_softmax_forward(
  logits: usize,
  kind: i32,
  logProbs: usize,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
  spare: usize,
): void {
  tile_expect(logProbs);
  for (let row = 0; row < rows; row += count) {
    if (!tile_begin(row, rows - row, classes, inner, stride, 0)) continue;
    const isNear = take(logits, kind, classes, spare, 0);
    if (isNear || !isAgain) {
      compute_logarithms();
      subtract_logarithms(logits, kind, logProbs, classes);
      if (!isNear) tile_far_again();
    } else {
      const x = row_bring(logits, kind, classes, spare);
      const y = row_out(logProbs, classes, spare);
      log_softmax_of_row(x, row_kind(kind), y, classes);
      row_take(logProbs, classes, y);
    }
  }
}

export function softmax_forward(
  logits: usize,
  kind: i32,
  probs: usize,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
  spare: usize,
): void {
  tile_expect(probs);
  for (let row = 0; row < rows; row += count) {
    if (!tile_begin(row, rows - row, classes, inner, stride, probs)) continue;
    const isNear = take(logits, kind, classes, spare, probs);
    if (isNear || !isAgain) {
      compute_factors();
      scale_by_factors(logits, kind, probs, classes);
      if (!isNear) {
        // Among what waits are rows that come again.
        finish();
        tile_far_again();
      }
    } else {
      const x = row_bring(logits, kind, classes, spare);
      const y = row_out(probs, classes, spare);
      softmax_of_row(x, row_kind(kind), y, classes);
      row_take(probs, classes, y);
    }
  }
  finish();
}

/**
 * Takes the exponentials, which stay if the tile holds all, or of long rows in `probs` unless it is 0; and their sums; whether
 * these are within bounds.
 */
function take(logits: usize, kind: i32, classes: i32, spare: usize, probs: usize): bool {
  const top = isAgain
    ? row_max(row_bring(logits, kind, classes, spare), row_kind(kind), classes)
    : row_top(place(logits, size_of(kind), 0), kind, stretch_of(min(chunk, classes)));
  tile_refer(top, ROOM_FOR_MAXIMA);
  if (long) {
    long_sums(logits, kind, probs);
    finish();
    return tile_is_near();
  }
  for (let first = 0; first < classes; first += chunk) {
    const n = min(chunk, classes - first);
    tile_exp(logits, kind, first, n);
    tile_sum(first, n);
  }
  return tile_is_near();
}

/** The rows' log-sum-exp as float32, by the ln 2 that the exponentials amount to, and what that rounds off. */
function compute_logarithms(): void {
  const kappa = f64x2.splat(LOG_KAPPA);
  const ln2 = Wide.turn();
  const scale = f64x2.splat(unit_of(exponent));
  const magic = Wide.magic();
  const one = Wide.one();
  const two = Wide.two();
  const k0 = Wide.artanh(0);
  const k1 = Wide.artanh(1);
  const k2 = Wide.artanh(2);
  const k3 = Wide.artanh(3);
  const rootHalf = Wide.root_half();
  const low52 = Wide.low52();
  for (let q: usize = 0; q < (<usize>count) << 2; q += 8) {
    const sum = f64x2.mul(scale, v128.load(q << 1, SUMS));
    const lse = f64x2.sub(Wide.log_with(sum, ln2, magic, one, two, k0, k1, k2, k3, rootHalf, low52), kappa);
    const rounded = f32x4.demote_f64x2_zero(lse);
    v128.store_lane<i64>(NUMBERS + q, rounded, 0);
    Wide.store(RESTS + q, f64x2.sub(lse, f64x2.promote_low_f32x4(rounded)));
  }
}

/** 1 / sum */
function compute_factors(): void {
  const one = Wide.one();
  for (let q: usize = 0; q < (<usize>count) << 2; q += 8) {
    Wide.store(NUMBERS + q, f64x2.div(one, v128.load(q << 1, SUMS)));
  }
}

/** min(x - lse, 0), the two parts of lse taken off one after the other, as in `row_log_softmax`. */
function subtract_logarithms(logits: usize, kind: i32, logProbs: usize, classes: i32): void {
  if (long) {
    for (let row = 0; row < count; row++) {
      const q = (<usize>row) << 2;
      const to = row_place(logProbs, FLOAT32, row);
      subtract(row_place(logits, kind, row), kind, to, classes, load<f32>(q, NUMBERS), load<f32>(q, RESTS));
    }
    return;
  }
  for (let first = 0; first < classes; first += chunk) {
    const n = min(chunk, classes - first);
    tile_subtract(logits, kind, NUMBERS, RESTS, 0, place(logProbs, 4, first), array_step(), first, n);
  }
}

/** Long rows have their exponentials in their places already, where these wait. */
function scale_by_factors(logits: usize, kind: i32, probs: usize, classes: i32): void {
  if (long) {
    let_wait(place(probs, 4, 0), count, classes, NUMBERS, 0, 0);
    return;
  }
  for (let first = 0; first < classes; first += chunk) {
    const n = min(chunk, classes - first);
    if (!holds_all(classes)) tile_exp(logits, kind, first, n);
    tile_scale(NUMBERS, 0, probs, first, n);
  }
}
