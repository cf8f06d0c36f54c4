/**
 * Log-softmax, softmax, log-sum-exp and their gradients, sixteen rows at a time: the same formulas as in log-softmax.ts,
 * on a lane a row, over the arrays that tile.ts describes. `rows` counts outer · inner.
 */
import { Exp, INVERSE_KAPPA, LN2, LOG_KAPPA } from "./exp";
import { FLOAT32 } from "./kinds";
import { Lanes } from "./lanes";
import {
  CHUNK,
  CLASS,
  LANES,
  MAX,
  REFERENCE,
  SECOND,
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
  width,
} from "./tile";
import { Wide } from "./wide";

// One number a lane: in float64 the log-sum-exp but for the shift; in float32 the two parts in which it is taken off and
// the factor of the exponentials; and a mask that keeps every lane.
const LOGARITHMS = memory.data(128, 16);
const NEAR = memory.data(64, 16);
const REST = memory.data(64, 16);
const FACTORS = memory.data(64, 16);
const ALL = memory.data<i32>([-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1], 16);

export function log_sum_exp_forward_tile(
  logits: usize,
  kind: i32,
  lse: usize,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
): void {
  for (let row = 0; row < rows; row += LANES) {
    const count = tile_begin(row, rows, classes, inner, stride);
    take_exponentials(logits, kind, classes, read_maxima(logits, kind, classes));
    compute_logarithms();
    for (let lane = 0; lane < count; lane++) {
      store<f32>(lse + ((<usize>(row + lane)) << 2), log_sum_exp_of_lane(logits, kind, lane, classes));
    }
  }
}

export function log_softmax_forward_tile(
  logits: usize,
  kind: i32,
  logProbs: usize,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
): void {
  for (let row = 0; row < rows; row += LANES) {
    tile_begin(row, rows, classes, inner, stride);
    take_exponentials(logits, kind, classes, read_maxima(logits, kind, classes));
    compute_logarithms();
    split_logarithms();
    for (let first = 0; first < classes; first += CHUNK) {
      const n = min(CHUNK, classes - first);
      tile_load(TILE, logits, kind, first, n);
      subtract_logarithms(n);
      tile_store(TILE, logProbs, first, n);
    }
  }
}

export function softmax_forward_tile(
  logits: usize,
  kind: i32,
  probs: usize,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
): void {
  for (let row = 0; row < rows; row += LANES) {
    tile_begin(row, rows, classes, inner, stride);
    const shifted = read_maxima(logits, kind, classes);
    take_exponentials(logits, kind, classes, shifted);
    compute_factors();
    for (let first = 0; first < classes; first += CHUNK) {
      const n = min(CHUNK, classes - first);
      if (classes > CHUNK) {
        tile_load(TILE, logits, kind, first, n);
        if (shifted) tile_shift(n);
        tile_exp(n);
      }
      tile_scale(n, FACTORS, ALL);
      tile_store(TILE, probs, first, n);
    }
  }
}

export function log_softmax_backward_tile(
  gradOutput: usize,
  logProbs: usize,
  grad: usize,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
): void {
  for (let row = 0; row < rows; row += LANES) {
    tile_begin(row, rows, classes, inner, stride);
    tile_clear();
    for (let first = 0; first < classes; first += CHUNK) {
      const n = min(CHUNK, classes - first);
      tile_load(TILE, gradOutput, FLOAT32, first, n);
      tile_add(n, SUM);
    }
    for (let first = 0; first < classes; first += CHUNK) {
      const n = min(CHUNK, classes - first);
      tile_load(TILE, gradOutput, FLOAT32, first, n);
      tile_load(SECOND, logProbs, FLOAT32, first, n);
      for (let v: usize = 0; v < width >> 4; v++) subtract_exponentials(v, n);
      tile_store(TILE, grad, first, n);
    }
  }
}

export function softmax_backward_tile(
  gradOutput: usize,
  probs: usize,
  grad: usize,
  rows: i32,
  classes: i32,
  inner: i32,
  stride: i32,
): void {
  for (let row = 0; row < rows; row += LANES) {
    tile_begin(row, rows, classes, inner, stride);
    tile_clear();
    for (let first = 0; first < classes; first += CHUNK) {
      const n = min(CHUNK, classes - first);
      tile_load(TILE, gradOutput, FLOAT32, first, n);
      tile_load(SECOND, probs, FLOAT32, first, n);
      add_products(n);
    }
    for (let first = 0; first < classes; first += CHUNK) {
      const n = min(CHUNK, classes - first);
      tile_load(TILE, gradOutput, FLOAT32, first, n);
      tile_load(SECOND, probs, FLOAT32, first, n);
      multiply_deviations(n);
      tile_store(TILE, grad, first, n);
    }
  }
}

/** The maxima of the rows, and with them the references; whether there is a shift. A single chunk stays in the tile. */
function read_maxima(logits: usize, kind: i32, classes: i32): bool {
  tile_clear();
  for (let first = 0; first < classes; first += CHUNK) {
    const n = min(CHUNK, classes - first);
    tile_load(TILE, logits, kind, first, n);
    tile_max(n);
  }
  return tile_reference();
}

/** The exponentials and their sums. A single chunk of them stays in the tile. */
function take_exponentials(logits: usize, kind: i32, classes: i32, shifted: bool): void {
  for (let first = 0; first < classes; first += CHUNK) {
    const n = min(CHUNK, classes - first);
    if (classes > CHUNK) tile_load(TILE, logits, kind, first, n);
    if (shifted) tile_shift(n);
    tile_exp(n);
  }
}

/** log Σ e^(x - shift); NaN where the sum is 0 or NaN. */
function compute_logarithms(): void {
  const ln2 = f64x2.splat(LN2);
  const kappa = f64x2.splat(LOG_KAPPA);
  const zero = f64x2.splat(0);
  for (let pair: usize = 0; pair < width >> 3; pair++) {
    const sum = v128.load(SUM + (pair << 4));
    const reference = f64x2.sub(f64x2.mul(Wide.load(REFERENCE + (pair << 3)), ln2), kappa);
    const none = v128.not(f64x2.gt(sum, zero));
    v128.store(LOGARITHMS + (pair << 4), v128.or(f64x2.add(reference, Wide.log(sum)), none));
  }
}

/** A lane's log-sum-exp; Infinity where its maximum is, unless there is a NaN beside it. */
function log_sum_exp_of_lane(logits: usize, kind: i32, lane: i32, classes: i32): f32 {
  const sum = load<f64>(SUM + ((<usize>lane) << 3));
  if (sum === 0) return -Infinity;
  if (load<f32>(MAX + ((<usize>lane) << 2)) < Infinity) {
    return <f32>(<f64>load<f32>(SHIFT + ((<usize>lane) << 2)) + load<f64>(LOGARITHMS + ((<usize>lane) << 3)));
  }
  for (let first = 0; first < classes; first += CHUNK) {
    const n = min(CHUNK, classes - first);
    tile_load(TILE, logits, kind, first, n);
    for (let c = 0; c < n; c++) if (isNaN(load<f32>(tile_place(TILE, lane, c, 0, n)))) return NaN;
  }
  return Infinity;
}

/** The two parts in which a log-sum-exp is taken off, as in `row_log_softmax`. */
function split_logarithms(): void {
  for (let pair: usize = 0; pair < width >> 3; pair++) {
    const narrow = pair << 3;
    const log = v128.load(LOGARITHMS + (pair << 4));
    const shift = v128.load64_zero(SHIFT + narrow);
    const close = f32x4.eq(shift, f32x4.splat(0));
    const rounded = f32x4.demote_f64x2_zero(log);
    const near = v128.bitselect(rounded, shift, close);
    const left = f32x4.demote_f64x2_zero(f64x2.sub(log, f64x2.promote_low_f32x4(rounded)));
    v128.store_lane<i64>(NEAR + narrow, near, 0);
    v128.store_lane<i64>(REST + narrow, v128.bitselect(left, rounded, close), 0);
  }
}

function subtract_logarithms(n: i32): void {
  const zero = f32x4.splat(0);
  for (let i: usize = 0; i < width; i += 16) {
    const near = v128.load(NEAR + i);
    const rest = v128.load(REST + i);
    const end = TILE + i + <usize>n * CLASS;
    for (let at = TILE + i; at < end; at += CLASS) {
      v128.store(at, f32x4.pmin(f32x4.sub(f32x4.sub(v128.load(at), near), rest), zero));
    }
  }
}

/** 1 / sum, NaN where there is no softmax. */
function compute_factors(): void {
  for (let pair: usize = 0; pair < width >> 3; pair++) {
    const sum = v128.load(SUM + (pair << 4));
    const none = f64x2.eq(sum, f64x2.splat(0));
    Wide.store(FACTORS + (pair << 3), v128.or(f64x2.div(f64x2.splat(1), sum), none));
  }
}

/** Adds the products with the second tile to the sums. */
function add_products(n: i32): void {
  for (let v: usize = 0; v < width >> 4; v++) {
    let low = v128.load(SUM + (v << 5));
    let high = v128.load(SUM + (v << 5), 16);
    const end = <usize>n * CLASS;
    for (let at: usize = v << 4; at < end; at += CLASS) {
      const g = v128.load(TILE + at);
      const p = v128.load(SECOND + at);
      low = f64x2.add(low, f64x2.mul(f64x2.promote_low_f32x4(g), f64x2.promote_low_f32x4(p)));
      high = f64x2.add(high, f64x2.mul(Lanes.promote_high(g), Lanes.promote_high(p)));
    }
    v128.store(SUM + (v << 5), low);
    v128.store(SUM + (v << 5), high, 16);
  }
}

/** The four sums of a vector's lanes in float32, times a constant. */
function narrow_sums(v: usize, factor: f64): v128 {
  const f = f64x2.splat(factor);
  const low = f32x4.demote_f64x2_zero(f64x2.mul(v128.load(SUM + (v << 5)), f));
  const high = f32x4.demote_f64x2_zero(f64x2.mul(v128.load(SUM + (v << 5), 16), f));
  return v128.shuffle<i64>(low, high, 0, 2);
}

/** g - e^logProbs · Σ g for n classes of one vector, as in `row_log_softmax_backward`. */
function subtract_exponentials(v: usize, n: i32): void {
  const log2e = Exp.log2e();
  const ln2 = Exp.ln2();
  const ln2Rest = Exp.ln2_rest();
  const c4 = Exp.coefficient(4);
  const c3 = Exp.coefficient(3);
  const c2 = Exp.coefficient(2);
  const c1 = Exp.coefficient(1);
  const c0 = Exp.coefficient(0);
  const bias = Exp.bias(f32x4.splat(0));
  const lowest = Exp.lowest(f32x4.splat(0));
  const highest = f32x4.splat(88);
  const total = narrow_sums(v, INVERSE_KAPPA);
  const end = <usize>n * CLASS;
  for (let at: usize = v << 4; at < end; at += CLASS) {
    const x = f32x4.pmin(v128.load(SECOND + at), highest);
    const e = Exp.step(x, bias, lowest, log2e, ln2, ln2Rest, c4, c3, c2, c1, c0);
    v128.store(TILE + at, f32x4.sub(v128.load(TILE + at), f32x4.mul(e, total)));
  }
}

/** probs · (g - Σ g · probs) for n classes. */
function multiply_deviations(n: i32): void {
  for (let v: usize = 0; v < width >> 4; v++) {
    const dot = narrow_sums(v, 1);
    const end = <usize>n * CLASS;
    for (let at: usize = v << 4; at < end; at += CLASS) {
      v128.store(TILE + at, f32x4.mul(v128.load(SECOND + at), f32x4.sub(v128.load(TILE + at), dot)));
    }
  }
}
