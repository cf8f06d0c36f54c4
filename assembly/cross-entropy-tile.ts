/**
 * The cross-entropy of class targets, sixteen rows at a time: the same formulas as in cross-entropy.ts, on a lane a row,
 * over the arrays that tile.ts describes. `rows` counts outer · inner; targets, losses and scales hold one value a row.
 */
import { gradient_factor, miss, odds_against, target_gradient, target_loss } from "./cross-entropy";
import { LN2, LOG_KAPPA } from "./exp";
import {
  CHUNK,
  LANES,
  MAX,
  REFERENCE,
  SHIFT,
  SUM,
  TILE,
  tile_add,
  tile_begin,
  tile_clear,
  tile_exp,
  tile_load,
  tile_max,
  tile_place,
  tile_reference,
  tile_scale,
  tile_shift,
  tile_store,
  tile_subtract,
  width,
} from "./tile";
import { log1p, Wide } from "./wide";

// One number a lane: int32 targets with -1 where the row is ignored, and masks of those that are not; float32 logits of
// the targets, factors and gradients; float64 odds and losses, and masks of those that are ordinary numbers.
const TARGETS = memory.data(64, 16);
const KEPT = memory.data(64, 16);
const OWN = memory.data(64, 16);
const FACTORS = memory.data(64, 16);
const GRADIENTS = memory.data(64, 16);
const ODDS = memory.data(128, 16);
const LOSSES = memory.data(128, 16);
const ORDINARY = memory.data(128, 16);

// For smoothing: float64 sums of the logits, and what every class of a row's gradient is less by, in float32.
const SUM_OF_LOGITS = memory.data(128, 16);
const SHARES = memory.data(64, 16);

/**
 * `kind` is FLOAT32, FLOAT16 or BFLOAT16, and says what the logits are; `weights` is the place of one float64 a class, or
 * 0; `smoothing` is ε, not together with weights. A kept row's loss and gradient are those of
 *
 *   w_y (1 - ε) (lse - x_y) + ε (lse - Σ x / classes) + zLoss · lse²
 *
 * Returns `total` plus the losses, added in the rows' order.
 */
export function cross_entropy_forward_tile(
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
): f64 {
  const more = weights !== 0 || smoothing !== 0 || zLoss !== 0;
  for (let row = 0; row < rows; row += LANES) {
    const count = tile_begin(row, rows, classes, inner, stride);
    read_targets(targets + ((<usize>row) << 2), count, ignoreIndex);
    if (smoothing !== 0) sum_logits(logits, kind, classes);
    take_exponentials(logits, kind, classes, read_maxima(logits, kind, classes));
    compute_losses();
    if (more) add_terms(weights, smoothing, zLoss, classes);
    total = write_losses(losses + ((<usize>row) << 2), count, total);
  }
  return total;
}

/** The same, and with it the gradient of Σ scale · loss. `grad` may be the logits where these are float32. */
export function cross_entropy_forward_backward_tile(
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
): f64 {
  const more = weights !== 0 || smoothing !== 0 || zLoss !== 0;
  for (let row = 0; row < rows; row += LANES) {
    const count = tile_begin(row, rows, classes, inner, stride);
    read_targets(targets + ((<usize>row) << 2), count, ignoreIndex);
    if (smoothing !== 0) sum_logits(logits, kind, classes);
    const shifted = read_maxima(logits, kind, classes);
    take_exponentials(logits, kind, classes, shifted);
    compute_losses();
    compute_factors(scales + <usize>row * scaleStride, count, scaleStride);
    if (more) {
      add_terms_to_gradients(scales + <usize>row * scaleStride, count, scaleStride, weights, smoothing, zLoss, classes);
      add_terms(weights, smoothing, zLoss, classes);
    }
    for (let first = 0; first < classes; first += CHUNK) {
      const n = min(CHUNK, classes - first);
      if (classes > CHUNK) {
        tile_load(TILE, logits, kind, first, n);
        if (shifted) tile_shift(n);
        tile_exp(n);
      }
      tile_scale(n, FACTORS, KEPT);
      if (smoothing !== 0) tile_subtract(n, SHARES, KEPT);
      put_at_targets(GRADIENTS, first, n);
      tile_store(TILE, grad, first, n);
    }
    total = write_losses(losses + ((<usize>row) << 2), count, total);
  }
  return total;
}

/** The targets of the tile's rows; their logits are 0 until they are found. */
function read_targets(targets: usize, count: i32, ignoreIndex: i32): void {
  for (let lane = 0; lane < <i32>(width >> 2); lane++) {
    const offset = (<usize>lane) << 2;
    const target = lane < count ? load<i32>(targets + offset) : ignoreIndex;
    const kept = target !== ignoreIndex;
    store<i32>(TARGETS + offset, kept ? target : -1);
    store<i32>(KEPT + offset, kept ? -1 : 0);
    store<f32>(OWN + offset, 0);
  }
}

/** Σ x of each row */
function sum_logits(logits: usize, kind: i32, classes: i32): void {
  memory.fill(SUM_OF_LOGITS, 0, 128);
  for (let first = 0; first < classes; first += CHUNK) {
    const n = min(CHUNK, classes - first);
    tile_load(TILE, logits, kind, first, n);
    tile_add(n, SUM_OF_LOGITS);
  }
}

/** The maxima of the others, and with them the references; whether there is a shift. A single chunk stays in the tile. */
function read_maxima(logits: usize, kind: i32, classes: i32): bool {
  tile_clear();
  for (let first = 0; first < classes; first += CHUNK) {
    const n = min(CHUNK, classes - first);
    load_others(logits, kind, first, n);
    tile_max(n);
  }
  return tile_reference();
}

/** The exponentials of the others and their sums. A single chunk of them stays in the tile. */
function take_exponentials(logits: usize, kind: i32, classes: i32, shifted: bool): void {
  for (let first = 0; first < classes; first += CHUNK) {
    const n = min(CHUNK, classes - first);
    if (classes > CHUNK) load_others(logits, kind, first, n);
    if (shifted) tile_shift(n);
    tile_exp(n);
  }
}

/** A chunk with -Infinity in place of the targets, whose logits are kept. */
function load_others(logits: usize, kind: i32, first: i32, n: i32): void {
  tile_load(TILE, logits, kind, first, n);
  for (let lane = 0; lane < <i32>(width >> 2); lane++) {
    const offset = (<usize>lane) << 2;
    const place = tile_place(TILE, lane, load<i32>(TARGETS + offset), first, n);
    if (place === 0) continue;
    store<f32>(OWN + offset, load<f32>(place));
    store<f32>(place, -Infinity);
  }
}

function put_at_targets(values: usize, first: i32, n: i32): void {
  for (let lane = 0; lane < <i32>(width >> 2); lane++) {
    const offset = (<usize>lane) << 2;
    const place = tile_place(TILE, lane, load<i32>(TARGETS + offset), first, n);
    if (place !== 0) store<f32>(place, load<f32>(values + offset));
  }
}

/**
 * Odds and losses, two lanes at a time; afterwards those that are no ordinary numbers anew, by the formulas for one. Two
 * short loops: the processor works on several turns of each at once.
 */
function compute_losses(): void {
  const ln2 = f64x2.splat(LN2);
  const kappa = f64x2.splat(LOG_KAPPA);
  const bound = f64x2.splat(600);
  let ordinary = i64x2.splat(-1);
  for (let pair: usize = 0; pair < width >> 3; pair++) {
    const narrow = pair << 3;
    const wide = pair << 4;
    const reference = f64x2.sub(f64x2.mul(Wide.load(REFERENCE + narrow), ln2), kappa);
    const u = f64x2.add(f64x2.sub(Wide.load(SHIFT + narrow), Wide.load(OWN + narrow)), reference);
    const here = f64x2.le(f64x2.abs(u), bound);
    v128.store(ORDINARY + wide, here);
    ordinary = v128.and(ordinary, here);
    v128.store(ODDS + wide, f64x2.mul(v128.load(SUM + wide), Wide.exp(u)));
  }
  for (let wide: usize = 0; wide < width << 1; wide += 16) {
    v128.store(LOSSES + wide, Wide.log1p(v128.load(ODDS + wide)));
  }
  if (!i64x2.all_true(ordinary)) {
    for (let lane: usize = 0; lane < width >> 2; lane++)
      if (load<i64>(ORDINARY + (lane << 3)) === 0) compute_loss(lane);
  }
}

function compute_loss(lane: usize): void {
  const max = load<f32>(MAX + (lane << 2));
  const own = load<f32>(OWN + (lane << 2));
  const sum = load<f64>(SUM + (lane << 3));
  const odds = odds_against(max, sum, own);
  store<f64>(ODDS + (lane << 3), odds);
  store<f64>(LOSSES + (lane << 3), target_loss(odds, max, sum, own));
}

/** What the others' exponentials are multiplied by, and the gradients at the targets: scale · (1 - p_y), negated. */
function compute_factors(scales: usize, count: i32, scaleStride: usize): void {
  const one = f64x2.splat(1);
  for (let pair = 0; pair < <i32>(width >> 3); pair++) {
    const wide = (<usize>pair) << 4;
    const narrow = (<usize>pair) << 3;
    // Lanes without a row take the first one's scale.
    const low = 2 * pair < count ? scales + <usize>(2 * pair) * scaleStride : scales;
    const high = 2 * pair + 1 < count ? scales + <usize>(2 * pair + 1) * scaleStride : scales;
    const scale = f64x2.replace_lane(f64x2.splat(load<f64>(low)), 1, load<f64>(high));
    const odds = v128.load(ODDS + wide);
    const sum = v128.load(SUM + wide);
    const error = f64x2.mul(scale, f64x2.div(one, f64x2.add(one, f64x2.div(one, odds))));
    const divisor = v128.bitselect(one, sum, f64x2.eq(sum, f64x2.splat(0)));
    Wide.store(FACTORS + narrow, f64x2.div(error, divisor));
    Wide.store(GRADIENTS + narrow, f64x2.sub(f64x2.splat(0), error));
  }
}

/** Writes the losses of the tile's rows; returns `total` plus their sum, added in the rows' order. */
function write_losses(losses: usize, count: i32, total: f64): f64 {
  for (let lane = 0; lane < count; lane++) {
    const offset = (<usize>lane) << 2;
    const loss = load<i32>(KEPT + offset) !== 0 ? load<f64>(LOSSES + (offset << 1)) : 0;
    store<f32>(losses + offset, <f32>loss);
    total += loss;
  }
  return total;
}

/** A lane's own weight: the class weight of its target, or 1. */
function weight_of_lane(weights: usize, lane: usize): f64 {
  const target = load<i32>(TARGETS + (lane << 2));
  return weights !== 0 && target >= 0 ? load<f64>(weights + ((<usize>target) << 3)) : 1;
}

/** log Σ e^x over all classes: the target's logit and the loss, or where the others are more, theirs and what it adds. */
function log_sum_exp_of_lane(lane: usize): f64 {
  const odds = load<f64>(ODDS + (lane << 3));
  const own = load<f32>(OWN + (lane << 2));
  if (odds < 1) return <f64>own + log1p(odds);
  return target_loss(Infinity, load<f32>(MAX + (lane << 2)), load<f64>(SUM + (lane << 3)), 0) + log1p(1 / odds);
}

/**
 * Weighs the losses, shares ε of each among all classes, whose mean loss is lse - Σ x / classes, and adds z · lse².
 * Follows `add_terms_to_gradients`, which rests on the same odds.
 */
function add_terms(weights: usize, smoothing: f64, zLoss: f64, classes: i32): void {
  for (let lane: usize = 0; lane < width >> 2; lane++) {
    let loss = load<f64>(LOSSES + (lane << 3)) * weight_of_lane(weights, lane);
    if (smoothing !== 0) {
      const own = <f64>load<f32>(OWN + (lane << 2));
      const mean = load<f64>(SUM_OF_LOGITS + (lane << 3)) / <f64>classes;
      // Where the target is masked, the loss is Infinity already, and so is the mean's.
      const share = own > -Infinity ? loss + (own - mean) : loss;
      loss = (1 - smoothing) * loss + smoothing * share;
    }
    if (zLoss !== 0) {
      const lse = log_sum_exp_of_lane(lane);
      loss += zLoss * lse * lse;
    }
    store<f64>(LOSSES + (lane << 3), loss);
  }
}

/** With T = w + 2z · lse: scale · (p_j · T - ε / C), and ε (1 - 1 / C) - (1 - p) · w + 2z · lse · p at the target. */
function add_terms_to_gradients(
  scales: usize,
  count: i32,
  scaleStride: usize,
  weights: usize,
  smoothing: f64,
  zLoss: f64,
  classes: i32,
): void {
  for (let lane: usize = 0; lane < width >> 2; lane++) {
    const scale = load<f64>(<i32>lane < count ? scales + lane * scaleStride : scales);
    const odds = load<f64>(ODDS + (lane << 3));
    const sum = load<f64>(SUM + (lane << 3));
    const weight = weight_of_lane(weights, lane);
    const slope = zLoss === 0 ? 0 : 2 * zLoss * log_sum_exp_of_lane(lane);
    const share = smoothing / <f64>classes;
    const missed = miss(odds);
    const gradient = smoothing - share - missed * weight + slope / (1 + odds);
    store<f32>(FACTORS + (lane << 2), gradient_factor(scale * (weight + slope) * missed, sum));
    store<f32>(SHARES + (lane << 2), <f32>(scale * share));
    store<f32>(GRADIENTS + (lane << 2), target_gradient(-scale * gradient));
  }
}
