import { type Arena, KINDS, type MemoryArray } from "./arena.js";
import { classesOf, type RowEngine } from "./backend.js";
import type { Kernels } from "./wasm.js";

const FLOAT32 = KINDS.float32;

/** How many values a segment takes: whole blocks of the kernels' sums, so that the bits are those of the row as a whole. */
const SEGMENT = 1 << 16;

/**
 * Rows too long for the scratch, a segment at a time: once for the maximum, once for the sum, and once more for what is
 * written of each class. The steps, their order, and so the bits, are those of the kernels for whole rows.
 */
export function longRows(kernels: Kernels, arena: Arena): RowEngine {
  const segments = (classes: number, visit: (from: number, count: number) => void): void => {
    for (let from = 0; from < classes; from += SEGMENT) visit(from, Math.min(SEGMENT, classes - from));
  };

  /** Folds the row of `x` at `start` into one value, with -Infinity in place of its class `without`. */
  const fold = (
    step: (x: number, count: number, value: number) => number,
    initial: number,
    x: MemoryArray,
    start: number,
    classes: number,
    without = -1,
  ): number => {
    let value = initial;
    segments(classes, (from, count) => {
      const place = arena.bring(x, start + from, count, arena.first);
      const left = place + 4 * (without - from);
      const leaves = without >= from && without < from + count;
      const kept = leaves ? arena.exchange(left, Number.NEGATIVE_INFINITY) : 0;
      value = step(place, count, value);
      if (leaves) arena.exchange(left, kept);
    });
    return value;
  };

  /** The maximum of a row and the sum of its exponentials. */
  const statistics = (x: MemoryArray, start: number, classes: number, without?: number) => {
    const larger = (place: number, count: number, max: number) => Math.max(max, kernels.row_max(place, FLOAT32, count));
    const max = fold(larger, Number.NEGATIVE_INFINITY, x, start, classes, without);
    const add = (place: number, count: number, sum: number) => kernels.row_exp_sum(place, FLOAT32, count, max, sum);
    return { max, sum: fold(add, 0, x, start, classes, without) };
  };

  /** Writes to the row of `out` at `start` what `kernel` makes of that row of `x`. */
  const write = (
    kernel: (x: number, out: number, count: number) => void,
    x: MemoryArray,
    out: MemoryArray,
    start: number,
    classes: number,
  ): void =>
    segments(classes, (from, count) => {
      const to = arena.place(out, start + from, arena.first);
      kernel(arena.bring(x, start + from, count, to), to, count);
      arena.take(to, out, start + from, count);
    });

  /** The same with a second input. */
  const writeOfTwo = (
    kernel: (a: number, b: number, out: number, count: number) => void,
    a: MemoryArray,
    b: MemoryArray,
    out: MemoryArray,
    start: number,
    classes: number,
  ): void =>
    segments(classes, (from, count) => {
      const to = arena.place(out, start + from, arena.first);
      const first = arena.bring(a, start + from, count, arena.first);
      kernel(first, arena.bring(b, start + from, count, arena.second), to, count);
      arena.take(to, out, start + from, count);
    });

  const dot = (a: MemoryArray, b: MemoryArray, start: number, classes: number): number => {
    let sum = 0;
    segments(classes, (from, count) => {
      const first = arena.bring(a, start + from, count, arena.first);
      sum = kernels.row_dot(first, arena.bring(b, start + from, count, arena.second), count, sum);
    });
    return sum;
  };

  return {
    logSumExp({ data: logits }, lse, { outer: rows, classes }) {
      for (let row = 0; row < rows; row++) {
        const { max, sum } = statistics(logits, row * classes, classes);
        lse[row] = kernels.log_sum_exp_of(max, sum);
      }
    },

    logSoftmax({ data: logits }, logProbs, { outer: rows, classes }) {
      for (let start = 0; start < rows * classes; start += classes) {
        const { max, sum } = statistics(logits, start, classes);
        write(
          (x, out, count) => kernels.row_log_softmax(x, FLOAT32, out, count, max, sum),
          logits,
          logProbs,
          start,
          classes,
        );
      }
    },

    softmax({ data: logits }, probs, { outer: rows, classes }) {
      for (let start = 0; start < rows * classes; start += classes) {
        const { max, sum } = statistics(logits, start, classes);
        const factor = kernels.softmax_factor(sum);
        write(
          (x, out, count) => kernels.row_exp_scaled(x, FLOAT32, out, count, max, factor, 0),
          logits,
          probs,
          start,
          classes,
        );
      }
    },

    logSoftmaxBackward({ data: gradOutput }, { data: logProbs }, grad, { outer: rows, classes }) {
      for (let start = 0; start < rows * classes; start += classes) {
        const sum = fold((g, count, sum) => kernels.row_sum(g, FLOAT32, count, sum), 0, gradOutput, start, classes);
        writeOfTwo(
          (g, y, out, count) => kernels.row_log_softmax_backward(g, y, out, count, sum),
          gradOutput,
          logProbs,
          grad,
          start,
          classes,
        );
      }
    },

    softmaxBackward({ data: gradOutput }, { data: probs }, grad, { outer: rows, classes }) {
      for (let start = 0; start < rows * classes; start += classes) {
        const sum = dot(gradOutput, probs, start, classes);
        writeOfTwo(
          (g, y, out, count) => kernels.row_softmax_backward(g, y, out, count, sum),
          gradOutput,
          probs,
          grad,
          start,
          classes,
        );
      }
    },

    crossEntropy({ data: logits }, targets, _terms, losses, { outer: rows, classes }) {
      const { data, step, ignoreIndex } = classesOf(targets);
      let total = 0;
      for (let row = 0; row < rows; row++) {
        const target = Number(data[row * step]);
        let loss = 0;
        if (target !== ignoreIndex) {
          const own = Number(logits[row * classes + target]);
          const { max, sum } = statistics(logits, row * classes, classes, target);
          loss = kernels.target_loss(kernels.odds_against(max, sum, own), max, sum, own);
        }
        if (losses) losses[row] = loss;
        total += loss;
      }
      return total;
    },

    crossEntropyBackward({ data: logits }, targets, _terms, scales, losses, grad, { outer: rows, classes }) {
      const { data, step, ignoreIndex } = classesOf(targets);
      let total = 0;
      for (let row = 0; row < rows; row++) {
        const start = row * classes;
        const target = Number(data[row * step]);
        let loss = 0;
        if (target === ignoreIndex) {
          grad.fill(0, start, start + classes);
        } else {
          const own = Number(logits[start + target]);
          const { max, sum } = statistics(logits, start, classes, target);
          const odds = kernels.odds_against(max, sum, own);
          const error = (typeof scales === "number" ? scales : Number(scales[row])) * kernels.miss(odds);
          const factor = kernels.gradient_factor(error, sum);
          write(
            (x, out, count) => kernels.row_exp_scaled(x, FLOAT32, out, count, max, factor, 0),
            logits,
            grad,
            start,
            classes,
          );
          grad[start + target] = kernels.target_gradient(error);
          loss = kernels.target_loss(odds, max, sum, own);
        }
        if (losses) losses[row] = loss;
        total += loss;
      }
      return total;
    },
  };
}
