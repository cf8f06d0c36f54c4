/**
 * Cross-entropy of class targets:  loss = lse(x) - x_y   and its gradient  dx = scale · (softmax(x) - onehot(y)).
 *
 * Near certainty both differences cancel, so the target is left out of the sum. With the odds against it,
 * odds = Σ_{j≠y} e^(x_j - x_y) = (1 - p_y) / p_y,
 *
 *   loss = log(1 + odds)      1 - p_y = odds / (1 + odds)      p_j = (1 - p_y) · e^x_j / Σ_{k≠y} e^x_k
 *
 * keep their relative precision however small they are. A row leaves its target out by carrying something else in its
 * place while it is summed, which is undone at once.
 *
 * With a weight w of the target's class, label smoothing ε and z-loss z, of which w and ε do not come together,
 *
 *   loss = (1 - ε) · w · log(1 + odds) + ε · (log(1 + odds) - mean (x - x_y)) + z · lse²
 *   dx_j = scale · (T · p_j - ε / C)     dx_y = scale · (ε - ε / C - w · (1 - p_y) + 2z · lse · p_y)     T = w + 2z · lse
 */
import { reference, shift_of } from "./exp";
import { log_of_sum, relativeTo, row_scale, row_scale_offset, whole_exp } from "./exp-row";
import { size_of, value_at } from "./half";
import { row_sum } from "./log-softmax";
import { inverse, log1p } from "./wide";

/**
 * The loss of one row, in nats, which is also written unless `losses` is 0; and unless `grad` is 0 the gradient of scale ·
 * loss, apart from the logits. `weights` are those of the classes, or 0 for none.
 */
export function row_cross_entropy(
  logits: usize,
  kind: i32,
  targets: usize,
  weights: usize,
  scales: usize,
  losses: usize,
  grad: usize,
  classes: i32,
  smoothing: f64,
  zLoss: f64,
): f64 {
  const target = load<i32>(targets);
  const weight = weight_of(weights, target);
  const at = logits + <usize>target * size_of(kind);
  const x = value_at(at, kind);
  const mean = smoothing === 0 ? 0 : mean_above(logits, kind, classes, x);
  const sum = whole_exp(logits, kind, grad, classes, at);
  const odds = odds_against(relativeTo, sum, x);
  const nll = target_loss(odds, relativeTo, sum, x);
  const lse = log_sum_exp(odds, nll, relativeTo, sum, x);
  if (grad !== 0) {
    const scale = load<f64>(scales);
    // Without a z-loss the factor needs no logarithm.
    const pull = zLoss === 0 ? 0 : 2 * zLoss * lse;
    const share = smoothing / <f64>classes;
    const factor = row_factor(error_of_others(scale, odds, weight, pull), sum);
    if (smoothing === 0) row_scale(grad, classes, factor);
    else row_scale_offset(grad, classes, factor, <f32>(-scale * share));
    const error = error_of_target(scale, odds, weight, smoothing - share, pull);
    store<f32>(grad + ((<usize>target) << 2), target_gradient(error));
  }
  const loss = row_loss(nll, mean, lse, weight, smoothing, zLoss);
  if (losses !== 0) store<f32>(losses, <f32>loss);
  return loss;
}

/** The mean of a row's logits, each less the target's `x`. */
export function mean_above(logits: usize, kind: i32, classes: i32, x: f32): f64 {
  return row_sum(logits, kind, classes, <f64>(x > -Infinity ? x : 0), 0) / <f64>classes;
}

export function weight_of(weights: usize, target: i32): f64 {
  return weights === 0 ? 1 : load<f64>(weights + ((<usize>target) << 3));
}

/**
 * The odds against the target, the others having exponentials that sum to `sum` relative to `max`. NaN where any of them
 * is NaN or +Infinity, or all are -Infinity; Infinity also where float64 ends. By the same ln 2 as the exponentials of the
 * others, and to the bits of a tile's odds (tile-odds.ts).
 */
export function odds_against(max: f32, sum: f64, target: f32): f64 {
  if (max === Infinity || target === Infinity) return NaN;
  if (sum === 0) return target > -Infinity ? 0 : NaN;
  return sum * inverse(<f64>target - <f64>shift_of(max), reference(max));
}

/** log(1 + odds), or where the odds are beyond float64 what they are the exponential of. */
export function target_loss(odds: f64, max: f32, sum: f64, target: f32): f64 {
  return odds === Infinity ? <f64>shift_of(max) - <f64>target + log_of_sum(max, sum) : log1p(odds);
}

/** log Σ e^x over all classes; `nll` is `target_loss`. */
export function log_sum_exp(odds: f64, nll: f64, max: f32, sum: f64, target: f32): f64 {
  return odds === Infinity ? <f64>shift_of(max) + log_of_sum(max, sum) : <f64>target + nll;
}

/** The loss with all its terms; `mean` is that of the logits less the target's, and counts where there is smoothing. */
export function row_loss(nll: f64, mean: f64, lse: f64, weight: f64, smoothing: f64, zLoss: f64): f64 {
  const loss = (1 - smoothing) * weight * nll + zLoss * lse * lse;
  return smoothing === 0 ? loss : loss + smoothing * (nll - mean);
}

/** 1 - p_y */
export function miss(odds: f64): f64 {
  return odds === Infinity ? 1 : odds / (1 + odds);
}

/** scale · T · (1 - p_y), which the others' gradients sum to but for the smoothing; `pull` is 2z · lse. */
export function error_of_others(scale: f64, odds: f64, weight: f64, pull: f64): f64 {
  return scale * (weight + pull) * miss(odds);
}

/** The gradient at the target, negated; `share` is what smoothing gives the others, ε - ε / C. */
export function error_of_target(scale: f64, odds: f64, weight: f64, share: f64, pull: f64): f64 {
  return scale * (weight * miss(odds) - share - pull / (1 + odds));
}

/** The gradient at the target. */
export function target_gradient(error: f64): f32 {
  return <f32>(0 - error); // 0 rather than -0 for a loss of 0
}

/** What the exponentials of the others, which sum to `sum`, are multiplied by to sum to `error`. */
export function row_factor(error: f64, sum: f64): f64 {
  return sum === 0 ? error : error / sum;
}
