/** The losses of a tile's rows. */
import { mean_above, row_loss, weight_of } from "./cross-entropy";
import { Lanes } from "./lanes";
import { between, chunk, count, held, long } from "./tile";
import { row_place } from "./tile-long";
import { ODDS } from "./tile-odds";
import { tile_subtract, ZEROS } from "./tile-scale";
import { SUMS, tile_sum } from "./tile-sum";
import { KEPT, OWN } from "./tile-targets";
import { Wide } from "./wide";

// One float64 a row: the losses, and the means of the logits less the target's.
export const LOSSES = memory.data(8208, 16);
const MEANS = memory.data(8208, 16);

/** Σ (x - x_y) / classes */
export function compute_means(logits: usize, kind: i32, classes: i32): void {
  if (long) {
    for (let row = 0; row < count; row++) {
      const mean = mean_above(row_place(logits, kind, row), kind, classes, load<f32>((<usize>row) << 2, OWN));
      store<f64>((<usize>row) << 3, mean, MEANS);
    }
    return;
  }
  for (let first = 0; first < classes; first += chunk) {
    const n = min(chunk, classes - first);
    tile_subtract(logits, kind, OWN, ZEROS, Infinity, held(first), between, first, n);
    tile_sum(first, n);
  }
  const divisor = f64x2.splat(<f64>classes);
  for (let q: usize = 0; q < (<usize>count) << 3; q += 16) {
    v128.store(q, f64x2.div(v128.load(q, SUMS), divisor), MEANS);
  }
}

/**
 * Σ log(1 + odds): with a + b + ab, the odds against one or the other of two targets, sixteen rows make one, as exact as each
 * of them and at most 2^641, and need one logarithm.
 */
function sum_of_losses(): f64 {
  // A call of one row would feel the others looked for.
  if (count <= 2) return Lanes.sum_f64(Wide.log1p(v128.load(0, ODDS)));
  const zero = Lanes.zero();
  let sum = zero;
  for (let q: usize = 0; q < (<usize>count) << 3; ) {
    let odds = zero;
    for (const end = min(q + 256, (<usize>count) << 3); q < end; q += 64) {
      const a = Wide.either(v128.load(q, ODDS), v128.load(q, ODDS + 16));
      const b = Wide.either(v128.load(q, ODDS + 32), v128.load(q, ODDS + 48));
      odds = Wide.either(odds, Wide.either(a, b));
    }
    sum = f64x2.add(sum, Wide.log1p(odds));
  }
  return Lanes.sum_f64(sum);
}

/** Writes the losses, unless `losses` is 0; returns `total` plus their sum. */
export function add_losses(
  targets: usize,
  weights: usize,
  losses: usize,
  isPlain: bool,
  smoothing: f64,
  zLoss: f64,
  total: f64,
): f64 {
  if (isPlain && losses === 0 && !long) return total + sum_of_losses();
  for (let q: usize = 0; q < (<usize>count) << 3; q += 16) {
    v128.store(q, Wide.log1p(v128.load(q, ODDS)), LOSSES);
  }
  for (let q: usize = 0; q < (<usize>count) << 2; q += 4) {
    let loss: f64 = 0;
    if (load<i32>(q, KEPT) < 0) {
      loss = load<f64>(q << 1, LOSSES);
      if (!isPlain) {
        const lse = <f64>load<f32>(q, OWN) + loss;
        const weight = weight_of(weights, load<i32>(targets + q));
        loss = row_loss(loss, load<f64>(q << 1, MEANS), lse, weight, smoothing, zLoss);
        // What is written of the gradient needs it.
        store<f64>(q << 1, lse, LOSSES);
      }
    }
    if (losses !== 0) store<f32>(losses + q, <f32>loss);
    total += loss;
  }
  return total;
}
