import type { Backend, ClassIndices, Targets, Terms } from "./backend.js";
import { numbersOf, type ResultArray } from "./floats.js";
import { elementwise } from "./scalar-elementwise.js";
import { at, eachRow } from "./scalar-rows.js";
import { crossEntropyOfTerms } from "./scalar-terms.js";
import { Sum } from "./sum.js";
import { keptTargets } from "./targets.js";

/**
 * The backend in plain TypeScript: the formulas in double precision, for engines without WASM SIMD, and what the
 * kernels are checked against. A row's exponentials are relative to e^shift, with its maximum for the shift.
 */
export function scalarBackend(): Backend {
  return {
    name: "js",

    logSumExp(x, lse, layout) {
      const numbers = numbersOf(x);
      eachRow(layout, (row, start, end, step) => {
        const { shift, log } = logSumExpOf(numbers, start, end, step);
        lse[row] = shift + log;
      });
    },

    logSoftmax(x, logProbs, layout) {
      const numbers = numbersOf(x);
      eachRow(layout, (_row, start, end, step) => {
        const { shift, log } = logSumExpOf(numbers, start, end, step);
        // A row whose log-sum-exp is infinite has no log-softmax, also not where its logits are finite.
        const rest = Number.isFinite(log) ? log : Number.NaN;
        for (let i = start; i < end; i += step) logProbs[i] = at(numbers, i) - shift - rest;
      });
    },

    softmax(x, probs, layout) {
      const numbers = numbersOf(x);
      eachRow(layout, (_row, start, end, step) => {
        const shift = shiftOf(maximum(numbers, start, end, step));
        const sums = new Sum();
        exponentials(numbers, probs, start, end, step, shift, sums);
        const sum = sums.value;
        scale(probs, start, end, step, Number.isFinite(sum) ? 1 / sum : Number.NaN);
      });
    },

    logSoftmaxBackward(gradOutput, logProbs, grad, layout) {
      const g = numbersOf(gradOutput);
      const y = numbersOf(logProbs);
      eachRow(layout, (_row, start, end, step) => {
        const sum = new Sum();
        for (let i = start; i < end; i += step) sum.add(at(g, i));
        const total = sum.value;
        for (let i = start; i < end; i += step) grad[i] = at(g, i) - Math.exp(at(y, i)) * total;
      });
    },

    softmaxBackward(gradOutput, probs, grad, layout) {
      const g = numbersOf(gradOutput);
      const y = numbersOf(probs);
      eachRow(layout, (_row, start, end, step) => {
        const sum = new Sum();
        for (let i = start; i < end; i += step) sum.add(at(g, i) * at(y, i));
        const dot = sum.value;
        for (let i = start; i < end; i += step) grad[i] = at(y, i) * (at(g, i) - dot);
      });
    },

    crossEntropy(logits, targets, terms, losses, layout) {
      const x = numbersOf(logits);
      if (!isPlain(targets, terms)) return crossEntropyOfTerms(x, targets, terms, losses, layout, undefined);
      const { data, step: stride, ignoreIndex } = targets;
      const total = new Sum();
      eachRow(layout, (row, start, end, step) => {
        const target = at(data, row * stride);
        let loss = 0;
        if (target !== ignoreIndex) {
          const own = start + target * step;
          const { shift, log } = logSumExpWithout(x, start, end, step, own);
          loss = lossOf(lagOf(shift, log, at(x, own)));
        }
        if (losses) losses[row] = loss;
        total.add(loss);
      });
      return total.value;
    },

    crossEntropyBackward(logits, targets, terms, scales, losses, grad, layout) {
      const x = numbersOf(logits);
      if (!isPlain(targets, terms)) return crossEntropyOfTerms(x, targets, terms, losses, layout, { scales, grad });
      const { data, step: stride, ignoreIndex } = targets;
      const total = new Sum();
      eachRow(layout, (row, start, end, step) => {
        const target = at(data, row * stride);
        let loss = 0;
        if (target === ignoreIndex) {
          for (let i = start; i < end; i += step) grad[i] = 0;
        } else {
          // The target's own exponential stays out of the sum: near certainty the others are what counts.
          const own = start + target * step;
          const behind = own + step;
          const logit = at(x, own);
          const shift = shiftOf(maximum(x, behind, end, step, maximum(x, start, own, step)));
          const sums = new Sum();
          exponentials(x, grad, start, own, step, shift, sums);
          exponentials(x, grad, behind, end, step, shift, sums);
          const sum = sums.value;
          const lag = lagOf(shift, Math.log(sum), logit);
          const error = missOf(lag) * (typeof scales === "number" ? scales : at(scales, row));
          scale(grad, start, end, step, sum === 0 ? error : error / sum);
          grad[own] = 0 - error;
          loss = lossOf(lag);
        }
        if (losses) losses[row] = loss;
        total.add(loss);
      });
      return total.value;
    },

    elementwise,
    keptTargets,

    allocate(length) {
      const values = new Float32Array(length);
      return { view: () => values, release() {} };
    },
  };
}

/** Whether a loss is that of class targets and nothing else. */
function isPlain(targets: Targets, { weight, labelSmoothing, zLoss, softcap }: Terms): targets is ClassIndices {
  return "data" in targets && weight === undefined && labelSmoothing === 0 && zLoss === 0 && softcap === undefined;
}

/** A log-sum-exp as shift + log: added, huge logits would round log away. */
interface LogSum {
  readonly shift: number;
  readonly log: number;
}

/** The log-sum-exp of a row, whose largest element is left out of the sum: 1 would round small ones away. */
function logSumExpOf(x: ResultArray, start: number, end: number, step: number): LogSum {
  let top = start;
  for (let i = start; i < end; i += step) if (at(x, i) > at(x, top) || Number.isNaN(at(x, top))) top = i;
  const shift = at(x, top);
  if (!Number.isFinite(shift)) return { shift: 0, log: Math.log(expSumWithout(x, start, end, step, end, 0)) };
  return { shift, log: Math.log1p(expSumWithout(x, start, end, step, top, shift)) };
}

/** The log-sum-exp of a row without one element. */
function logSumExpWithout(x: ResultArray, start: number, end: number, step: number, without: number): LogSum {
  const behind = without + step;
  const shift = shiftOf(maximum(x, behind, end, step, maximum(x, start, without, step)));
  return { shift, log: Math.log(expSumWithout(x, start, end, step, without, shift)) };
}

/** The largest of the logits in [from, to) and `max`. NaN is none, and shows in the sum. */
function maximum(logits: ResultArray, from: number, to: number, step: number, max = Number.NEGATIVE_INFINITY): number {
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

/** Σ e^(x - shift) over a row without one element. */
function expSumWithout(
  x: ResultArray,
  start: number,
  end: number,
  step: number,
  without: number,
  shift: number,
): number {
  const sum = new Sum();
  for (let i = start; i < end; i += step) if (i !== without) sum.add(Math.exp(at(x, i) - shift));
  return sum.value;
}

/** Writes e^(x - shift) over [from, to) to `out`, and adds it to a sum. */
function exponentials(
  logits: ResultArray,
  out: ResultArray,
  from: number,
  to: number,
  step: number,
  shift: number,
  sum: Sum,
): void {
  for (let i = from; i < to; i += step) {
    const e = Math.exp(at(logits, i) - shift);
    out[i] = e;
    sum.add(e);
  }
}

function scale(values: ResultArray, from: number, to: number, step: number, factor: number): void {
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
