import type { Backend } from "./backend.js";

/**
 * The backend in plain TypeScript: the formulas in double precision, for engines without WASM SIMD and as the
 * specification that the kernels are checked against.
 */
export function scalarBackend(): Backend {
  return {
    name: "js",

    logSumExp(logits, lse, rows, classes) {
      for (let row = 0; row < rows; row++) lse[row] = logSumExpOf(logits, row * classes, classes);
    },

    logSoftmax(logits, logProbs, rows, classes) {
      for (let start = 0; start < rows * classes; start += classes) {
        const lse = logSumExpOf(logits, start, classes);
        // An infinite lse is no normaliser: Infinity - Infinity leaves NaN, and so must what is finite.
        const shift = Number.isFinite(lse) ? lse : Number.NaN;
        for (let i = start; i < start + classes; i++) logProbs[i] = at(logits, i) - shift;
      }
    },

    softmax(logits, probs, rows, classes) {
      for (let start = 0; start < rows * classes; start += classes) {
        const max = maximum(logits, start, classes);
        let sum = 0;
        for (let i = start; i < start + classes; i++) sum += Math.exp(at(logits, i) - max);
        for (let i = start; i < start + classes; i++) probs[i] = Math.exp(at(logits, i) - max) / sum;
      }
    },

    logSoftmaxBackward(gradOutput, logProbs, grad, rows, classes) {
      for (let start = 0; start < rows * classes; start += classes) {
        let sum = 0;
        for (let i = start; i < start + classes; i++) sum += at(gradOutput, i);
        for (let i = start; i < start + classes; i++) grad[i] = at(gradOutput, i) - Math.exp(at(logProbs, i)) * sum;
      }
    },

    softmaxBackward(gradOutput, probs, grad, rows, classes) {
      for (let start = 0; start < rows * classes; start += classes) {
        let dot = 0;
        for (let i = start; i < start + classes; i++) dot += at(gradOutput, i) * at(probs, i);
        for (let i = start; i < start + classes; i++) grad[i] = at(probs, i) * (at(gradOutput, i) - dot);
      }
    },

    crossEntropy(logits, targets, ignoreIndex, losses, rows, classes) {
      let total = 0;
      for (let row = 0; row < rows; row++) {
        const target = at(targets, row);
        let loss = 0;
        if (target !== ignoreIndex) {
          const own = row * classes + target;
          loss = lossOf(lagOf(logSumExpOf(logits, row * classes, classes, own), at(logits, own)));
        }
        if (losses) losses[row] = loss;
        total += loss;
      }
      return total;
    },

    crossEntropyBackward(logits, targets, ignoreIndex, scale, losses, grad, rows, classes) {
      let total = 0;
      for (let row = 0; row < rows; row++) {
        const start = row * classes;
        const target = at(targets, row);
        let loss = 0;
        if (target === ignoreIndex) {
          grad.fill(0, start, start + classes);
        } else {
          const others = logSumExpOf(logits, start, classes, start + target);
          const lag = lagOf(others, at(logits, start + target));
          // 1 - p of the target, which the others share in proportion to their exponentials.
          const miss = lag < 0 ? Math.exp(lag) / (1 + Math.exp(lag)) : 1 / (1 + Math.exp(-lag));
          const factor = miss * (typeof scale === "number" ? scale : at(scale, row));
          const reference = others === Number.NEGATIVE_INFINITY ? 0 : others;
          for (let i = start; i < start + classes; i++) grad[i] = Math.exp(at(logits, i) - reference) * factor;
          grad[start + target] = 0 - factor;
          loss = lossOf(lag);
        }
        if (losses) losses[row] = loss;
        total += loss;
      }
      return total;
    },

    allocate(length) {
      const values = new Float32Array(length);
      return { view: () => values, release() {} };
    },
  };
}

/** log Σ e^x over the row at `start`, the element `without` left out. */
function logSumExpOf(logits: Float32Array, start: number, classes: number, without = -1): number {
  const max = maximum(logits, start, classes, without);
  if (!Number.isFinite(max)) return max;
  let sum = 0;
  for (let i = start; i < start + classes; i++) if (i !== without) sum += Math.exp(at(logits, i) - max);
  return max + Math.log(sum);
}

/** The largest logit of the row at `start`; NaN where there is one. */
function maximum(logits: Float32Array, start: number, classes: number, without = -1): number {
  let max = Number.NEGATIVE_INFINITY;
  for (let i = start; i < start + classes; i++) if (i !== without) max = Math.max(max, at(logits, i));
  return max;
}

/** How far the target lies behind the log-sum-exp of the others; NaN where either is +Infinity or NaN. */
function lagOf(others: number, target: number): number {
  return others === Number.POSITIVE_INFINITY || target === Number.POSITIVE_INFINITY ? Number.NaN : others - target;
}

/** -log p of the target = log(1 + e^lag), without overflow and without loss where it is tiny. */
function lossOf(lag: number): number {
  return Math.max(lag, 0) + Math.log1p(Math.exp(-Math.abs(lag)));
}

function at(values: ArrayLike<number>, index: number): number {
  return values[index] as number;
}
