/** The gradients of a tile's rows. */
import { error_of_others, error_of_target, row_factor, target_gradient, weight_of } from "./cross-entropy";
import { row_scale_offset } from "./exp-row";
import { FLOAT32 } from "./kinds";
import { Lanes } from "./lanes";
import { chunk, classStride, count, holds_all, long, place } from "./tile";
import { tile_exp } from "./tile-exp";
import { row_place } from "./tile-long";
import { LOSSES } from "./tile-losses";
import { INVERSES, ODDS } from "./tile-odds";
import { tile_scale } from "./tile-scale";
import { SUMS } from "./tile-sum";
import { AT, ignores, KEPT } from "./tile-targets";
import { let_wait } from "./waiting";
import { Wide } from "./wide";

// One float32 a row: the target's gradient, what is taken off the others' exponentials, and what they are multiplied by then.
const GRADIENTS = memory.data(4112, 16);
const FACTORS = memory.data(4112, 16);
const OFFSETS = memory.data(4112, 16);

/** The last place: read ahead of loops. */
const ONE = memory.data<i32>([1]);

const MIN_NORMAL: f64 = 1.1754943508222875e-38;
const MOST: f64 = 1e38;
const MIN_NORMAL_WORD: i32 = 0x38100000;

/**
 * scale · (1 - p_y) / Σ e^x of the others, by which their exponentials are multiplied, and -scale · (1 - p_y); whether
 * all factors are 0 or normal float32.
 */
export function compute_gradients(scales: usize, scaleStride: usize): bool {
  const one = Wide.one();
  const zero = Lanes.zero();
  const sizeOf = Lanes.but_sign();
  const last = v128.load32_splat(ONE);
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
export function compute_gradients_of_terms(
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
    // Of short rows taken off before the factor comes to it: where that is all but 0, float32 may not hold it.
    const offset = long || scale * share === 0 ? scale * share : (scale * share) / factor;
    if ((abs(factor) < MIN_NORMAL && factor !== 0) || abs(offset) > MOST) return false;
    store<f32>(q, <f32>factor, FACTORS);
    store<f32>(q, target_gradient(error_of_target(scale, odds, weight, smoothing - share, pull)), GRADIENTS);
    store<f32>(q, <f32>offset, OFFSETS);
  }
  return true;
}

export function write_gradients(logits: usize, kind: i32, grad: usize, classes: i32, smooth: bool): void {
  if (long) {
    if (!smooth) {
      let_gradients_wait(grad, classes);
      return;
    }
    scale_and_offset(grad, classes);
  } else {
    for (let first = 0; first < classes; first += chunk) {
      const n = min(chunk, classes - first);
      if (!holds_all(classes)) tile_exp(logits, kind, first, n);
      tile_scale(FACTORS, smooth ? OFFSETS : 0, grad, first, n);
    }
  }
  const begin = place(grad, 4, 0);
  const end = (<usize>count) << 2;
  let q: usize = 0;
  for (; q + 16 <= end; q += 16) {
    store<f32>(begin + load<u32>(q, AT), load<f32>(q, GRADIENTS));
    store<f32>(begin + load<u32>(q, AT + 4), load<f32>(q, GRADIENTS + 4));
    store<f32>(begin + load<u32>(q, AT + 8), load<f32>(q, GRADIENTS + 8));
    store<f32>(begin + load<u32>(q, AT + 12), load<f32>(q, GRADIENTS + 12));
  }
  for (; q < end; q += 4) store<f32>(begin + load<u32>(q, AT), load<f32>(q, GRADIENTS));
  if (ignores) clear_ignored(begin, classes);
}

function clear_ignored(begin: usize, classes: i32): void {
  for (let q: usize = 0; q < (<usize>count) << 2; q += 4) {
    if (load<i32>(q, KEPT)) continue;
    let to = begin + load<u32>(q, AT);
    if (long) memory.fill(to, 0, (<usize>classes) << 2);
    else for (let c = 0; c < classes; c++, to += classStride << 2) store<f32>(to, 0);
    // Long rows are yet to be multiplied, and get a gradient of their own.
    store<f32>(q, 1, FACTORS);
    store<f32>(q, 0, GRADIENTS);
  }
}

/** Long rows have their exponentials in their places already; ignored ones become 0, which a factor of 1 leaves. */
function let_gradients_wait(grad: usize, classes: i32): void {
  const begin = place(grad, 4, 0);
  if (ignores) clear_ignored(begin, classes);
  let_wait(begin, count, classes, FACTORS, GRADIENTS, AT);
}

function scale_and_offset(grad: usize, classes: i32): void {
  for (let row = 0; row < count; row++) {
    const q = (<usize>row) << 2;
    if (load<i32>(q, KEPT) === 0) continue;
    row_scale_offset(row_place(grad, FLOAT32, row), classes, load<f32>(q, FACTORS), -load<f32>(q, OFFSETS));
  }
}
