/**
 * Cross-entropy of class targets:  loss = lse(x) - x_y   and its gradient  dx = scale · (softmax(x) - onehot(y)).
 *
 * Near certainty both differences cancel, so the target is left out of the sum. With the odds against it,
 * odds = Σ_{j≠y} e^(x_j - x_y) = (1 - p_y) / p_y,
 *
 *   loss = log(1 + odds)      1 - p_y = odds / (1 + odds)      p_j = (1 - p_y) · e^x_j / Σ_{k≠y} e^x_k
 *
 * keep their relative precision however small they are. A row leaves its target out by carrying -Infinity in its place
 * while it is summed, which is undone at once.
 */
import { log_reference, shift_of } from "./exp";
import { row_exp, row_exp_sum, row_max, row_scale } from "./exp-row";
import { exp, log, log1p } from "./wide";

/**
 * Losses of whole rows, in nats; 0 for a row whose target is `ignoreIndex`, which is not looked at. Returns `total` plus
 * their sum, added in the rows' order: blocks of rows come to the same bits as all rows at once.
 */
export function cross_entropy_forward(
  logits: usize,
  targets: usize,
  losses: usize,
  rows: i32,
  classes: i32,
  ignoreIndex: i32,
  total: f64,
): f64 {
  const stride = (<usize>classes) << 2;
  for (let row = 0; row < rows; row++, logits += stride, targets += 4, losses += 4) {
    const target = load<i32>(targets);
    let loss: f64 = 0;
    if (target !== ignoreIndex) {
      const at = logits + ((<usize>target) << 2);
      const x = load<f32>(at);
      store<f32>(at, -Infinity);
      const max = row_max(logits, classes);
      const sum = row_exp_sum(logits, classes, max, 0);
      store<f32>(at, x);
      loss = target_loss(odds_against(max, sum, x), max, sum, x);
    }
    store<f32>(losses, <f32>loss);
    total += loss;
  }
  return total;
}

/**
 * The same, and with it the gradient of Σ scale · loss, the rows' scales being float64 that stand `scaleStride` bytes
 * apart: a stride of 0 gives all rows the same. `grad` may be the logits.
 */
export function cross_entropy_forward_backward(
  logits: usize,
  targets: usize,
  scales: usize,
  losses: usize,
  grad: usize,
  rows: i32,
  classes: i32,
  ignoreIndex: i32,
  scaleStride: usize,
  total: f64,
): f64 {
  const stride = (<usize>classes) << 2;
  for (
    let row = 0;
    row < rows;
    row++, logits += stride, targets += 4, scales += scaleStride, losses += 4, grad += stride
  ) {
    const target = load<i32>(targets);
    let loss: f64 = 0;
    if (target === ignoreIndex) {
      memory.fill(grad, 0, stride);
    } else {
      const offset = (<usize>target) << 2;
      const x = load<f32>(logits + offset);
      store<f32>(logits + offset, -Infinity);
      const max = row_max(logits, classes);
      const sum = row_exp(logits, grad, classes, max);
      store<f32>(logits + offset, x);
      const odds = odds_against(max, sum, x);
      const error = load<f64>(scales) * miss(odds);
      row_scale(grad, classes, gradient_factor(error, sum));
      store<f32>(grad + offset, target_gradient(error));
      loss = target_loss(odds, max, sum, x);
    }
    store<f32>(losses, <f32>loss);
    total += loss;
  }
  return total;
}

/**
 * The odds against the target, the others having this maximum and exponentials that sum to `sum`. NaN where any of them
 * is NaN or +Infinity, or all are -Infinity; Infinity also where float64 ends.
 */
export function odds_against(max: f32, sum: f64, target: f32): f64 {
  if (max === Infinity || target === Infinity) return NaN;
  if (sum === 0) return target > -Infinity ? 0 : NaN;
  return sum * exp(<f64>shift_of(max) - <f64>target + log_reference(max));
}

/** log(1 + odds), or where the odds are beyond float64 what they are the exponential of. */
export function target_loss(odds: f64, max: f32, sum: f64, target: f32): f64 {
  return odds === Infinity ? <f64>shift_of(max) - <f64>target + (log_reference(max) + log(sum)) : log1p(odds);
}

/** 1 - p_y */
export function miss(odds: f64): f64 {
  return 1 / (1 + 1 / odds);
}

/** The gradient at the target; `error` is scale · (1 - p_y). */
export function target_gradient(error: f64): f32 {
  return <f32>(0 - error); // 0 rather than -0 for a loss of 0
}

/** What the exponentials of the others, which sum to `sum`, are multiplied by to become scale · p_j. */
export function gradient_factor(error: f64, sum: f64): f32 {
  return <f32>(sum === 0 ? error : error / sum);
}
