import { Arena, LONGEST_ROW } from "./arena.js";
import type { Backend } from "./backend.js";
import { longRows } from "./long-rows.js";
import { instantiate, type WasmName } from "./wasm.js";

type Forward = (x: number, y: number, rows: number, classes: number) => void;
type Backward = (gradOutput: number, y: number, grad: number, rows: number, classes: number) => void;

/**
 * A backend on the kernels. Rows pass through the memory in blocks: each is brought there, computed on, and taken to
 * where it belongs, of which only the middle is left for arrays that lie in the memory. A row that is too long to be
 * brought in one piece goes in segments.
 */
export function wasmBackend(name: WasmName): Backend {
  const kernels = instantiate(name);
  const arena = new Arena(kernels);
  const long = longRows(kernels, arena);

  const fits = (classes: number, a: Float32Array, b = a, c = a): boolean =>
    classes <= LONGEST_ROW || (arena.holds(a) && arena.holds(b) && arena.holds(c));

  /** Calls `visit` with the first row and the number of rows of each block. */
  const inBlocks = (rows: number, classes: number, visit: (row: number, count: number) => void): void => {
    const block = arena.blockRows(classes);
    for (let row = 0; row < rows; row += block) visit(row, Math.min(block, rows - row));
  };

  const forward = (kernel: Forward, x: Float32Array, y: Float32Array, rows: number, classes: number): void =>
    inBlocks(rows, classes, (row, count) => {
      const start = row * classes;
      const length = count * classes;
      const out = arena.place(y, start, arena.first);
      kernel(arena.bring(x, start, length, out), out, count, classes);
      arena.take(out, y, start, length);
    });

  const backward = (
    kernel: Backward,
    gradOutput: Float32Array,
    y: Float32Array,
    grad: Float32Array,
    rows: number,
    classes: number,
  ): void =>
    inBlocks(rows, classes, (row, count) => {
      const start = row * classes;
      const length = count * classes;
      const out = arena.place(grad, start, arena.first);
      const g = arena.bring(gradOutput, start, length, arena.first);
      kernel(g, arena.bring(y, start, length, arena.second), out, count, classes);
      arena.take(out, grad, start, length);
    });

  return {
    name,

    logSumExp(logits, lse, rows, classes) {
      if (!fits(classes, logits)) return long.logSumExp(logits, lse, rows, classes);
      inBlocks(rows, classes, (row, count) => {
        const start = row * classes;
        const out = arena.place(lse, row, arena.rowValues);
        kernels.log_sum_exp_forward(arena.bring(logits, start, count * classes, arena.first), out, count, classes);
        arena.take(out, lse, row, count);
      });
    },

    logSoftmax(logits, logProbs, rows, classes) {
      if (!fits(classes, logits, logProbs)) return long.logSoftmax(logits, logProbs, rows, classes);
      forward(kernels.log_softmax_forward, logits, logProbs, rows, classes);
    },

    softmax(logits, probs, rows, classes) {
      if (!fits(classes, logits, probs)) return long.softmax(logits, probs, rows, classes);
      forward(kernels.softmax_forward, logits, probs, rows, classes);
    },

    logSoftmaxBackward(gradOutput, logProbs, grad, rows, classes) {
      if (!fits(classes, gradOutput, logProbs, grad)) {
        return long.logSoftmaxBackward(gradOutput, logProbs, grad, rows, classes);
      }
      backward(kernels.log_softmax_backward, gradOutput, logProbs, grad, rows, classes);
    },

    softmaxBackward(gradOutput, probs, grad, rows, classes) {
      if (!fits(classes, gradOutput, probs, grad)) {
        return long.softmaxBackward(gradOutput, probs, grad, rows, classes);
      }
      backward(kernels.softmax_backward, gradOutput, probs, grad, rows, classes);
    },

    crossEntropy(logits, targets, ignoreIndex, losses, rows, classes) {
      if (!fits(classes, logits)) return long.crossEntropy(logits, targets, ignoreIndex, losses, rows, classes);
      let total = 0;
      inBlocks(rows, classes, (row, count) => {
        const start = row * classes;
        const x = arena.bring(logits, start, count * classes, arena.first);
        arena.bringTargets(targets, row, count);
        const rowLosses = losses ? arena.place(losses, row, arena.rowValues) : arena.rowValues;
        total = kernels.cross_entropy_forward(x, arena.targets, rowLosses, count, classes, ignoreIndex, total);
        if (losses) arena.take(rowLosses, losses, row, count);
      });
      return total;
    },

    crossEntropyBackward(logits, targets, ignoreIndex, scale, losses, grad, rows, classes) {
      if (!fits(classes, logits, grad)) {
        return long.crossEntropyBackward(logits, targets, ignoreIndex, scale, losses, grad, rows, classes);
      }
      const scaleStride = typeof scale === "number" ? 0 : 8;
      let total = 0;
      inBlocks(rows, classes, (row, count) => {
        const start = row * classes;
        const length = count * classes;
        const out = arena.place(grad, start, arena.first);
        const x = arena.bring(logits, start, length, out);
        arena.bringTargets(targets, row, count);
        arena.bringScales(scale, row, count);
        const rowLosses = losses ? arena.place(losses, row, arena.rowValues) : arena.rowValues;
        total = kernels.cross_entropy_forward_backward(
          x,
          arena.targets,
          arena.scales,
          rowLosses,
          out,
          count,
          classes,
          ignoreIndex,
          scaleStride,
          total,
        );
        arena.take(out, grad, start, length);
        if (losses) arena.take(rowLosses, losses, row, count);
      });
      return total;
    },

    allocate: (length) => arena.allocate(length),
  };
}
