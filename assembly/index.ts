/**
 * The whole ABI. Pointers are byte offsets into the exported memory; logits are of a `kind` (kinds.ts), or float32 like
 * probs, grad and the rest; targets are int32, row losses float32, row scales and class weights float64. Rows of
 * `classes` lie one after another, or for the kernels whose names end in `forward`, or begin with `cross_entropy`, as
 * `[outer, classes, stride]`, of which the first `inner` positions take part. No kernel allocates, and none writes to an input, but that a cross-entropy may
 * have something else in place of a target while its row is summed. Loops read ahead: 4096 bytes of memory have to lie
 * behind every array.
 */

export {
  error_of_others,
  error_of_target,
  log_sum_exp,
  miss,
  odds_against,
  row_factor,
  row_loss,
  target_gradient,
  target_loss,
} from "./cross-entropy";
export { cross_entropy_forward, cross_entropy_forward_backward } from "./cross-entropy-tile";
export { is_fused } from "./exp";
export { is_settled, row_exp_scaled, row_exp_sum, row_max, row_top } from "./exp-row";
export { exchange, mask_of, value_of } from "./half";
export {
  log_softmax_backward,
  log_sum_exp_of,
  row_dot,
  row_log_softmax,
  row_log_softmax_backward,
  row_softmax_backward,
  row_sum,
  softmax_backward,
  softmax_factor,
} from "./log-softmax";
export { log_softmax_forward, log_sum_exp_forward, softmax_forward } from "./log-softmax-tile";
export { heap_base } from "./memory";
export { kept_targets } from "./targets";
