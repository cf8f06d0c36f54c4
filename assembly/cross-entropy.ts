/**
 * Cross-entropy of class targets:  loss = lse(x) - x_y   and its gradient  dx = scale · (softmax(x) - onehot(y)).
 *
 * Near certainty both differences cancel, so the target is left out of the sum. With `others` the log-sum-exp over all
 * classes but y and d = others - x_y,
 *
 *   loss = log(1 + e^d)      1 - p_y = 1 / (1 + e^-d)      p_j = (1 - p_y) · e^x_j / Σ_{k≠y} e^x_k
 *
 * are exact to a rounding however small they are. A row leaves its target out by carrying -Infinity in its place while
 * it is summed, which is undone at once.
 */
import { log_sum_exp_of } from "./exp";
import { row_exp, row_exp_sum, row_max, row_scale } from "./exp-row";

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
      loss = target_loss(lag_of(log_sum_exp_of(max, sum), x));
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
      const lag = lag_of(log_sum_exp_of(max, sum), x);
      const scale = load<f64>(scales);
      row_scale(grad, classes, gradient_factor(lag, sum, scale));
      store<f32>(grad + offset, target_gradient(lag, scale));
      loss = target_loss(lag);
    }
    store<f32>(losses, <f32>loss);
    total += loss;
  }
  return total;
}

/** d: how far the target lies behind the log-sum-exp of the others. NaN where either is NaN or +Infinity. */
export function lag_of(others: f64, target: f32): f64 {
  return others === Infinity || target === Infinity ? NaN : others - <f64>target;
}

/** log(1 + e^lag), without overflow. */
export function target_loss(lag: f64): f64 {
  return max<f64>(lag, 0) + Math.log1p(Math.exp(-abs(lag)));
}

/** -scale · (1 - p_y) */
export function target_gradient(lag: f64, scale: f64): f32 {
  return <f32>(0 - scale * miss(lag)); // 0, not -0, where the loss is 0
}

/** What the exponentials of the others, which sum to `sum`, are multiplied by to become scale · p_j. */
export function gradient_factor(lag: f64, sum: f64, scale: f64): f32 {
  const numerator = scale * miss(lag);
  return <f32>(sum === 0 ? numerator : numerator / sum);
}

/** 1 - p_y = 1 / (1 + e^-lag) */
function miss(lag: f64): f64 {
  const e = Math.exp(-abs(lag));
  return (lag < 0 ? e : 1) / (1 + e);
}
