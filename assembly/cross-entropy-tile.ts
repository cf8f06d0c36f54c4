/**
 * The cross-entropy of class targets, a tile of rows at a time: the same formulas as in cross-entropy.ts, over the arrays
 * that tile.ts describes. `rows` counts outer · inner; targets, losses and scales hold one value a row.
 */
import {
  cross_entropy_forward,
  cross_entropy_forward_backward,
  error_of_others,
  error_of_target,
  row_factor,
  row_loss,
  target_gradient,
  weight_of,
} from "./cross-entropy";
import { INVERSE_KAPPA, LN2 } from "./exp";
import { size_of } from "./half";
import { FLOAT32 } from "./kinds";
import { Lanes } from "./lanes";
import {
  along,
  between,
  chunk,
  classStride,
  count,
  DONE,
  held,
  holds_all,
  place,
  positions,
  row_bring,
  row_kind,
  row_out,
  row_take,
  TILE,
  tile_again,
  tile_again_but_for_done,
  tile_begin,
  whole,
} from "./tile";
import { tile_exp, tile_refer, unit } from "./tile-exp";
import { tile_less, tile_scale, tile_scale_offset } from "./tile-scale";
import { SUMS, tile_sum } from "./tile-sum";
import { Wide } from "./wide";
import { widen } from "./widen";

// One number a row: where its target is, or class 0 where it is ignored, in bytes from the tile's first logit in an array
// of float32, and in the tile; masks of the rows that are not ignored, or ASIDE; and in float32 the targets' logits and gradients,
// and what the others' exponentials are multiplied by and what is added.
const AT = memory.data(4112, 16);
const IN_TILE = memory.data(4112, 16);
const KEPT = memory.data(4112, 16);
const OWN = memory.data(4112, 16);
const HALVES = memory.data(2064, 16);
const GRADIENTS = memory.data(4112, 16);
const FACTORS = memory.data(4112, 16);
const OFFSETS = memory.data(4112, 16);

// In float64: the odds against the targets, with zeros behind the last up to sixteen rows, the inverse of the targets'
// exponentials, the losses, and the means of the logits less the targets'.
const ODDS = memory.data(8320, 16);
const INVERSES = memory.data(8208, 16);
const LOSSES = memory.data(8208, 16);
const MEANS = memory.data(8208, 16);

/** A row that is not within bounds, and comes again. */
const ASIDE: i32 = 1;

const LANE = memory.data<i32>([0, 1, 2, 3], 16);

// Bounds, as the upper words of their float64.

/**
 * Rows with other odds than from 2^-80 to 2^50 are left to the kernels for whole rows. Those with such odds are, by
 * themselves, within all other bounds: it makes no difference to a row whether it is taken with others or set aside.
 */
const LEAST_ODDS: i32 = 0x3af00000;
const LARGEST_ODDS: i32 = 0x43100000;

/**
 * Of the sum of all, the one or the other part is at least 2^8, the target's where its inverse is less than 2^-8: what is
 * flushed, less than 2^-126, does not count beside it, nor beside the sum of the others, which with these odds is at least
 * 2^-72. Both are less than 2^108: what exponentials are multiplied by is seldom less than a normal float32.
 */
const LEAST_OF_ALL: i32 = 0x40700000;
const MOST_OF_INVERSE: i32 = 0x3f6fffff;
const LEAST_OF_INVERSE: i32 = 0x39300000;
const LARGEST: i32 = 0x46b00000;

const MIN_NORMAL: f64 = 1.1754943508222875e-38;
const MIN_NORMAL_WORD: i32 = 0x38100000;

/**
 * `kind` is FLOAT32, FLOAT16 or BFLOAT16, and says what the logits are; `weights` is the place of one float64 a class, or
 * 0; `losses` is 0 where only their sum is wanted; `smoothing` is ε, not together with weights; `spare` has room for two
 * rows of float32, unless their classes are neighbours. A kept row's loss and gradient are those of
 *
 *   w_y (1 - ε) (lse - x_y) + ε (lse - Σ x / classes) + zLoss · lse²
 *
 * Returns `total` plus the losses.
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
  spare: usize,
): f64 {
  const isPlain = weights === 0 && smoothing === 0 && zLoss === 0;
  for (let row = 0; row < rows; row += count) {
    if (!tile_begin(row, rows - row, classes, inner, stride, 0)) continue;
    const y = targets + ((<usize>row) << 2);
    const l = losses === 0 ? 0 : losses + ((<usize>row) << 2);
    const isGood = take(logits, kind, y, classes, ignoreIndex, smoothing !== 0);
    if (isGood || count > 1) {
      if (!isGood) set_aside();
      total = add_losses(y, weights, l, isPlain, smoothing, zLoss, total);
      if (!isGood) tile_again_but_for_done();
    } else {
      const x = row_bring(logits, kind, classes, spare);
      const k = row_kind(kind);
      total = cross_entropy_forward(x, k, y, weights, l, 1, classes, ignoreIndex, smoothing, zLoss, total);
    }
  }
  return total;
}

/** The same, and with it the gradient of Σ scale · loss, in `grad`, which is apart from the logits. */
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
  spare: usize,
): f64 {
  const isPlain = weights === 0 && smoothing === 0 && zLoss === 0;
  for (let row = 0; row < rows; row += count) {
    if (!tile_begin(row, rows - row, classes, inner, stride, grad)) continue;
    const y = targets + ((<usize>row) << 2);
    const l = losses === 0 ? 0 : losses + ((<usize>row) << 2);
    const s = scales + <usize>row * scaleStride;
    const isGood = take(logits, kind, y, classes, ignoreIndex, smoothing !== 0);
    if (isGood || count > 1) {
      if (!isGood) set_aside();
      const sum = add_losses(y, weights, l, isPlain, smoothing, zLoss, total);
      const isWritten = isPlain
        ? compute_gradients(s, scaleStride)
        : compute_gradients_of_terms(y, weights, s, scaleStride, classes, smoothing, zLoss);
      if (isWritten) {
        total = sum;
        write_gradients(logits, kind, grad, classes, smoothing !== 0);
        if (!isGood) tile_again_but_for_done();
        continue;
      }
    }
    if (count > 1) {
      tile_again();
    } else {
      const x = row_bring(logits, kind, classes, spare);
      const k = row_kind(kind);
      const dx = row_out(grad, classes, spare);
      total = cross_entropy_forward_backward(
        x,
        k,
        y,
        weights,
        s,
        l,
        dx,
        1,
        classes,
        ignoreIndex,
        0,
        smoothing,
        zLoss,
        total,
      );
      row_take(grad, classes, dx);
    }
  }
  return total;
}

/** Takes the exponentials of the others, which stay in the tile if it holds all, and the odds; whether these are good. */
function take(logits: usize, kind: i32, targets: usize, classes: i32, ignoreIndex: i32, smooth: bool): bool {
  const reference = read_targets(logits, kind, targets, classes, ignoreIndex);
  if (smooth) compute_means(logits, kind, classes);
  tile_refer(reference);
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

/** Whether rows of the tile are ignored. */
let ignores: bool = false;

/** Reads the rows' targets and the targets' logits; returns the first of a row that is not ignored. */
function read_targets(logits: usize, kind: i32, targets: usize, classes: i32, ignoreIndex: i32): f32 {
  const size = size_of(kind);
  const from = place(logits, size, 0);
  const ignored = i32x4.splat(ignoreIndex);
  const step = i32x4.splat((<i32>classStride) << 2);
  const tileStep = i32x4.splat(<i32>between);
  const lane = v128.load(LANE);
  const four = i32x4.splat(4);
  // The rows follow each other, or lie beside each other.
  const width = along ? count : positions;
  const distance = along ? classes << 2 : 4;
  const next = i32x4.splat(distance << 2);
  const end = i32x4.splat(width);
  const block = (classes * <i32>classStride) << 2;
  let others = i32x4.splat(0);
  let row: usize = 0;
  for (let begin = 0; row < <usize>count; begin += block, row += width) {
    let start = i32x4.add(i32x4.mul(lane, i32x4.splat(distance)), i32x4.splat(begin));
    let position = lane;
    for (let p = 0; p < width; p += 4) {
      const q = (row + p) << 2;
      const isRow = i32x4.lt_s(position, end);
      const t = Lanes.get(targets + q, width - p);
      const kept = v128.andnot(isRow, i32x4.eq(t, ignored));
      const c = v128.and(t, kept);
      v128.store(q, v128.and(i32x4.add(start, i32x4.mul(c, step)), isRow), AT);
      if (!whole) v128.store(q, i32x4.add(start, i32x4.mul(c, tileStep)), IN_TILE);
      v128.store(q, kept, KEPT);
      if (kind === FLOAT32) {
        let own = v128.load32_zero(from + load<u32>(q, AT));
        own = v128.load32_lane(from + load<u32>(q, AT + 4), own, 1);
        own = v128.load32_lane(from + load<u32>(q, AT + 8), own, 2);
        own = v128.load32_lane(from + load<u32>(q, AT + 12), own, 3);
        v128.store(q, own, OWN);
      } else {
        let own = v128.load16_splat(from + (load<u32>(q, AT) >> 1));
        own = v128.load16_lane(from + (load<u32>(q, AT + 4) >> 1), own, 1);
        own = v128.load16_lane(from + (load<u32>(q, AT + 8) >> 1), own, 2);
        own = v128.load16_lane(from + (load<u32>(q, AT + 12) >> 1), own, 3);
        v128.store64_lane(q >> 1, own, 0, HALVES);
      }
      others = v128.or(others, v128.xor(kept, isRow));
      start = i32x4.add(start, next);
      position = i32x4.add(position, four);
    }
  }
  if (kind !== FLOAT32) widen(HALVES, kind, OWN, count);
  ignores = v128.any_true(others);
  for (let q: usize = 0; q < (<usize>count) << 2; q += 4) if (load<i32>(q, KEPT)) return load<f32>(q, OWN);
  return 0;
}

/** Makes 0 of the targets' exponentials among n classes from `first`. */
function leave_out(first: i32, n: i32): void {
  const before = <usize>first * between;
  const bytes = <usize>n * between;
  const values = held(first);
  const end = (<usize>count) << 2;
  if (whole) {
    for (let q: usize = 0; q < end; q += 4) store<f32>(TILE + load<u32>(q, AT), 0);
    return;
  }
  // Few targets are among the classes of a chunk: four are looked at together.
  const from = i32x4.splat(<i32>before);
  const length = i32x4.splat(<i32>bytes);
  for (let q: usize = 0; q < end; q += 16) {
    if (!v128.any_true(i32x4.lt_u(i32x4.sub(v128.load(q, IN_TILE), from), length))) continue;
    for (let i = q; i < min(q + 16, end); i += 4) {
      const at = <usize>load<u32>(i, IN_TILE) - before;
      if (at < bytes) store<f32>(values + at, 0);
    }
  }
}

/** Σ (x - x_y) / classes */
function compute_means(logits: usize, kind: i32, classes: i32): void {
  for (let first = 0; first < classes; first += chunk) {
    const n = min(chunk, classes - first);
    tile_less(OWN, logits, kind, first, n);
    tile_sum(first, n);
  }
  const divisor = f64x2.splat(<f64>classes);
  for (let q: usize = 0; q < (<usize>count) << 3; q += 16) {
    v128.store(q, f64x2.div(v128.load(q, SUMS), divisor), MEANS);
  }
}

/** 2^m / κ · e^-x_y, what sums are multiplied by to be odds: by the ln 2 that the exponentials of the others amount to. */
function invert_targets(): void {
  const scale = f64x2.splat(unit * INVERSE_KAPPA);
  const ln2 = f64x2.splat(LN2);
  const most = f64x2.splat(700);
  const least = f64x2.splat(-700);
  for (let q: usize = 0; q < (<usize>count) << 2; q += 8) {
    const u = f64x2.pmax(f64x2.pmin(f64x2.neg(Wide.load(OWN + q)), most), least);
    v128.store(q << 1, f64x2.mul(scale, Wide.exp(u, ln2)), INVERSES);
  }
}

/** The odds against the targets, 0 in rows that are ignored; whether all others are within bounds, and their sums too. */
function compute_odds(): bool {
  // Bounds are powers of 2, and numbers in order of their upper words: what is in [a, b) is less than b - a above a as an
  // unsigned integer, and nothing else is, NaN included. The lower words are along for nothing.
  const leastOdds = i32x4.splat(LEAST_ODDS);
  const leastOfAll = i32x4.splat(LEAST_OF_ALL);
  const mostOfInverse = i32x4.splat(MOST_OF_INVERSE);
  const leastOfInverse = i32x4.splat(LEAST_OF_INVERSE);
  let sums = i32x4.splat(0);
  let wholes = sums;
  let others = sums;
  pass_over();
  for (let q: usize = 0; q < (<usize>count) << 3; q += 16) {
    const sum = v128.load(q, SUMS);
    const inverse = v128.load(q, INVERSES);
    const odds = f64x2.mul(sum, inverse);
    v128.store(q, odds, ODDS);
    sums = i32x4.max_u(sums, sum);
    others = i32x4.max_u(others, i32x4.sub(odds, leastOdds));
    wholes = v128.or(wholes, i32x4.sub(inverse, leastOfInverse));
    wholes = v128.or(wholes, i32x4.max_s(i32x4.sub(sum, leastOfAll), i32x4.sub(mostOfInverse, inverse)));
  }
  if (ignores) {
    for (let q: usize = 0; q < (<usize>count) << 2; q += 4) if (load<i32>(q, KEPT) === 0) store<f64>(q << 1, 0, ODDS);
  }
  for (let q = (<usize>count) << 3; q & 127; q += 8) store<f64>(q, 0, ODDS);
  const isFar = v128.or(
    i32x4.ge_u(sums, i32x4.splat(LARGEST)),
    i32x4.ge_u(others, i32x4.splat(LARGEST_ODDS - LEAST_ODDS)),
  );
  return (i64x2.bitmask(v128.or(isFar, wholes)) & 3) === 0;
}

/** Gives rows that are ignored, and what the last vector has too many, numbers that are within all bounds. */
function pass_over(): void {
  if (count & 1) put_in_bounds((<usize>count) << 2);
  if (!ignores) return;
  for (let q: usize = 0; q < (<usize>count) << 2; q += 4) if (load<i32>(q, KEPT) === 0) put_in_bounds(q);
}

function put_in_bounds(q: usize): void {
  store<f64>(q << 1, 256, SUMS);
  store<f64>(q << 1, 1, INVERSES);
  store<f64>(q << 1, 0, ODDS);
}

/** Takes rows that are not within bounds for ignored, and all others for done. */
function set_aside(): void {
  for (let q: usize = 0; q < (<usize>count) << 2; q += 4) {
    const sum = load<i32>(q << 1, SUMS + 4);
    const inverse = load<i32>(q << 1, INVERSES + 4);
    const odds = load<i32>(q << 1, ODDS + 4);
    const isWhole = sum >= LEAST_OF_ALL || inverse <= MOST_OF_INVERSE;
    const isNear = inverse >= LEAST_OF_INVERSE && sum < LARGEST && isWhole;
    const isOrdinary = odds >= LEAST_ODDS && odds < LARGEST_ODDS;
    const isDone = load<i32>(q, KEPT) === 0 || (isNear && isOrdinary);
    store<i32>(q, isDone, DONE);
    if (isDone) continue;
    store<i32>(q, ASIDE, KEPT);
    put_in_bounds(q);
  }
}

/**
 * Σ log(1 + odds): with a + b + ab, the odds against one or the other of two targets, eight rows make one, as exact as each
 * of them and at most 2^408, and need one logarithm.
 */
function sum_of_losses(): f64 {
  let sum = f64x2.splat(0);
  for (let q: usize = 0; q < (<usize>count) << 3; q += 128) {
    const a = Wide.either(v128.load(q, ODDS), v128.load(q, ODDS + 16));
    const b = Wide.either(v128.load(q, ODDS + 32), v128.load(q, ODDS + 48));
    const c = Wide.either(v128.load(q, ODDS + 64), v128.load(q, ODDS + 80));
    const d = Wide.either(v128.load(q, ODDS + 96), v128.load(q, ODDS + 112));
    sum = f64x2.add(sum, Wide.log1p(Wide.either(Wide.either(a, b), Wide.either(c, d))));
  }
  return Lanes.sum_f64(sum);
}

/** Writes the losses, unless `losses` is 0; returns `total` plus their sum. */
function add_losses(
  targets: usize,
  weights: usize,
  losses: usize,
  isPlain: bool,
  smoothing: f64,
  zLoss: f64,
  total: f64,
): f64 {
  if (isPlain && losses === 0) return total + sum_of_losses();
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

/**
 * scale · (1 - p_y) / Σ e^x of the others, by which their exponentials are multiplied, and -scale · (1 - p_y); whether
 * all factors are 0 or normal float32.
 */
function compute_gradients(scales: usize, scaleStride: usize): bool {
  const one = f64x2.splat(1);
  const zero = f64x2.splat(0);
  const sizeOf = i32x4.splat(0x7fffffff);
  const last = i32x4.splat(1);
  let scale = v128.load64_splat(scales);
  let sizes = i32x4.splat(-1);
  for (let q: usize = 0; q < (<usize>count) << 2; q += 8) {
    if (scaleStride !== 0) {
      const next = (q >> 2) + 1 < <usize>count ? scaleStride : 0;
      scale = v128.load64_lane(scales + next, v128.load64_splat(scales), 1);
      scales += scaleStride << 1;
    }
    const factor = f64x2.div(f64x2.mul(scale, v128.load(q << 1, INVERSES)), f64x2.add(one, v128.load(q << 1, ODDS)));
    // By the upper words; 0 counts as the largest.
    sizes = i32x4.min_u(sizes, i32x4.sub(v128.and(factor, sizeOf), last));
    Wide.store(FACTORS + q, factor);
    Wide.store(GRADIENTS + q, f64x2.sub(zero, f64x2.mul(factor, v128.load(q << 1, SUMS))));
  }
  return (i64x2.bitmask(i32x4.lt_u(sizes, i32x4.splat(MIN_NORMAL_WORD - 1))) & 3) === 0;
}

/** The same with all terms; and what smoothing takes off all classes of a row. Needs what `add_losses` leaves. */
function compute_gradients_of_terms(
  targets: usize,
  weights: usize,
  scales: usize,
  scaleStride: usize,
  classes: i32,
  smoothing: f64,
  zLoss: f64,
): bool {
  const share = smoothing / <f64>classes;
  for (let q: usize = 0; q < (<usize>count) << 2; q += 4, scales += scaleStride) {
    if (load<i32>(q, KEPT) >= 0) continue;
    const scale = load<f64>(scales);
    const odds = load<f64>(q << 1, ODDS);
    const weight = weight_of(weights, load<i32>(targets + q));
    const pull = 2 * zLoss * load<f64>(q << 1, LOSSES);
    const others = error_of_others(scale, odds, weight, pull);
    const factor = row_factor(others, load<f64>(q << 1, SUMS));
    if (abs(factor) < MIN_NORMAL && factor !== 0) return false;
    store<f32>(q, <f32>factor, FACTORS);
    store<f32>(q, target_gradient(error_of_target(scale, odds, weight, smoothing - share, pull)), GRADIENTS);
    store<f32>(q, <f32>(-scale * share), OFFSETS);
  }
  return true;
}

function write_gradients(logits: usize, kind: i32, grad: usize, classes: i32, smooth: bool): void {
  for (let first = 0; first < classes; first += chunk) {
    const n = min(chunk, classes - first);
    if (!holds_all(classes)) tile_exp(logits, kind, first, n);
    if (smooth) tile_scale_offset(FACTORS, OFFSETS, grad, first, n);
    else tile_scale(FACTORS, grad, first, n);
  }
  const begin = place(grad, 4, 0);
  const end = (<usize>count) << 2;
  for (let q: usize = 0; q < end; q += 4) store<f32>(begin + load<u32>(q, AT), load<f32>(q, GRADIENTS));
  if (!ignores) return;
  for (let q: usize = 0; q < end; q += 4) {
    if (load<i32>(q, KEPT)) continue;
    for (let c = 0, to = begin + load<u32>(q, AT); c < classes; c++, to += classStride << 2) store<f32>(to, 0);
  }
}
