import type {
  BinaryCrossEntropyGradOptions,
  BinaryCrossEntropyOptions,
  BinaryCrossEntropyWithLogitsGradOptions,
  BinaryCrossEntropyWithLogitsOptions,
} from "./binary-cross-entropy.js";
import { type Core, createCore } from "./core.js";
import type { CrossEntropyGradOptions, CrossEntropyOptions } from "./cross-entropy.js";
import type { FloatArrayLike } from "./floats.js";
import type { KlDivergenceGradOptions, KlDivergenceOptions } from "./kl-divergence.js";
import type { SoftmaxOptions } from "./log-softmax.js";
import type { NllLossGradOptions, NllLossOptions } from "./nll-loss.js";
import type { ClassTargets, SoftTargets } from "./targets.js";
import type { Tensor } from "./tensor.js";

/** The core behind the functions below, made by the first call of one. */
let shared: Core | undefined;

function sharedCore(): Core {
  shared ??= createCore();
  return shared;
}

/**
 * Log-softmax over the class axis: `logProbs = x - log Σ e^x`, in nats, as `torch.nn.functional.log_softmax`.
 *
 * Within two units in the last place of its size, or 1e-6; for float64 within 1e-14. A row with NaN, with +Infinity or
 * of only -Infinity is NaN; -Infinity beside finite logits stays -Infinity.
 *
 * @param x Logits `[…, classes]`: a float array (one row, unless `options.shape` says otherwise) or a tensor of one.
 * @param options `shape` and `axis` of a bare array, the last axis being the classes' by default, and `out`.
 * @returns A fresh array laid out like `x`, or the array of `options.out`: float64 for float64, else float32.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * console.log(logSoftmax(new Float32Array([0, 0]))); // Float32Array(2) [ -0.693147, -0.693147 ]
 */
export const logSoftmax: Core["logSoftmax"] = (x, options?: SoftmaxOptions) => sharedCore().logSoftmax(x, options);

/**
 * Softmax over the class axis: `probs = e^x / Σ e^x`, as `torch.nn.functional.softmax`.
 *
 * Within 6e-7 of each probability, however small; for float64 within 1e-14. NaN and infinities as in `logSoftmax`;
 * -Infinity beside finite logits is probability 0.
 *
 * @param x Logits `[…, classes]`: a float array (one row, unless `options.shape` says otherwise) or a tensor of one.
 * @param options `shape` and `axis` of a bare array, the last axis being the classes' by default, and `out`.
 * @returns A fresh array laid out like `x`, or the array of `options.out`: float64 for float64, else float32.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * console.log(softmax(new Float32Array([0, 0, -Infinity]))); // Float32Array(3) [ 0.5, 0.5, 0 ]
 */
export const softmax: Core["softmax"] = (x, options?: SoftmaxOptions) => sharedCore().softmax(x, options);

/**
 * Log-sum-exp over the class axis: `log Σ e^x`, in nats, as `torch.logsumexp`: a row of only -Infinity gives -Infinity,
 * one with +Infinity gives +Infinity, one with NaN gives NaN.
 *
 * @param x Logits `[…, classes]`: a float array (one row, unless `options.shape` says otherwise) or a tensor of one.
 * @param options `shape` and `axis` of a bare array, the last axis being the classes' by default, and `out`.
 * @returns One value a row, in a fresh array or that of `options.out`: float64 for float64, else float32.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * console.log(logSumExp(new Float32Array([0, 0, 5, 5]), { shape: [2, 2] })); // Float32Array(2) [ 0.693147, 5.693147 ]
 */
export const logSumExp: Core["logSumExp"] = (x, options?: SoftmaxOptions) => sharedCore().logSumExp(x, options);

/**
 * The gradient with respect to the input of `logSoftmax`: `g - e^logProbs · Σ g` over the class axis, what PyTorch's
 * autograd gives. Within 6e-7 of its terms, the difference of which it is; NaN spreads over its row.
 *
 * @param gradOutput The gradient g with respect to the result, laid out like `logProbs`.
 * @param logProbs The result of `logSoftmax`, `[…, classes]`. Where neither it nor the gradient has a shape, one row.
 * @param options `shape` and `axis` of bare arrays, the last axis being the classes' by default, and `out`.
 * @returns A fresh array laid out like `logProbs`, or the array of `options.out`: float64 for float64, else float32.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * const logProbs = logSoftmax(new Float32Array([0, 0]));
 * console.log(logSoftmaxGrad(new Float32Array([1, 0]), logProbs)); // Float32Array(2) [ 0.5, -0.5 ]
 */
export const logSoftmaxGrad: Core["logSoftmaxGrad"] = (gradOutput, logProbs, options?: SoftmaxOptions) =>
  sharedCore().logSoftmaxGrad(gradOutput, logProbs, options);

/**
 * The gradient with respect to the input of `softmax`: `probs · (g - Σ g · probs)` over the class axis, what PyTorch's
 * autograd gives. Within 6e-7 of its terms, the difference of which it is; NaN spreads over its row.
 *
 * @param gradOutput The gradient g with respect to the result, laid out like `probs`.
 * @param probs The result of `softmax`, `[…, classes]`. Where neither it nor the gradient has a shape, one row.
 * @param options `shape` and `axis` of bare arrays, the last axis being the classes' by default, and `out`.
 * @returns A fresh array laid out like `probs`, or the array of `options.out`: float64 for float64, else float32.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * const probs = softmax(new Float32Array([0, 0]));
 * console.log(softmaxGrad(new Float32Array([1, 0]), probs)); // Float32Array(2) [ 0.25, -0.25 ]
 */
export const softmaxGrad: Core["softmaxGrad"] = (gradOutput, probs, options?: SoftmaxOptions) =>
  sharedCore().softmaxGrad(gradOutput, probs, options);

/**
 * Cross-entropy of logits and targets: the mean over the rows of `log Σ e^x - x[target]`, or for soft targets y of
 * `-Σ y · logSoftmax(x)`, in nats, as `torch.nn.functional.cross_entropy`.
 *
 * Reduced losses are summed in float64 and good to 3e-7 of their size (float64: 1e-14), also near certainty, where the
 * loss is `log1p(Σ_{j≠y} e^(x_j - x_y))`. With weights w and smoothing ε a row of class y costs
 * `(1-ε) · w_y · nll_y + ε/C · Σ w_c · nll_c`, and a mean is over Σ w_y; soft targets become `y(1-ε) + ε/C`, cost
 * `Σ w_c · y_c · nll_c`, and a mean is over the rows. `zLoss` adds `zLoss · logSumExp²` (PaLM, Chowdhery et al. 2022),
 * `softcap` bends logits to `c · tanh(x / c)` first (Gemma 2).
 *
 * A row whose class target is `ignoreIndex` counts for nothing, whatever its logits; where all are ignored the mean is
 * NaN, unless a `normalizer` is given, and the sum 0. A row with NaN, with +Infinity or of only -Infinity gives NaN. A
 * masked class (-Infinity) has probability 0; as a target, or with a soft or smoothed mass, it costs Infinity, and with
 * a soft mass or a weight of 0 NaN, as in PyTorch.
 *
 * @param logits `[…, classes]`: a float array (of targets.length rows, or with soft targets one row, unless
 * `options.shape` says otherwise) or a tensor of one.
 * @param targets One class a row: integers of any kind, or a tensor of them. Or soft targets: a float array or tensor
 * laid out like the logits, whose rows need not sum to 1.
 * @param options `reduction`, `weight` (`[classes]`), `ignoreIndex`, `labelSmoothing`, `zLoss`, `softcap`, `normalizer`
 * (for `"mean"`), `out` (for `"none"`), `shape` and `axis`.
 * @returns A number, or for reduction `"none"` one loss a row.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * const logits = new Float32Array([2, 0, 0, 30]);
 * console.log(crossEntropy(logits, [0, 1])); // 0.063464
 * console.log(crossEntropy(logits, [0, 1], { reduction: "none" })); // Float32Array(2) [ 0.126928, 9.35762e-14 ]
 * console.log(crossEntropy(logits, [0, 1], { labelSmoothing: 0.1 })); // 0.863464
 * console.log(crossEntropy(logits, new Float32Array([0.5, 0.5, 0, 1]), { shape: [2, 2] })); // 0.563464
 */
export const crossEntropy = ((logits: FloatArrayLike, targets: ClassTargets, options?: CrossEntropyOptions) =>
  sharedCore().crossEntropy(logits, targets, options)) as Core["crossEntropy"];

/**
 * `crossEntropy`, and with it, in one call, the gradient with respect to the logits:
 * `gradOutput · (softmax(x) - onehot(target)) / n`, where n is what a mean divides by, and 1 for `"sum"` and `"none"`.
 * For masses a = w · y it is `softmax(x) · Σ a - a`, which does not assume that they sum to 1; `zLoss` adds
 * `2 · zLoss · logSumExp · softmax(x)`, and `softcap` multiplies by `1 - tanh²(x / c)`.
 *
 * It is 0 for an ignored row. At the likeliest class it is a sum over the others, which is exact near certainty too;
 * every element is within 6e-7 of its size, or 1e-38 (float64: 1e-14). With soft targets, label smoothing or a z-loss it
 * is a difference, `softmax(x) · Σ a` less `a`, and within that of these two.
 *
 * @param logits `[…, classes]`: a float array (of targets.length rows, or with soft targets one row, unless
 * `options.shape` says otherwise) or a tensor of one.
 * @param targets One class a row, or soft targets laid out like the logits, as for `crossEntropy`.
 * @param options As for `crossEntropy`, but that `out` is where the gradient goes, and `gradOutput`.
 * @returns The loss as `crossEntropy` returns it, and the gradient: fresh, or in the array of `options.out`.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * const { loss, grad } = crossEntropyWithGrad(new Float32Array([0, 0]), [1]);
 * console.log(loss); // 0.693147
 * console.log(grad); // Float32Array(2) [ 0.5, -0.5 ]
 */
export const crossEntropyWithGrad = ((
  logits: FloatArrayLike,
  targets: ClassTargets | SoftTargets,
  options?: CrossEntropyGradOptions,
) => sharedCore().crossEntropyWithGrad(logits, targets, options)) as Core["crossEntropyWithGrad"];

/**
 * Negative log-likelihood of log-probabilities and class targets: the mean of `-w[target] · logProbs[target]`, divided
 * by the targets' weights, in nats, as `torch.nn.functional.nll_loss`. After a `logSoftmax` it is the cross-entropy,
 * which `crossEntropy` computes at once and with more care near certainty.
 *
 * @param logProbs `[…, classes]`: a float array (of targets.length rows, unless `options.shape` says otherwise) or a
 * tensor of one.
 * @param targets One class a row: integers of any kind, or a tensor of them.
 * @param options `reduction`, `weight` (`[classes]`), `ignoreIndex`, `normalizer` (for `"mean"`), `out` (for `"none"`),
 * `shape` and `axis`.
 * @returns A number, or for reduction `"none"` one loss a row.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * const logProbs = logSoftmax(new Float32Array([2, 0, 0, 3]), { shape: [2, 2] });
 * console.log(nllLoss(logProbs, [0, 1])); // 0.087758
 * console.log(nllLoss(logProbs, [0, 1], { reduction: "none" })); // Float32Array(2) [ 0.126928, 0.048587 ]
 */
export const nllLoss = ((logProbs: FloatArrayLike, targets: ClassTargets, options?: NllLossOptions) =>
  sharedCore().nllLoss(logProbs, targets, options)) as Core["nllLoss"];

/**
 * `nllLoss`, and the gradient with respect to the log-probabilities: `-gradOutput · w[target] / n` at the target, where
 * n is what a mean divides by, and 0 elsewhere.
 *
 * @param logProbs `[…, classes]`, as for `nllLoss`.
 * @param targets One class a row.
 * @param options As for `nllLoss`, but that `out` is where the gradient goes, and `gradOutput`.
 * @returns The loss as `nllLoss` returns it, and the gradient: fresh, or in the array of `options.out`.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * const { loss, grad } = nllLossWithGrad(new Float32Array([-0.5, -1, -2, -0.25]), [0, 1]);
 * console.log(loss); // 0.375
 * console.log(grad); // Float32Array(4) [ -0.5, 0, 0, -0.5 ]
 */
export const nllLossWithGrad = ((logProbs: FloatArrayLike, targets: ClassTargets, options?: NllLossGradOptions) =>
  sharedCore().nllLossWithGrad(logProbs, targets, options)) as Core["nllLossWithGrad"];

/**
 * Binary cross-entropy of probabilities p and targets y: the mean over the elements of
 * `-w · (y · log p + (1-y) · log(1-p))`, in nats, each logarithm at least -100, as
 * `torch.nn.functional.binary_cross_entropy`. Good to 3e-7 of its size, also where p is tiny (float64: 1e-14).
 *
 * @param probs A float array or a tensor of one; what lies outside [0, 1] gives NaN.
 * @param targets As many numbers, each the mass of the first of the two classes.
 * @param options `reduction`, `weight` (one number, one for each of the last axis, or one an element), `normalizer` (for
 * `"mean"`), `out` (for `"none"`) and `shape`.
 * @returns A number, or for reduction `"none"` one loss an element.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * console.log(binaryCrossEntropy(new Float32Array([0.5, 1e-20]), new Float32Array([1, 0]))); // 0.346574
 * console.log(binaryCrossEntropy(new Float32Array([0, 1]), new Float32Array([1, 1]), { reduction: "sum" })); // 100
 */
export const binaryCrossEntropy = ((
  probs: FloatArrayLike,
  targets: FloatArrayLike,
  options?: BinaryCrossEntropyOptions,
) => sharedCore().binaryCrossEntropy(probs, targets, options)) as Core["binaryCrossEntropy"];

/**
 * `binaryCrossEntropy`, and the gradient with respect to the probabilities: `gradOutput · w · (p - y) / (p · (1-p)) / n`,
 * the denominator at least 1e-12, as PyTorch has it.
 *
 * @param probs A float array or a tensor of one.
 * @param targets As many numbers.
 * @param options As for `binaryCrossEntropy`, but that `out` is where the gradient goes, and `gradOutput`.
 * @returns The loss as `binaryCrossEntropy` returns it, and the gradient: fresh, or in the array of `options.out`.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * const { loss, grad } = binaryCrossEntropyWithGrad(new Float32Array([0.5, 0.25]), new Float32Array([1, 0]));
 * console.log(loss); // 0.490415
 * console.log(grad); // Float32Array(2) [ -1, 0.666667 ]
 */
export const binaryCrossEntropyWithGrad = ((
  probs: FloatArrayLike,
  targets: FloatArrayLike,
  options?: BinaryCrossEntropyGradOptions,
) => sharedCore().binaryCrossEntropyWithGrad(probs, targets, options)) as Core["binaryCrossEntropyWithGrad"];

/**
 * Binary cross-entropy of logits x and targets y, p being the sigmoid of x: the mean over the elements of
 * `w · (posWeight · y · log(1 + e^-x) + (1-y) · log(1 + e^x))`, in nats, as
 * `torch.nn.functional.binary_cross_entropy_with_logits`. Nothing cancels: a loss of 1e-12 comes out as 1e-12.
 *
 * @param logits A float array or a tensor of one.
 * @param targets As many numbers, each the mass of the first of the two classes.
 * @param options `reduction`, `weight` and `posWeight` (each one number, one for each of the last axis, or one an
 * element), `normalizer` (for `"mean"`), `out` (for `"none"`) and `shape`.
 * @returns A number, or for reduction `"none"` one loss an element.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * console.log(binaryCrossEntropyWithLogits(new Float32Array([30]), new Float32Array([1]))); // 9.35762e-14
 * console.log(binaryCrossEntropyWithLogits(new Float32Array([0, 0]), new Float32Array([1, 0]), { posWeight: 3 })); // 1.386294
 */
export const binaryCrossEntropyWithLogits = ((
  logits: FloatArrayLike,
  targets: FloatArrayLike,
  options?: BinaryCrossEntropyWithLogitsOptions,
) => sharedCore().binaryCrossEntropyWithLogits(logits, targets, options)) as Core["binaryCrossEntropyWithLogits"];

/**
 * `binaryCrossEntropyWithLogits`, and the gradient with respect to the logits:
 * `gradOutput · w · ((1-y) · sigmoid(x) - posWeight · y · sigmoid(-x)) / n`.
 *
 * @param logits A float array or a tensor of one.
 * @param targets As many numbers.
 * @param options As for `binaryCrossEntropyWithLogits`, but that `out` is where the gradient goes, and `gradOutput`.
 * @returns The loss as `binaryCrossEntropyWithLogits` returns it, and the gradient: fresh, or in the array of
 * `options.out`.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * const { loss, grad } = binaryCrossEntropyWithLogitsWithGrad(new Float32Array([0, 0]), new Float32Array([1, 0]));
 * console.log(loss); // 0.693147
 * console.log(grad); // Float32Array(2) [ -0.25, 0.25 ]
 */
export const binaryCrossEntropyWithLogitsWithGrad = ((
  logits: FloatArrayLike,
  targets: FloatArrayLike,
  options?: BinaryCrossEntropyWithLogitsGradOptions,
) =>
  sharedCore().binaryCrossEntropyWithLogitsWithGrad(
    logits,
    targets,
    options,
  )) as Core["binaryCrossEntropyWithLogitsWithGrad"];

/**
 * Kullback–Leibler divergence of log-probabilities and probabilities: the terms `p · (log p - logQ)`, in nats, as
 * `torch.nn.functional.kl_div`: `"mean"` is over the elements, `"batchmean"` the sum over the first axis' size, which
 * is the mean divergence of its rows. 0 · log 0 is 0; p = 0 where logQ is -Infinity is NaN, as in PyTorch.
 *
 * @param logQ The model's log-probabilities: a float array or a tensor of one.
 * @param p As many probabilities, or with `logTarget` log-probabilities.
 * @param options `reduction`, `logTarget`, `normalizer` (for the means), `out` (for `"none"`) and `shape`.
 * @returns A number, or for reduction `"none"` one term an element.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * const logQ = logSoftmax(new Float32Array([0, 0]));
 * console.log(klDivergence(logQ, new Float32Array([1, 0]), { reduction: "sum" })); // 0.693147
 */
export const klDivergence = ((logQ: FloatArrayLike, p: FloatArrayLike, options?: KlDivergenceOptions) =>
  sharedCore().klDivergence(logQ, p, options)) as Core["klDivergence"];

/**
 * `klDivergence`, and the gradient with respect to `logQ`: `-gradOutput · p / n`.
 *
 * @param logQ The model's log-probabilities: a float array or a tensor of one.
 * @param p As many probabilities, or with `logTarget` log-probabilities.
 * @param options As for `klDivergence`, but that `out` is where the gradient goes, and `gradOutput`.
 * @returns The loss as `klDivergence` returns it, and the gradient: fresh, or in the array of `options.out`.
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a wrong value; nothing is written then.
 *
 * @example
 * const logQ = logSoftmax(new Float32Array([0, 0]));
 * const { loss, grad } = klDivergenceWithGrad(logQ, new Float32Array([1, 0]), { shape: [1, 2], reduction: "batchmean" });
 * console.log(loss); // 0.693147
 * console.log(grad); // Float32Array(2) [ -1, 0 ]
 */
export const klDivergenceWithGrad = ((logQ: FloatArrayLike, p: FloatArrayLike, options?: KlDivergenceGradOptions) =>
  sharedCore().klDivergenceWithGrad(logQ, p, options)) as Core["klDivergenceWithGrad"];

/**
 * A tensor of zeros in the memory of the shared core: what the functions read from it and write to it (`out`) is not
 * copied. Dispose of it when done.
 *
 * @throws TypeError or RangeError for a shape that is none, or too large for the memory.
 *
 * @example
 * const logits = tensor([2, 3]);
 * logits.data.set([1, 2, 3, 4, 5, 6]);
 * console.log(crossEntropy(logits, [2, 2])); // 0.407606
 * logits.dispose();
 */
export function tensor(shape: readonly number[]): Tensor {
  return sharedCore().tensor(shape);
}
