/**
 * The cross-entropy of class targets, sixteen rows at a time: the same formulas as in cross-entropy.ts, on a lane a row,
 * over the arrays that tile.ts describes. `rows` counts outer · inner; targets, losses and scales hold one value a row.
 */
import { odds_against, target_loss } from "./cross-entropy";
import { LN2, LOG_KAPPA } from "./exp";
import {
  CHUNK,
  LANES,
  MAX,
  REFERENCE,
  SHIFT,
  SUM,
  TILE,
  tile_begin,
  tile_clear,
  tile_exp,
  tile_lane,
  tile_load,
  tile_max,
  tile_place,
  tile_reference,
  tile_scale,
  tile_shift,
  tile_store,
  width,
} from "./tile";
import { Wide } from "./wide";

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

export function cross_entropy_forward_tile(
  logits: usize,
  targets: usize,
  losses: usize,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
  ignoreIndex: i32,
  total: f64,
): f64 {
  for (let row = 0; row < rows; row += LANES) {
    const count = tile_begin(row, rows, classes, inner, stride);
    read_targets(logits, targets + ((<usize>row) << 2), count, ignoreIndex);
    take_exponentials(logits, classes, read_maxima(logits, classes));
    compute_losses();
    total = write_losses(losses + ((<usize>row) << 2), count, total);
  }
  return total;
}

export function cross_entropy_forward_backward_tile(
  logits: usize,
  targets: usize,
  scales: usize,
  losses: usize,
  grad: usize,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
  ignoreIndex: i32,
  scaleStride: usize,
  total: f64,
): f64 {
  for (let row = 0; row < rows; row += LANES) {
    const count = tile_begin(row, rows, classes, inner, stride);
    read_targets(logits, targets + ((<usize>row) << 2), count, ignoreIndex);
    const shifted = read_maxima(logits, classes);
    take_exponentials(logits, classes, shifted);
    compute_losses();
    compute_factors(scales + <usize>row * scaleStride, count, scaleStride);
    for (let first = 0; first < classes; first += CHUNK) {
      const n = min(CHUNK, classes - first);
      if (classes > CHUNK) {
        tile_load(TILE, logits, first, n);
        if (shifted) tile_shift(n);
        tile_exp(n);
      }
      tile_scale(n, FACTORS, KEPT);
      put_at_targets(GRADIENTS, first, n);
      tile_store(TILE, grad, first, n);
    }
    total = write_losses(losses + ((<usize>row) << 2), count, total);
  }
  return total;
}

/** The targets of the tile's rows, and their logits. */
function read_targets(logits: usize, targets: usize, count: i32, ignoreIndex: i32): void {
  for (let lane = 0; lane < <i32>(width >> 2); lane++) {
    const offset = (<usize>lane) << 2;
    const target = lane < count ? load<i32>(targets + offset) : ignoreIndex;
    const kept = target !== ignoreIndex;
    store<i32>(TARGETS + offset, kept ? target : -1);
    store<i32>(KEPT + offset, kept ? -1 : 0);
    store<f32>(OWN + offset, kept ? load<f32>(tile_lane(logits, lane, target)) : 0);
  }
}

/** The maxima of the others, and with them the references; whether there is a shift. A single chunk stays in the tile. */
function read_maxima(logits: usize, classes: i32): bool {
  tile_clear();
  for (let first = 0; first < classes; first += CHUNK) {
    const n = min(CHUNK, classes - first);
    load_others(logits, first, n);
    tile_max(n);
  }
  return tile_reference();
}

/** The exponentials of the others and their sums. A single chunk of them stays in the tile. */
function take_exponentials(logits: usize, classes: i32, shifted: bool): void {
  for (let first = 0; first < classes; first += CHUNK) {
    const n = min(CHUNK, classes - first);
    if (classes > CHUNK) load_others(logits, first, n);
    if (shifted) tile_shift(n);
    tile_exp(n);
  }
}

/** A chunk with -Infinity in place of the targets. */
function load_others(logits: usize, first: i32, n: i32): void {
  tile_load(TILE, logits, first, n);
  for (let lane = 0; lane < <i32>(width >> 2); lane++) {
    const place = tile_place(TILE, lane, load<i32>(TARGETS + ((<usize>lane) << 2)), first, n);
    if (place !== 0) store<f32>(place, -Infinity);
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
