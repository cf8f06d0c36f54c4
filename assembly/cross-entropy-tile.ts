/**
 * The cross-entropy of class targets, a tile of rows at a time: the same formulas as in cross-entropy.ts, over the arrays
 * that tile.ts describes. `rows` counts outer · inner; targets, losses and scales hold one value a row.
 */
import { row_cross_entropy } from "./cross-entropy";
import {
  chunk,
  count,
  isAgain,
  isHopeless,
  long,
  ONLY_SUMS,
  row_bring,
  row_kind,
  row_out,
  row_take,
  tile_again,
  tile_again_but_for_done,
  tile_begin,
} from "./tile";
import { ROOM_FOR_TARGETS, tile_exp, tile_expect, tile_refer } from "./tile-exp";
import { compute_gradients, compute_gradients_of_terms, write_gradients } from "./tile-gradients";
import { long_sums_of_others } from "./tile-long";
import { add_losses, compute_means } from "./tile-losses";
import { compute_odds, invert_targets, set_aside } from "./tile-odds";
import { tile_sum } from "./tile-sum";
import { leave_out, read_targets } from "./tile-targets";
import { finish } from "./waiting";

/**
 * `kind` is FLOAT32, FLOAT16 or BFLOAT16, and says what the logits are; `weights` is the place of one float64 a class, or
 * 0; `losses` is 0 where only their sum is wanted; `smoothing` is ε, not together with weights; `spare` has room for two
 * rows of float32, unless their classes are neighbours. A kept row's loss and gradient are those of
 *
 *   w_y (1 - ε) (lse - x_y) + ε (lse - Σ x / classes) + zLoss · lse²
 *
 * Returns `total` plus the losses.
 */
export function cross_entropy_forward(
  logits: usize,
  kind: i32,
  targets: usize,
  weights: usize,
  losses: usize,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
  ignoreIndex: i32,
  smoothing: f64,
  zLoss: f64,
  total: f64,
  spare: usize,
): f64 {
  const isPlain = weights === 0 && smoothing === 0 && zLoss === 0;
  tile_expect(0);
  for (let row = 0; row < rows; row += count) {
    if (!tile_begin(row, rows - row, classes, inner, stride, ONLY_SUMS)) continue;
    const y = targets + ((<usize>row) << 2);
    const l = losses === 0 ? 0 : losses + ((<usize>row) << 2);
    const isGood = !isHopeless && take(logits, kind, y, classes, ignoreIndex, smoothing !== 0, 0);
    if (isGood || !isAgain) {
      if (!isGood) set_aside();
      total = add_losses(y, weights, l, isPlain, smoothing, zLoss, total);
      if (!isGood) tile_again_but_for_done();
    } else {
      const x = row_bring(logits, kind, classes, spare);
      total += row_cross_entropy(x, row_kind(kind), y, weights, 0, l, 0, classes, smoothing, zLoss);
    }
  }
  return total;
}

/** The same, and with it the gradient of Σ scale · loss, in `grad`, which is apart from the logits. */
export function cross_entropy_forward_backward(
  logits: usize,
  kind: i32,
  targets: usize,
  weights: usize,
  scales: usize,
  losses: usize,
  grad: usize,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
  ignoreIndex: i32,
  scaleStride: usize,
  smoothing: f64,
  zLoss: f64,
  total: f64,
  spare: usize,
): f64 {
  const isPlain = weights === 0 && smoothing === 0 && zLoss === 0;
  tile_expect(grad);
  for (let row = 0; row < rows; row += count) {
    if (!tile_begin(row, rows - row, classes, inner, stride, grad)) continue;
    const y = targets + ((<usize>row) << 2);
    const l = losses === 0 ? 0 : losses + ((<usize>row) << 2);
    const s = scales + <usize>row * scaleStride;
    const isGood = !isHopeless && take(logits, kind, y, classes, ignoreIndex, smoothing !== 0, grad);
    if (isGood || !isAgain) {
      if (!isGood) set_aside();
      const sum = add_losses(y, weights, l, isPlain, smoothing, zLoss, total);
      const isWritten = isPlain
        ? compute_gradients(s, scaleStride)
        : compute_gradients_of_terms(y, weights, s, scaleStride, classes, smoothing, zLoss);
      if (isWritten) {
        total = sum;
        write_gradients(logits, kind, grad, classes, smoothing !== 0);
        if (!isGood) {
          // Among what waits are rows that come again.
          finish();
          tile_again_but_for_done();
        }
        continue;
      }
    }
    if (!isAgain) {
      tile_again();
    } else {
      const x = row_bring(logits, kind, classes, spare);
      const dx = row_out(grad, classes, spare);
      total += row_cross_entropy(x, row_kind(kind), y, weights, s, l, dx, classes, smoothing, zLoss);
      row_take(grad, classes, dx);
    }
  }
  finish();
  return total;
}

/**
 * Takes the exponentials of the others, which stay if the tile holds all, or of long rows in `grad` unless it is 0; and the
 * odds; whether these are good.
 */
function take(
  logits: usize,
  kind: i32,
  targets: usize,
  classes: i32,
  ignoreIndex: i32,
  smooth: bool,
  grad: usize,
): bool {
  const reference = read_targets(logits, kind, targets, classes, ignoreIndex);
  if (smooth) compute_means(logits, kind, classes);
  tile_refer(reference, ROOM_FOR_TARGETS);
  if (long) {
    invert_targets();
    long_sums_of_others(logits, kind, targets, grad);
    finish();
    return compute_odds();
  }
  for (let first = 0; first < classes; first += chunk) {
    const n = min(chunk, classes - first);
    tile_exp(logits, kind, first, n);
    leave_out(first, n);
    // In between, what was left out gets to where it can be read together with what it was left out of.
    if (first === 0) invert_targets();
    tile_sum(first, n);
  }
  return compute_odds();
}
