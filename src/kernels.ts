type Forward = (
  x: number,
  kind: number,
  y: number,
  rows: number,
  classes: number,
  inner: number,
  stride: number,
  spare: number,
) => void;
type Backward = (gradOutput: number, y: number, grad: number, rows: number, classes: number) => void;

/** The exports of a binary for float32: see assembly/index.ts. Pointers are byte offsets into the memory. */
export type Kernels = {
  readonly memory: WebAssembly.Memory;
  is_fused(): number;
  heap_base(): number;

  log_softmax_backward: Backward;
  softmax_backward: Backward;
  kept_targets(targets: number, n: number, classes: number, ignoreIndex: number): number;
  log_sum_exp_forward: Forward;
  log_softmax_forward: Forward;
  softmax_forward: Forward;
  cross_entropy_forward(
    logits: number,
    kind: number,
    targets: number,
    weights: number,
    losses: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
    ignoreIndex: number,
    smoothing: number,
    zLoss: number,
    total: number,
    spare: number,
  ): number;
  cross_entropy_forward_backward(
    logits: number,
    kind: number,
    targets: number,
    weights: number,
    scales: number,
    losses: number,
    grad: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
    ignoreIndex: number,
    scaleStride: number,
    smoothing: number,
    zLoss: number,
    total: number,
    spare: number,
  ): number;

  exchange(place: number, kind: number, bits: number): number;
  mask_of(kind: number): number;
  value_of(bits: number, kind: number): number;
  row_max(logits: number, kind: number, n: number): number;
  row_top(logits: number, kind: number, n: number): number;
  is_settled(top: number, sum: number): number;
  row_exp_sum(logits: number, kind: number, n: number, max: number, sum: number): number;
  row_exp_scaled(
    logits: number,
    kind: number,
    out: number,
    n: number,
    max: number,
    factor: number,
    offset: number,
  ): void;
  row_log_softmax(logits: number, kind: number, logProbs: number, n: number, max: number, sum: number): void;
  row_sum(values: number, kind: number, n: number, shift: number, sum: number): number;
  row_dot(a: number, b: number, n: number, sum: number): number;
  row_log_softmax_backward(gradOutput: number, logProbs: number, grad: number, n: number, sum: number): void;
  row_softmax_backward(gradOutput: number, probs: number, grad: number, n: number, dot: number): void;
  log_sum_exp_of(max: number, sum: number): number;
  softmax_factor(sum: number): number;
  odds_against(max: number, sum: number, target: number): number;
  target_loss(odds: number, max: number, sum: number, target: number): number;
  miss(odds: number): number;
  log_sum_exp(odds: number, nll: number, max: number, sum: number, target: number): number;
  row_loss(nll: number, mean: number, lse: number, weight: number, smoothing: number, zLoss: number): number;
  error_of_others(scale: number, odds: number, weight: number, pull: number): number;
  error_of_target(scale: number, odds: number, weight: number, share: number, pull: number): number;
  target_gradient(error: number): number;
  row_factor(error: number, sum: number): number;
};

type WideForward = (
  x: number,
  kind: number,
  y: number,
  resultKind: number,
  rows: number,
  classes: number,
  inner: number,
  stride: number,
) => void;
type WideBackward = (
  gradOutput: number,
  gradKind: number,
  y: number,
  kind: number,
  grad: number,
  resultKind: number,
  rows: number,
  classes: number,
  inner: number,
  stride: number,
) => void;
type WideElementwise = (operands: number, n: number, total: number) => number;

/** The exports of the binary for float64, soft targets and all other terms: see assembly/wide/index.ts. */
export type WideKernels = {
  take_lost(): number;
  log_sum_exp_wide: WideForward;
  log_softmax_wide: WideForward;
  softmax_wide: WideForward;
  log_softmax_backward_wide: WideBackward;
  softmax_backward_wide: WideBackward;
  cross_entropy_wide(
    logits: number,
    kind: number,
    targets: number,
    weights: number,
    losses: number,
    resultKind: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
    ignoreIndex: number,
    smoothing: number,
    zLoss: number,
    softcap: number,
    total: number,
  ): number;
  cross_entropy_backward_wide(
    logits: number,
    kind: number,
    targets: number,
    weights: number,
    scales: number,
    scaleStride: number,
    losses: number,
    grad: number,
    resultKind: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
    ignoreIndex: number,
    smoothing: number,
    zLoss: number,
    softcap: number,
    total: number,
  ): number;
  cross_entropy_soft_wide(
    logits: number,
    kind: number,
    soft: number,
    softKind: number,
    weights: number,
    losses: number,
    resultKind: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
    smoothing: number,
    zLoss: number,
    softcap: number,
    total: number,
  ): number;
  cross_entropy_soft_backward_wide(
    logits: number,
    kind: number,
    soft: number,
    softKind: number,
    weights: number,
    scales: number,
    scaleStride: number,
    losses: number,
    grad: number,
    resultKind: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
    smoothing: number,
    zLoss: number,
    softcap: number,
    total: number,
  ): number;
  cross_entropy_soft_rows(
    logits: number,
    soft: number,
    scales: number,
    scaleStride: number,
    losses: number,
    grad: number,
    rows: number,
    classes: number,
    smoothing: number,
    zLoss: number,
    total: number,
  ): number;
  binary_cross_entropy: WideElementwise;
  binary_cross_entropy_with_logits: WideElementwise;
  kl_divergence: WideElementwise;
  kl_divergence_log_target: WideElementwise;
};
