/**
 * Cross-entropy of soft targets in float32: rows of float32 whose classes are neighbours, without weights. The formulas are
 * those of cross-entropy.ts, with t the first of the largest logits, and with the exponentials, the odds against t and
 * what follows from these as in ../cross-entropy.ts:
 *
 *   a_c = y_c (1-ε) + ε/C      A = Σ a_c      O = A - a_t      D = Σ a_c (x_t - x_c)
 *   loss = A log1p(odds) + D + z lse²
 *   dx_c = s (p_c (A + 2 z lse) - a_c)
 *   dx_t = s (p_t (O + 2 z lse) - miss a_t)
 *
 * A row that is not finite goes to cross-entropy.ts, and so does one of next to no mass, and a gradient of which something
 * may be beyond float32's normal numbers.
 */
import { miss, odds_against, row_factor } from "../cross-entropy";
import { relativeTo, whole_exp } from "../exp-row";
import { FLOAT32 } from "../kinds";
import { AHEAD, Lanes } from "../lanes";
import { log1p } from "../wide";
import { cross_entropy_soft_backward_wide, cross_entropy_soft_wide } from "./cross-entropy";
import { add } from "./sum";

/** Beyond these, factors are not rounded to float32 alike. */
const LEAST: f64 = 1.1754943508222875e-38;
const MOST: f64 = 1e38;

/** From so much mass on, what its products with distances lose below float32's normal numbers does not count. */
const LEAST_MASS: f64 = 1e-30;

const LANE = memory.data<i32>([0, 1, 2, 3], 16);

// Of the last row: O, D, and whether a y_c is below 0.
let others: f64 = 0;
let distance: f64 = 0;
let hasNegative: bool = false;
/** Whether the gradient that was asked for is written, if the loss is not NaN. */
let isWritten: bool = true;

/**
 * `scales` are float64, `scaleStride` bytes apart; `losses` has room for one float32 a row; `grad` is 0 where no gradient is
 * wanted, else apart from logits and masses. Returns `total` plus the losses.
 */
export function cross_entropy_soft_rows(
  logits: usize,
  soft: usize,
  scales: usize,
  scaleStride: usize,
  losses: usize,
  grad: usize,
  rows: i32,
  classes: i32,
  smoothing: f64,
  zLoss: f64,
  total: f64,
): f64 {
  const step = (<usize>classes) << 2;
  for (; rows > 0; rows--, logits += step, soft += step, losses += 4, scales += scaleStride) {
    const loss = row(logits, soft, scales, grad, classes, smoothing, zLoss);
    if (isNaN(loss)) {
      total = row_in_float64(logits, soft, scales, losses, grad, classes, smoothing, zLoss, total);
    } else {
      // A loss has the same bits with and without its gradient.
      if (!isWritten) row_in_float64(logits, soft, scales, losses, grad, classes, smoothing, zLoss, 0);
      store<f32>(losses, <f32>loss);
      total = add(total, loss);
    }
    if (grad !== 0) grad += step;
  }
  return total;
}

function row_in_float64(
  logits: usize,
  soft: usize,
  scales: usize,
  losses: usize,
  grad: usize,
  classes: i32,
  smoothing: f64,
  zLoss: f64,
  total: f64,
): f64 {
  const kind = FLOAT32;
  return grad === 0
    ? cross_entropy_soft_wide(logits, kind, soft, kind, 0, losses, kind, 1, classes, 1, 1, smoothing, zLoss, 0, total)
    : cross_entropy_soft_backward_wide(
        logits,
        kind,
        soft,
        kind,
        0,
        scales,
        0,
        losses,
        grad,
        kind,
        1,
        classes,
        1,
        1,
        smoothing,
        zLoss,
        0,
        total,
      );
}

/** A row's loss, and if one is wanted its gradient, unless that is not for here; NaN where neither is. */
function row(logits: usize, soft: usize, scales: usize, grad: usize, n: i32, smoothing: f64, zLoss: f64): f64 {
  isWritten = true;
  const max = largest(logits, soft, grad === 0 ? soft : grad, n);
  if (!(abs(max) < Infinity)) return NaN;
  const top = place_of(logits, max);
  const keep = 1 - smoothing;
  const share = smoothing / <f64>n;
  take_masses(logits, soft, n, max, top, <f32>keep, <f32>share);
  // To what smoothing adds to it, a mass below 0 may be opposite and equal: nothing of float32 is left of it then.
  if (smoothing !== 0 && hasNegative) return NaN;
  const own = <f64>load<f32>(soft + top) * keep + share;
  const all = own + others;
  if (!(abs(all + distance) < Infinity) || (all !== 0 && abs(all) < LEAST_MASS)) return NaN;
  const sum = whole_exp(logits, FLOAT32, grad, n, logits + top);
  const odds = odds_against(relativeTo, sum, max);
  const nll = log1p(odds);
  const lse = <f64>max + nll;
  const loss = all * nll + distance + zLoss * lse * lse;
  if (grad === 0) return loss;
  const scale = load<f64>(scales);
  const pull = 2 * zLoss * lse;
  const p = 1 / (1 + odds);
  const factor = row_factor(scale * (all + pull) * miss(odds), sum);
  isWritten = is_normal(factor) && is_normal(scale) && are_products_normal(abs(scale), abs(all) + abs(pull));
  if (isWritten) {
    subtract_masses(grad, soft, n, <f32>factor, <f32>(scale * keep), <f32>(scale * share));
    store<f32>(grad + top, <f32>(scale * (p * (others + pull) - miss(odds) * own)));
  }
  return loss;
}

function is_normal(factor: f64): bool {
  return factor === 0 || (abs(factor) >= LEAST && abs(factor) <= MOST);
}

/**
 * Whether masses, and exponentials times their factor, stay finite when they are multiplied by the scale: none is more than
 * all of the row's masses if none is below 0; else nothing is known but that each mass is finite by itself.
 */
function are_products_normal(scale: f64, all: f64): bool {
  return scale * all <= MOST && (!hasNegative || scale <= 1);
}

/**
 * The largest logit; NaN counts as -Infinity, and shows in the loss. By the way the lines of the cache are touched that
 * will be read and written, all at once.
 */
function largest(logits: usize, soft: usize, grad: usize, n: i32): f32 {
  let a = f32x4.splat(-Infinity);
  let b = a;
  for (; n >= 16; n -= 16, logits += 64, soft += 64, grad += 64) {
    load<u32>(logits, AHEAD);
    load<u32>(soft);
    load<u32>(grad);
    a = f32x4.pmax(f32x4.pmax(a, v128.load(logits)), v128.load(logits, 16));
    b = f32x4.pmax(f32x4.pmax(b, v128.load(logits, 32)), v128.load(logits, 48));
  }
  for (; n > 0; n--, logits += 4) a = f32x4.pmax(a, v128.load32_splat(logits));
  return Lanes.max(f32x4.pmax(a, b));
}

/** Where the first logit is that is `max`, which one is, in bytes from the first. */
function place_of(logits: usize, max: f32): usize {
  const v = f32x4.splat(max);
  let at = logits;
  while (!v128.any_true(f32x4.eq(v128.load(at), v))) at += 16;
  return at - logits + ((<usize>ctz(i32x4.bitmask(f32x4.eq(v128.load(at), v)))) << 2);
}

function take_masses(logits: usize, soft: usize, n: i32, max: f32, top: usize, keep: f32, share: f32): void {
  const m = f32x4.splat(max);
  const k = f32x4.splat(keep);
  const s = f32x4.splat(share);
  const t = i32x4.splat(<i32>(top >> 2));
  const four = i32x4.splat(4);
  const zero = Lanes.zero();
  let lanes = v128.load(LANE);
  let o = zero;
  let d = zero;
  let signs = zero;
  for (; n >= 16; n -= 16, soft += 64, logits += 64) {
    let a = v128.load(soft);
    let b = v128.load(soft, 16);
    let e = v128.load(soft, 32);
    let g = v128.load(soft, 48);
    signs = v128.or(signs, v128.or(v128.or(a, b), v128.or(e, g)));
    a = f32x4.add(f32x4.mul(a, k), s);
    b = f32x4.add(f32x4.mul(b, k), s);
    e = f32x4.add(f32x4.mul(e, k), s);
    g = f32x4.add(f32x4.mul(g, k), s);
    let sum = v128.andnot(a, i32x4.eq(lanes, t));
    lanes = i32x4.add(lanes, four);
    sum = f32x4.add(sum, v128.andnot(b, i32x4.eq(lanes, t)));
    lanes = i32x4.add(lanes, four);
    sum = f32x4.add(sum, v128.andnot(e, i32x4.eq(lanes, t)));
    lanes = i32x4.add(lanes, four);
    sum = f32x4.add(sum, v128.andnot(g, i32x4.eq(lanes, t)));
    lanes = i32x4.add(lanes, four);
    const p = f32x4.add(
      f32x4.mul(a, f32x4.sub(m, v128.load(logits))),
      f32x4.mul(b, f32x4.sub(m, v128.load(logits, 16))),
    );
    const q = f32x4.add(
      f32x4.mul(e, f32x4.sub(m, v128.load(logits, 32))),
      f32x4.mul(g, f32x4.sub(m, v128.load(logits, 48))),
    );
    const r = f32x4.add(p, q);
    o = f64x2.add(o, f64x2.promote_low_f32x4(f32x4.add(sum, v128.shuffle<i64>(sum, sum, 1, 1))));
    d = f64x2.add(d, f64x2.promote_low_f32x4(f32x4.add(r, v128.shuffle<i64>(r, r, 1, 1))));
  }
  others = Lanes.sum_f64(o);
  distance = Lanes.sum_f64(d);
  hasNegative = i32x4.bitmask(signs) !== 0;
  for (let c = i32x4.extract_lane(lanes, 0); n > 0; n--, soft += 4, logits += 4, c++) {
    const mass = <f64>load<f32>(soft) * <f64>keep + <f64>share;
    if (load<i32>(soft) < 0) hasNegative = true;
    if (c !== <i32>(top >> 2)) others += mass;
    distance += mass * (<f64>max - <f64>load<f32>(logits));
  }
}

/** Exponentials become e · factor - (y · keep + share). */
function subtract_masses(grad: usize, soft: usize, n: i32, factor: f32, keep: f32, share: f32): void {
  const f = f32x4.splat(factor);
  const k = f32x4.splat(keep);
  const s = f32x4.splat(share);
  for (; n > 0; n -= 4, grad += 16, soft += 16) {
    const mass = f32x4.add(f32x4.mul(v128.load(soft), k), s);
    Lanes.put(grad, n, f32x4.sub(f32x4.mul(v128.load(grad), f), mass));
  }
}
