import { type Arena, KINDS } from "./arena.js";
import { classesOf, type RowEngine, type Terms } from "./backend.js";
import { type Floats, numberAt, type ResultArray } from "./floats.js";
import type { Kernels } from "./kernels.js";

/** How many values a segment takes: whole blocks of the kernels' sums, so that the bits are those of the row as a whole. */
const SEGMENT = 1 << 16;

/**
 * Rows too long for the scratch, a segment at a time: once for the maximum, once for the sum, and once more for what is
 * written of each class. The steps, their order, and so the bits, are those of the kernels for whole rows. The classes of
 * a row are neighbours.
 */
export function longRows(kernels: Kernels, arena: Arena): RowEngine {
  const segments = (classes: number, visit: (from: number, count: number) => void): void => {
    for (let from = 0; from < classes; from += SEGMENT) visit(from, Math.min(SEGMENT, classes - from));
  };

  /** Folds the row of `x` at `start` into one value, with -Infinity in place of its class `without`. */
  const fold = (
    step: (x: number, kind: number, count: number, value: number) => number,
    initial: number,
    { kind: kindName, data }: Floats,
    start: number,
    classes: number,
    without = -1,
  ): number => {
    const kind = KINDS[kindName];
    let value = initial;
    segments(classes, (from, count) => {
      const place = arena.bring(data, start + from, count, arena.first);
      const left = place + data.BYTES_PER_ELEMENT * (without - from);
      const leaves = without >= from && without < from + count;
      const kept = leaves ? kernels.exchange(left, kind, kernels.mask_of(kind)) : 0;
      value = step(place, kind, count, value);
      if (leaves) kernels.exchange(left, kind, kept);
    });
    return value;
  };

  /**
   * What a row's exponentials are relative to, and their sum: the maximum of its first logits, or where that will not do
   * of all.
   */
  const statistics = (x: Floats, start: number, classes: number, without?: number) => {
    const larger = (place: number, kind: number, count: number, max: number) =>
      Math.max(max, kernels.row_max(place, kind, count));
    const first = (place: number, kind: number, count: number) => kernels.row_top(place, kind, count);
    let max = fold(first, Number.NEGATIVE_INFINITY, x, start, Math.min(classes, SEGMENT), without);
    const add = (place: number, kind: number, count: number, sum: number) =>
      kernels.row_exp_sum(place, kind, count, max, sum);
    let sum = fold(add, 0, x, start, classes, without);
    if (kernels.is_settled(max, sum) === 0) {
      max = fold(larger, Number.NEGATIVE_INFINITY, x, start, classes, without);
      sum = fold(add, 0, x, start, classes, without);
    }
    return { max, sum };
  };

  /** Writes to the row of `out` at `start` what `kernel` makes of that row of `x`. */
  const write = (
    kernel: (x: number, kind: number, out: number, count: number) => void,
    x: Floats,
    out: ResultArray,
    start: number,
    classes: number,
  ): void =>
    segments(classes, (from, count) => {
      const to = arena.place(out, start + from, arena.first);
      kernel(arena.bring(x.data, start + from, count, arena.second, to), KINDS[x.kind], to, count);
      arena.take(to, out, start + from, count);
    });

  /** The same with a second input. */
  const writeOfTwo = (
    kernel: (a: number, b: number, out: number, count: number) => void,
    a: Floats,
    b: Floats,
    out: ResultArray,
    start: number,
    classes: number,
  ): void =>
    segments(classes, (from, count) => {
      const to = arena.place(out, start + from, arena.first);
      const first = arena.bring(a.data, start + from, count, arena.first);
      kernel(first, arena.bring(b.data, start + from, count, arena.second), to, count);
      arena.take(to, out, start + from, count);
    });

  const dot = (a: Floats, b: Floats, start: number, classes: number): number => {
    let sum = 0;
    segments(classes, (from, count) => {
      const first = arena.bring(a.data, start + from, count, arena.first);
      sum = kernels.row_dot(first, arena.bring(b.data, start + from, count, arena.second), count, sum);
    });
    return sum;
  };

  /** What a row comes to whose target is not ignored. */
  const rowOf = (logits: Floats, start: number, classes: number, target: number, terms: Terms) => {
    const { weight, labelSmoothing, zLoss } = terms;
    const own = numberAt(logits, start + target);
    const { max, sum } = statistics(logits, start, classes, target);
    const add = (place: number, kind: number, count: number, total: number) =>
      kernels.row_sum(place, kind, count, own, total);
    const mean = labelSmoothing === 0 ? 0 : fold(add, 0, logits, start, classes) / classes;
    const odds = kernels.odds_against(max, sum, own);
    const nll = kernels.target_loss(odds, max, sum, own);
    const lse = kernels.log_sum_exp(odds, nll, max, sum, own);
    const w = weight ? Number(weight[target]) : 1;
    const loss = kernels.row_loss(nll, mean, lse, w, labelSmoothing, zLoss);
    return { max, sum, odds, lse, weight: w, loss };
  };

  return {
    logSumExp(x, lse, { outer: rows, classes }) {
      for (let row = 0; row < rows; row++) {
        const { max, sum } = statistics(x, row * classes, classes);
        lse[row] = kernels.log_sum_exp_of(max, sum);
      }
    },

    logSoftmax(x, logProbs, { outer: rows, classes }) {
      for (let start = 0; start < rows * classes; start += classes) {
        const { max, sum } = statistics(x, start, classes);
        const subtract = (from: number, kind: number, out: number, count: number) =>
          kernels.row_log_softmax(from, kind, out, count, max, sum);
        write(subtract, x, logProbs, start, classes);
      }
    },

    softmax(x, probs, { outer: rows, classes }) {
      for (let start = 0; start < rows * classes; start += classes) {
        const { max, sum } = statistics(x, start, classes);
        const factor = kernels.softmax_factor(sum);
        const scale = (from: number, kind: number, out: number, count: number) =>
          kernels.row_exp_scaled(from, kind, out, count, max, factor, 0);
        write(scale, x, probs, start, classes);
      }
    },

    logSoftmaxBackward(gradOutput, logProbs, grad, { outer: rows, classes }) {
      const add = (g: number, kind: number, count: number, sum: number) => kernels.row_sum(g, kind, count, 0, sum);
      for (let start = 0; start < rows * classes; start += classes) {
        const sum = fold(add, 0, gradOutput, start, classes);
        const subtract = (g: number, y: number, out: number, count: number) =>
          kernels.row_log_softmax_backward(g, y, out, count, sum);
        writeOfTwo(subtract, gradOutput, logProbs, grad, start, classes);
      }
    },

    softmaxBackward(gradOutput, probs, grad, { outer: rows, classes }) {
      for (let start = 0; start < rows * classes; start += classes) {
        const sum = dot(gradOutput, probs, start, classes);
        const multiply = (g: number, y: number, out: number, count: number) =>
          kernels.row_softmax_backward(g, y, out, count, sum);
        writeOfTwo(multiply, gradOutput, probs, grad, start, classes);
      }
    },

    crossEntropy(logits, targets, terms, losses, { outer: rows, classes }) {
      const { data, step, ignoreIndex } = classesOf(targets);
      let total = 0;
      for (let row = 0; row < rows; row++) {
        const target = Number(data[row * step]);
        const loss = target === ignoreIndex ? 0 : rowOf(logits, row * classes, classes, target, terms).loss;
        if (losses) losses[row] = loss;
        total += loss;
      }
      return total;
    },

    crossEntropyBackward(logits, targets, terms, scales, losses, grad, { outer: rows, classes }) {
      const { data, step, ignoreIndex } = classesOf(targets);
      const { labelSmoothing, zLoss } = terms;
      let total = 0;
      for (let row = 0; row < rows; row++) {
        const start = row * classes;
        const target = Number(data[row * step]);
        let loss = 0;
        if (target === ignoreIndex) {
          grad.fill(0, start, start + classes);
        } else {
          const of = rowOf(logits, start, classes, target, terms);
          const scale = typeof scales === "number" ? scales : Number(scales[row]);
          const pull = zLoss === 0 ? 0 : 2 * zLoss * of.lse;
          const others = kernels.error_of_others(scale, of.odds, of.weight, pull);
          const factor = kernels.row_factor(others, of.sum);
          const offset = -scale * (labelSmoothing / classes);
          const scaled = (from: number, kind: number, out: number, count: number) =>
            kernels.row_exp_scaled(from, kind, out, count, of.max, factor, offset);
          write(scaled, logits, grad, start, classes);
          const share = labelSmoothing - labelSmoothing / classes;
          grad[start + target] = kernels.target_gradient(
            kernels.error_of_target(scale, of.odds, of.weight, share, pull),
          );
          loss = of.loss;
        }
        if (losses) losses[row] = loss;
        total += loss;
      }
      return total;
    },
  };
}
