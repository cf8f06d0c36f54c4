/**
 * Cross-entropy in its general form. With m the maximum of a row, t its class, rest and lse as rows.ts has them, the row
 * has the masses
 *
 *   class targets:  own = (1-ε) w_y,  a_c = (ε/C) w_c      soft targets:  own = 0,  a_c = w_c (y_c (1-ε) + ε/C)
 *
 *   A = Σ a_c      T = own + A + 2 z lse      miss = rest / (1 + rest)
 *   loss = own (lse - x_y) + Σ a_c (lse - x_c) + z lse²,   lse - x_c = log1p(rest) + (m - x_c)
 *   dx_c = s (p_c T - a_c - own [c = y])
 *   dx_t = s (p_t (own [t≠y] + Σ_{j≠t} a_j + 2 z lse) - miss (a_t + own [t=y]))
 *
 * so that nothing cancels near certainty; where rest is 1/2 or more nothing is certain, and the first form serves t too. Without ε there are no a_c, and masked classes do no harm; with them a_c times Infinity counts.
 *
 * The logits are `[outer, classes, stride]` as in tile.ts; targets, losses and scales are one value a row, the scales
 * `scaleStride` bytes apart. Losses are in nats, 0 for a row whose target is `ignoreIndex`; what is returned is `total`
 * plus their sum, added in the rows' order. The gradient of such a row is 0, whatever it holds. `grad` may be the logits.
 */

import { size_of } from "../kinds";
import { Exp } from "./exp";
import { scale } from "./log-softmax";
import {
  apply_softcap,
  exp_factor,
  exp_lanes,
  fill,
  find_maxima,
  finish_sums,
  has_softcap,
  LOG,
  MAX,
  REST,
  SHIFT,
  set_softcap,
  TOP,
  TOP_EXP,
  take_exponentials,
  turn_to,
} from "./rows";
import { add } from "./sum";
import {
  capacity,
  combine,
  flat,
  ownWidth,
  SECOND,
  spread,
  THIRD,
  TILE,
  tile_begin,
  tile_lane,
  tile_load,
  tile_pad,
  tile_place,
  tile_steps,
  tile_store,
  width,
} from "./tile";
import { narrow_each, widen_one } from "./values";

// A number a lane: int32 targets, -1 where there is none, masks of rows that are kept; the target's logit and its slope,
// own, and a_y.
const TARGETS = memory.data(32, 16);
const KEPT = memory.data(64, 16);
const LOGIT = memory.data(64, 16);
const SLOPE = memory.data(64, 16);
const OWN = memory.data(64, 16);
const OWN_SHARE = memory.data(64, 16);
/** Σ a_c without and with the maximum's, and Σ a_c (x_c - m). */
const OTHERS = memory.data(64, 16);
const ALL = memory.data(64, 16);
const DOT = memory.data(64, 16);
const LOSSES = memory.data(64, 16);
/** s, and what p_c 2^-M and a_c are multiplied by, of the maximum as well; the gradient at the target. */
const SCALE = memory.data(64, 16);
const FACTOR = memory.data(64, 16);
const TOP_TERM = memory.data(64, 16);
const TOP_SCALE = memory.data(64, 16);
/** What only the exponential of a certain maximum exceeds, the others being less than half of it. */
const LEAD = memory.data(64, 16);
const GRADIENT = memory.data(64, 16);
/** e^x_y in the row's terms. */
const TARGET_EXP = memory.data(64, 16);

// What the call is about.
let share: f64 = 0;
let keep: f64 = 1;
let z: f64 = 0;
let dense: bool = false;
let allKept: bool = true;
let massesStay: bool = false;
let weightsAt: usize = 0;
let softAt: usize = 0;
let softKind: i32 = 0;

export function cross_entropy_wide(
  logits: usize,
  kind: i32,
  targets: usize,
  weights: usize,
  losses: usize,
  resultKind: i32,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
  ignoreIndex: i32,
  smoothing: f64,
  zLoss: f64,
  softcap: f64,
  total: f64,
): f64 {
  begin(0, 0, weights, classes, smoothing, zLoss, softcap);
  for (let row = 0, count = 0; row < rows; row += count) {
    count = tile_begin(row, rows, classes, inner, stride);
    read_targets(logits, kind, targets + ((<usize>row) << 2), count, ignoreIndex);
    if (!flat || allKept) take_losses(logits, kind, classes);
    total = write_losses(losses + <usize>row * size_of(resultKind), resultKind, count, total);
  }
  return total;
}

export function cross_entropy_backward_wide(
  logits: usize,
  kind: i32,
  targets: usize,
  weights: usize,
  scales: usize,
  scaleStride: usize,
  losses: usize,
  grad: usize,
  resultKind: i32,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
  ignoreIndex: i32,
  smoothing: f64,
  zLoss: f64,
  softcap: f64,
  total: f64,
): f64 {
  begin(0, 0, weights, classes, smoothing, zLoss, softcap);
  for (let row = 0, count = 0; row < rows; row += count) {
    count = tile_begin(row, rows, classes, inner, stride);
    read_targets(logits, kind, targets + ((<usize>row) << 2), count, ignoreIndex);
    if (!flat || allKept) {
      take_losses(logits, kind, classes);
      take_factors(scales + <usize>row * scaleStride, scaleStride, count);
    }
    write_gradients(logits, kind, grad, resultKind, classes);
    total = write_losses(losses + <usize>row * size_of(resultKind), resultKind, count, total);
  }
  return total;
}

export function cross_entropy_soft_wide(
  logits: usize,
  kind: i32,
  soft: usize,
  softKind: i32,
  weights: usize,
  losses: usize,
  resultKind: i32,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
  smoothing: f64,
  zLoss: f64,
  softcap: f64,
  total: f64,
): f64 {
  begin(soft, softKind, weights, classes, smoothing, zLoss, softcap);
  for (let row = 0, count = 0; row < rows; row += count) {
    count = tile_begin(row, rows, classes, inner, stride);
    take_losses(logits, kind, classes);
    total = write_losses(losses + <usize>row * size_of(resultKind), resultKind, count, total);
  }
  return total;
}

export function cross_entropy_soft_backward_wide(
  logits: usize,
  kind: i32,
  soft: usize,
  softKind: i32,
  weights: usize,
  scales: usize,
  scaleStride: usize,
  losses: usize,
  grad: usize,
  resultKind: i32,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
  smoothing: f64,
  zLoss: f64,
  softcap: f64,
  total: f64,
): f64 {
  begin(soft, softKind, weights, classes, smoothing, zLoss, softcap);
  for (let row = 0, count = 0; row < rows; row += count) {
    count = tile_begin(row, rows, classes, inner, stride);
    take_losses(logits, kind, classes);
    take_factors(scales + <usize>row * scaleStride, scaleStride, count);
    write_gradients(logits, kind, grad, resultKind, classes);
    total = write_losses(losses + <usize>row * size_of(resultKind), resultKind, count, total);
  }
  return total;
}

/** Without class targets all rows are kept, and no class is a target. */
function begin(soft: usize, kind: i32, weights: usize, classes: i32, smoothing: f64, zLoss: f64, softcap: f64): void {
  softAt = soft;
  softKind = kind;
  weightsAt = weights;
  share = smoothing / <f64>classes;
  keep = 1 - smoothing;
  z = zLoss;
  dense = soft !== 0 || smoothing > 0;
  allKept = true;
  massesStay = false;
  memory.fill(TARGETS, 0xff, 32);
  memory.fill(KEPT, 0xff, 64);
  fill(LOGIT, 0);
  fill(OWN, 0);
  fill(OWN_SHARE, 0);
  fill(OTHERS, 0);
  fill(ALL, 0);
  set_softcap(softcap);
}

/** The targets of the tile's rows, their logits and masses. */
function read_targets(logits: usize, kind: i32, targets: usize, count: i32, ignoreIndex: i32): void {
  allKept = true;
  for (let lane = 0; lane < <i32>(ownWidth >> 3); lane++) {
    const offset = (<usize>lane) << 3;
    const target = lane < count ? load<i32>(targets + ((<usize>lane) << 2)) : ignoreIndex;
    const kept = target !== ignoreIndex;
    if (lane < count && !kept) allKept = false;
    const weight = kept ? weight_of(target) : 0;
    store<i32>(TARGETS + ((<usize>lane) << 2), kept ? target : -1);
    store<i64>(KEPT + offset, kept ? -1 : 0);
    store<f64>(LOGIT + offset, kept ? widen_one(tile_lane(logits, kind, lane, target), kind) : 0);
    store<f64>(OWN + offset, keep * weight);
    store<f64>(OWN_SHARE + offset, share * weight);
  }
  apply_softcap(LOGIT, SLOPE, ownWidth);
}

function weight_of(klass: i32): f64 {
  return weightsAt !== 0 ? load<f64>(weightsAt + ((<usize>klass) << 3)) : 1;
}

/** The rows' losses, and all that they consist of. A single chunk leaves its exponentials in the tile. */
function take_losses(logits: usize, kind: i32, classes: i32): void {
  find_maxima(logits, kind, classes);
  if (dense) {
    fill(OTHERS, 0);
    fill(ALL, 0);
    fill(DOT, 0);
  }
  for (let first = 0; first < classes; first += capacity) {
    const n = min(capacity, classes - first);
    turn_to(logits, kind, classes, first, n);
    if (dense) {
      take_masses(classes, first, n);
      add_masses(tile_steps(n));
    }
    take_exponentials(TILE, n);
  }
  finish_sums(classes);
  if (dense) {
    combine(OTHERS);
    combine(ALL);
    combine(DOT);
  }
  const zs = f64x2.splat(z);
  for (let i: usize = 0; i < ownWidth; i += 16) {
    const log = v128.load(LOG + i);
    const max = v128.load(MAX + i);
    const lse = f64x2.add(max, log);
    const distance = f64x2.add(log, f64x2.sub(max, v128.load(LOGIT + i)));
    const own = v128.load(OWN + i);
    let loss = f64x2.mul(own, distance);
    if (dense) loss = f64x2.add(loss, f64x2.sub(f64x2.mul(v128.load(ALL + i), log), v128.load(DOT + i)));
    loss = f64x2.add(loss, f64x2.mul(f64x2.mul(zs, lse), lse));
    v128.store(LOSSES + i, loss);
  }
}

/**
 * The masses a_c of a chunk, to the second tile. Without soft targets they are the same for all rows, and stay there where
 * one chunk is all.
 */
function take_masses(classes: i32, first: i32, n: i32): void {
  if (massesStay) return;
  massesStay = softAt === 0 && classes <= capacity;
  const steps = tile_steps(n);
  const bytes = (<usize>steps) << 6;
  const shares = f64x2.splat(share);
  if (softAt !== 0) {
    tile_load(SECOND, softAt, softKind, first, n, 0);
    const kept = f64x2.splat(keep);
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(SECOND + i, f64x2.add(f64x2.mul(v128.load(SECOND + i), kept), shares));
    }
  } else {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(SECOND + i, shares);
  }
  if (weightsAt !== 0) {
    const weights = weightsAt + ((<usize>first) << 3);
    if (flat) multiply_flat(weights, n);
    else multiply_steps(weights, n);
  }
  tile_pad(SECOND, n, 0);
}

function multiply_flat(weights: usize, n: i32): void {
  const end = (<usize>(n & ~1)) << 3;
  for (let i: usize = 0; i < end; i += 16) {
    v128.store(SECOND + i, f64x2.mul(v128.load(SECOND + i), v128.load(weights + i)));
  }
  if ((n & 1) !== 0) store<f64>(SECOND + end, load<f64>(SECOND + end) * load<f64>(weights + end));
}

function multiply_steps(weights: usize, n: i32): void {
  for (let c: usize = 0; c < <usize>n; c++) {
    const weight = v128.load64_splat(weights + (c << 3));
    const at = SECOND + (c << 6);
    for (let i: usize = 0; i < 64; i += 16) v128.store(at + i, f64x2.mul(v128.load(at + i), weight));
  }
}

function add_masses(steps: i32): void {
  for (let i: usize = 0; i < width; i += 16) {
    const max = v128.load(TOP + i);
    let others = f64x2.splat(0);
    let all = f64x2.splat(0);
    let dot = f64x2.splat(0);
    const end = i + ((<usize>steps) << 6);
    for (let at = i; at < end; at += 64) {
      const x = v128.load(TILE + at);
      const a = v128.load(SECOND + at);
      others = f64x2.add(others, v128.andnot(a, f64x2.eq(x, max)));
      all = f64x2.add(all, a);
      dot = f64x2.add(dot, f64x2.mul(a, f64x2.sub(x, max)));
    }
    v128.store(OTHERS + i, f64x2.add(v128.load(OTHERS + i), others));
    v128.store(ALL + i, f64x2.add(v128.load(ALL + i), all));
    v128.store(DOT + i, f64x2.add(v128.load(DOT + i), dot));
  }
}

/** What gradients are made of, from what losses left behind. */
function take_factors(scales: usize, scaleStride: usize, count: i32): void {
  for (let lane = 0; lane < <i32>(ownWidth >> 3); lane++) {
    // Lanes without a row take the first one's scale.
    store<f64>(SCALE + ((<usize>lane) << 3), load<f64>(scales + (lane < count ? <usize>lane * scaleStride : 0)));
    const offset = (<usize>lane) << 3;
    store<f64>(TARGET_EXP + offset, load<f64>(LOGIT + offset) - load<f64>(SHIFT + offset));
  }
  exp_lanes(TARGET_EXP, TARGET_EXP);
  const one = Exp.one();
  const half = f64x2.splat(0.5);
  const most = f64x2.splat(0.75);
  const none = f64x2.splat(Infinity);
  const zs = f64x2.splat(2 * z);
  for (let i: usize = 0; i < ownWidth; i += 16) {
    const rest = v128.load(REST + i);
    const p = f64x2.div(one, f64x2.add(one, rest));
    const miss = f64x2.mul(rest, p);
    const s = v128.load(SCALE + i);
    const own = v128.load(OWN + i);
    const zTerm = f64x2.mul(zs, f64x2.add(v128.load(MAX + i), v128.load(LOG + i)));
    const others = f64x2.add(v128.load(OTHERS + i), zTerm);
    const total = f64x2.add(own, f64x2.add(v128.load(ALL + i), zTerm));
    const factor = exp_factor(i);
    const certain = f64x2.lt(rest, half);
    v128.store(FACTOR + i, f64x2.mul(s, f64x2.mul(total, factor)));
    v128.store(TOP_TERM + i, f64x2.mul(s, f64x2.mul(f64x2.add(own, others), p)));
    v128.store(LEAD + i, v128.bitselect(f64x2.mul(most, v128.load(TOP_EXP + i)), none, certain));
    v128.store(TOP_SCALE + i, f64x2.mul(s, miss));

    const isTop = v128.and(certain, f64x2.eq(v128.load(LOGIT + i), v128.load(MAX + i)));
    const mass = f64x2.add(own, v128.load(OWN_SHARE + i));
    const near = f64x2.sub(f64x2.mul(p, others), f64x2.mul(miss, mass));
    const far = f64x2.sub(f64x2.mul(f64x2.mul(v128.load(TARGET_EXP + i), factor), total), mass);
    v128.store(GRADIENT + i, f64x2.mul(s, v128.bitselect(near, far, isTop)));
  }
  if (has_softcap()) {
    for (let i: usize = 0; i < ownWidth; i += 16) {
      v128.store(GRADIENT + i, f64x2.mul(v128.load(GRADIENT + i), v128.load(SLOPE + i)));
    }
  }
  spread(SCALE);
  spread(FACTOR);
  spread(TOP_TERM);
  spread(TOP_SCALE);
  spread(LEAD);
}

/** The rows' gradients, chunk by chunk. */
function write_gradients(logits: usize, kind: i32, grad: usize, resultKind: i32, classes: i32): void {
  for (let first = 0; first < classes; first += capacity) {
    const n = min(capacity, classes - first);
    const steps = tile_steps(n);
    if (flat && !allKept) {
      memory.fill(TILE, 0, (<usize>steps) << 6);
    } else {
      if (classes > capacity) {
        turn_to(logits, kind, classes, first, n);
        if (dense) take_masses(classes, first, n);
        take_exponentials(TILE, n);
      }
      if (dense) subtract_masses(steps);
      else scale(TILE, steps, FACTOR);
      if (has_softcap()) multiply_slopes(steps);
      put_at_targets(first, n);
      if (!allKept) clear_ignored(steps);
    }
    tile_store(TILE, grad, resultKind, first, n);
  }
}

function subtract_masses(steps: i32): void {
  for (let i: usize = 0; i < width; i += 16) {
    const factor = v128.load(FACTOR + i);
    const s = v128.load(SCALE + i);
    const topTerm = v128.load(TOP_TERM + i);
    const topScale = v128.load(TOP_SCALE + i);
    const lead = v128.load(LEAD + i);
    const end = i + ((<usize>steps) << 6);
    for (let at = i; at < end; at += 64) {
      const e = v128.load(TILE + at);
      const a = v128.load(SECOND + at);
      const g = f64x2.sub(f64x2.mul(e, factor), f64x2.mul(a, s));
      const top = f64x2.sub(topTerm, f64x2.mul(a, topScale));
      v128.store(TILE + at, v128.bitselect(top, g, f64x2.gt(e, lead)));
    }
  }
}

function multiply_slopes(steps: i32): void {
  const end = (<usize>steps) << 6;
  for (let i: usize = 0; i < end; i += 16) {
    v128.store(TILE + i, f64x2.mul(v128.load(TILE + i), v128.load(THIRD + i)));
  }
}

function put_at_targets(first: i32, n: i32): void {
  for (let lane = 0; lane < <i32>(ownWidth >> 3); lane++) {
    const place = tile_place(TILE, lane, load<i32>(TARGETS + ((<usize>lane) << 2)), first, n);
    if (place !== 0) store<f64>(place, load<f64>(GRADIENT + ((<usize>lane) << 3)));
  }
}

function clear_ignored(steps: i32): void {
  for (let i: usize = 0; i < width; i += 16) {
    const kept = v128.load(KEPT + i);
    const end = TILE + i + ((<usize>steps) << 6);
    for (let at = TILE + i; at < end; at += 64) v128.store(at, v128.and(v128.load(at), kept));
  }
}

/** Writes the losses of the tile's rows; returns `total` plus their sum, added in the rows' order. */
function write_losses(losses: usize, kind: i32, count: i32, total: f64): f64 {
  for (let lane = 0; lane < count; lane++) {
    const offset = (<usize>lane) << 3;
    if (load<i64>(KEPT + offset) === 0) store<f64>(LOSSES + offset, 0);
    total = add(total, load<f64>(LOSSES + offset));
  }
  narrow_each(LOSSES, 8, losses, kind, size_of(kind), count);
  return total;
}
