import type { Backend } from "./backend.js";

/**
 * The backend in plain TypeScript: the formulas in double precision, for engines without WASM SIMD, and what the kernels
 * are checked against. A row's exponentials are relative to e^shift, with its maximum for the shift.
 */
export function scalarBackend(): Backend {
  return {
    name: "js",

    logSumExp(logits, lse, rows, classes) {
      for (let row = 0; row < rows; row++) {
        const { shift, log } = logSumExpOf(logits, row * classes, (row + 1) * classes);
        lse[row] = shift + log;
      }
    },

    logSoftmax(logits, logProbs, rows, classes) {
      for (let start = 0; start < rows * classes; start += classes) {
        const { shift, log } = logSumExpOf(logits, start, start + classes);
        // A row whose log-sum-exp is infinite has no log-softmax, also not where its logits are finite.
        const rest = Number.isFinite(log) ? log : Number.NaN;
        for (let i = start; i < start + classes; i++) logProbs[i] = at(logits, i) - shift - rest;
      }
    },

    softmax(logits, probs, rows, classes) {
      for (let start = 0; start < rows * classes; start += classes) {
        const end = start + classes;
        const shift = shiftOf(maximum(logits, start, end));
        const sum = exponentials(logits, probs, start, end, shift);
        scale(probs, start, end, Number.isFinite(sum) ? 1 / sum : Number.NaN);
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
          const { shift, log } = logSumExpOf(logits, row * classes, (row + 1) * classes, own);
          loss = lossOf(lagOf(shift, log, at(logits, own)));
        }
        if (losses) losses[row] = loss;
        total += loss;
      }
      return total;
    },

    crossEntropyBackward(logits, targets, ignoreIndex, scales, losses, grad, rows, classes) {
      let total = 0;
      for (let row = 0; row < rows; row++) {
        const start = row * classes;
        const end = start + classes;
        const target = at(targets, row);
        let loss = 0;
        if (target === ignoreIndex) {
          grad.fill(0, start, end);
        } else {
          // The target's own exponential stays out of the sum: near certainty the others are what counts.
          const own = start + target;
          const x = at(logits, own);
          const shift = shiftOf(maximum(logits, own + 1, end, maximum(logits, start, own)));
          const sum = exponentials(logits, grad, start, own, shift) + exponentials(logits, grad, own + 1, end, shift);
          const lag = lagOf(shift, Math.log(sum), x);
          const error = missOf(lag) * (typeof scales === "number" ? scales : at(scales, row));
          scale(grad, start, end, sum === 0 ? error : error / sum);
          grad[own] = 0 - error;
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

/** The log-sum-exp of [start, end) without the element `without`, as shift + log: added, huge logits would round log away. */
function logSumExpOf(
  logits: Float32Array,
  start: number,
  end: number,
  without = end,
): { readonly shift: number; readonly log: number } {
  const shift = shiftOf(maximum(logits, without + 1, end, maximum(logits, start, without)));
  const sum = expSum(logits, without + 1, end, shift, expSum(logits, start, without, shift, 0));
  return { shift, log: Math.log(sum) };
}

/** The largest of the logits in [from, to) and `max`. NaN is none, and shows in the sum. */
function maximum(logits: Float32Array, from: number, to: number, max = Number.NEGATIVE_INFINITY): number {
  for (let i = from; i < to; i++) {
    const x = at(logits, i);
    if (x > max) max = x;
  }
  return max;
}

/** No shift where the maximum is infinite: Infinity - Infinity would be NaN. */
function shiftOf(max: number): number {
  return Number.isFinite(max) ? max : 0;
}

/** `sum` + Σ e^(x - shift) over [from, to). */
function expSum(logits: Float32Array, from: number, to: number, shift: number, sum: number): number {
  for (let i = from; i < to; i++) sum += Math.exp(at(logits, i) - shift);
  return sum;
}

/** The same, from 0, with the exponentials written to `out`. */
function exponentials(logits: Float32Array, out: Float32Array, from: number, to: number, shift: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) {
    const e = Math.exp(at(logits, i) - shift);
    out[i] = e;
    sum += e;
  }
  return sum;
}

function scale(values: Float32Array, from: number, to: number, factor: number): void {
  for (let i = from; i < to; i++) values[i] = at(values, i) * factor;
}

/** How far the target lies behind the log-sum-exp of the others; NaN where one of them is NaN or +Infinity. */
function lagOf(shift: number, log: number, target: number): number {
  const lag = shift - target + log;
  return log === Number.POSITIVE_INFINITY || target === Number.POSITIVE_INFINITY ? Number.NaN : lag;
}

/** -log p of the target = log(1 + e^lag), without overflow and without loss where it is tiny. */
function lossOf(lag: number): number {
  return Math.max(lag, 0) + Math.log1p(Math.exp(-Math.abs(lag)));
}

/** 1 - p of the target = 1 / (1 + e^-lag) */
function missOf(lag: number): number {
  return lag < 0 ? Math.exp(lag) / (1 + Math.exp(lag)) : 1 / (1 + Math.exp(-lag));
}

function at(values: ArrayLike<number>, index: number): number {
  return values[index] as number;
}
