import type { Backend, Layout } from "./backend.js";

/**
 * The backend in plain TypeScript: the formulas in double precision, for engines without WASM SIMD, and what the
 * kernels are checked against. A row's exponentials are relative to e^shift, with its maximum for the shift.
 */
export function scalarBackend(): Backend {
  return {
    name: "js",

    logSumExp(logits, lse, layout) {
      eachRow(layout, (row, start, end, step) => {
        const { shift, log } = logSumExpOf(logits, start, end, step);
        lse[row] = shift + log;
      });
    },

    logSoftmax(logits, logProbs, layout) {
      eachRow(layout, (_row, start, end, step) => {
        const { shift, log } = logSumExpOf(logits, start, end, step);
        // A row whose log-sum-exp is infinite has no log-softmax, also not where its logits are finite.
        const rest = Number.isFinite(log) ? log : Number.NaN;
        for (let i = start; i < end; i += step) logProbs[i] = at(logits, i) - shift - rest;
      });
    },

    softmax(logits, probs, layout) {
      eachRow(layout, (_row, start, end, step) => {
        const shift = shiftOf(maximum(logits, start, end, step));
        const sum = exponentials(logits, probs, start, end, step, shift);
        scale(probs, start, end, step, Number.isFinite(sum) ? 1 / sum : Number.NaN);
      });
    },

    logSoftmaxBackward(gradOutput, logProbs, grad, layout) {
      eachRow(layout, (_row, start, end, step) => {
        let sum = 0;
        for (let i = start; i < end; i += step) sum += at(gradOutput, i);
        for (let i = start; i < end; i += step) grad[i] = at(gradOutput, i) - Math.exp(at(logProbs, i)) * sum;
      });
    },

    softmaxBackward(gradOutput, probs, grad, layout) {
      eachRow(layout, (_row, start, end, step) => {
        let dot = 0;
        for (let i = start; i < end; i += step) dot += at(gradOutput, i) * at(probs, i);
        for (let i = start; i < end; i += step) grad[i] = at(probs, i) * (at(gradOutput, i) - dot);
      });
    },

    crossEntropy(logits, { data, ignoreIndex }, losses, layout) {
      let total = 0;
      eachRow(layout, (row, start, end, step) => {
        const target = at(data, row);
        let loss = 0;
        if (target !== ignoreIndex) {
          const own = start + target * step;
          const { shift, log } = logSumExpOf(logits, start, end, step, own);
          loss = lossOf(lagOf(shift, log, at(logits, own)));
        }
        if (losses) losses[row] = loss;
        total += loss;
      });
      return total;
    },

    crossEntropyBackward(logits, { data, ignoreIndex }, scales, losses, grad, layout) {
      let total = 0;
      eachRow(layout, (row, start, end, step) => {
        const target = at(data, row);
        let loss = 0;
        if (target === ignoreIndex) {
          for (let i = start; i < end; i += step) grad[i] = 0;
        } else {
          // The target's own exponential stays out of the sum: near certainty the others are what counts.
          const own = start + target * step;
          const behind = own + step;
          const x = at(logits, own);
          const shift = shiftOf(maximum(logits, behind, end, step, maximum(logits, start, own, step)));
          const sum =
            exponentials(logits, grad, start, own, step, shift) + exponentials(logits, grad, behind, end, step, shift);
          const lag = lagOf(shift, Math.log(sum), x);
          const error = missOf(lag) * (typeof scales === "number" ? scales : at(scales, row));
          scale(grad, start, end, step, sum === 0 ? error : error / sum);
          grad[own] = 0 - error;
          loss = lossOf(lag);
        }
        if (losses) losses[row] = loss;
        total += loss;
      });
      return total;
    },

    allocate(length) {
      const values = new Float32Array(length);
      return { view: () => values, release() {} };
    },
  };
}

/** Visits the rows in order: their classes lie from `start` to below `end`, `step` apart. */
function eachRow(
  { outer, classes, inner }: Layout,
  visit: (row: number, start: number, end: number, step: number) => void,
): void {
  const length = classes * inner;
  for (let row = 0, block = 0; block < outer; block++) {
    for (let start = block * length; start < block * length + inner; start++, row++) {
      visit(row, start, start + length, inner);
    }
  }
}

/** The log-sum-exp of a row without the element `without`, as shift + log: added, huge logits would round log away. */
function logSumExpOf(
  logits: Float32Array,
  start: number,
  end: number,
  step: number,
  without = end,
): { readonly shift: number; readonly log: number } {
  const behind = without + step;
  const shift = shiftOf(maximum(logits, behind, end, step, maximum(logits, start, without, step)));
  const sum = expSum(logits, behind, end, step, shift, expSum(logits, start, without, step, shift, 0));
  return { shift, log: Math.log(sum) };
}

/** The largest of the logits in [from, to) and `max`. NaN is none, and shows in the sum. */
function maximum(logits: Float32Array, from: number, to: number, step: number, max = Number.NEGATIVE_INFINITY): number {
  for (let i = from; i < to; i += step) {
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
function expSum(logits: Float32Array, from: number, to: number, step: number, shift: number, sum: number): number {
  for (let i = from; i < to; i += step) sum += Math.exp(at(logits, i) - shift);
  return sum;
}

/** The same, from 0, with the exponentials written to `out`. */
function exponentials(
  logits: Float32Array,
  out: Float32Array,
  from: number,
  to: number,
  step: number,
  shift: number,
): number {
  let sum = 0;
  for (let i = from; i < to; i += step) {
    const e = Math.exp(at(logits, i) - shift);
    out[i] = e;
    sum += e;
  }
  return sum;
}

function scale(values: Float32Array, from: number, to: number, step: number, factor: number): void {
  for (let i = from; i < to; i += step) values[i] = at(values, i) * factor;
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
