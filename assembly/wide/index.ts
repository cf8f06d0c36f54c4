/**
 * The whole ABI of the wide engine: every kernel but one in float64, on arrays of any kind, in a memory that another module
 * made. Pointers are byte offsets into it; `kind` and `resultKind` are those of kinds.ts, results being float32 or
 * float64. How rows lie is in tile.ts, what losses are in cross-entropy.ts, and how operands of elements are described in
 * elements.ts. Targets are int32, weights, scales and sums float64. No kernel allocates, and none writes to an input
 * but where the gradient takes its place, and that soft rows have something else in place of a logit while they are summed.
 */
export { binary_cross_entropy, binary_cross_entropy_with_logits } from "./binary";
export {
  cross_entropy_backward_wide,
  cross_entropy_soft_backward_wide,
  cross_entropy_soft_wide,
  cross_entropy_wide,
} from "./cross-entropy";
export { kl_divergence, kl_divergence_log_target } from "./kl-divergence";
export {
  log_softmax_backward_wide,
  log_softmax_wide,
  log_sum_exp_wide,
  softmax_backward_wide,
  softmax_wide,
} from "./log-softmax";
export { cross_entropy_soft_rows } from "./soft-rows";
export { take_lost } from "./sum";
