import { type Arena, BLOCK_VALUES, KINDS } from "./arena.js";
import type { Elementwise, ElementwiseGradient, ElementwiseLoss, Layout, RowEngine } from "./backend.js";
import { type Block, blocksOf, bringBlock, placeBlock, takeBlock } from "./blocks.js";
import type { Floats, ResultArray } from "./floats.js";
import type { WideKernels } from "./kernels.js";
import { isForSoftRows, softRows } from "./soft-rows.js";

export interface WideEngine extends RowEngine {
  elementwise(loss: ElementwiseLoss, operands: Elementwise, gradient: ElementwiseGradient | undefined): number;
}

/** How many elements are computed on at a time: seven operands of float64 fit into the scratch. */
const ELEMENTS = BLOCK_VALUES / 2;
const OPERAND_BYTES = ELEMENTS * 8;

/**
 * The kernels that compute in float64 lanes, on numbers of every kind: whatever neither the lean ones nor `softRows` do. Each
 * array has a scratch of its own, since their kinds differ.
 */
export function wideEngine(kernels: WideKernels, arena: Arena): WideEngine {
  /** The blocks of rows that arrays go in. */
  const blocksFor = (arrays: readonly Floats["data"][], layout: Layout): readonly Block[] =>
    blocksOf(layout, () => arrays.every((array) => arena.holds(array)));

  const forward = (kernel: "log_softmax_wide" | "softmax_wide", x: Floats, y: ResultArray, layout: Layout): void => {
    for (const block of blocksFor([x.data, y], layout)) {
      const { rows, classes, inner, stride } = block;
      const to = placeBlock(arena, y, block, arena.first);
      const from = bringBlock(arena, x.data, block, arena.second);
      kernels[kernel](from, KINDS[x.kind], to, kindOfResults(y), rows, classes, inner, stride);
      takeBlock(arena, to, y, block);
    }
  };

  const backward = (
    kernel: "log_softmax_backward_wide" | "softmax_backward_wide",
    gradOutput: Floats,
    y: Floats,
    grad: ResultArray,
    layout: Layout,
  ): void => {
    for (const block of blocksFor([gradOutput.data, y.data, grad], layout)) {
      const { rows, classes, inner, stride } = block;
      const to = placeBlock(arena, grad, block, arena.first);
      const g = bringBlock(arena, gradOutput.data, block, arena.second);
      const from = bringBlock(arena, y.data, block, arena.third);
      const kinds = [KINDS[gradOutput.kind], KINDS[y.kind]] as const;
      kernels[kernel](g, kinds[0], from, kinds[1], to, kindOfResults(grad), rows, classes, inner, stride);
      takeBlock(arena, to, grad, block);
    }
  };

  const placeLosses = (losses: ResultArray | undefined, { row }: Block): number =>
    losses ? arena.place(losses, row, arena.rowValues) : arena.rowValues;

  return {
    logSumExp(x, lse, layout) {
      for (const block of blocksFor([x.data], layout)) {
        const { row, rows, classes, inner, stride } = block;
        const to = arena.place(lse, row, arena.rowValues);
        const from = bringBlock(arena, x.data, block, arena.second);
        kernels.log_sum_exp_wide(from, KINDS[x.kind], to, kindOfResults(lse), rows, classes, inner, stride);
        arena.take(to, lse, row, rows);
      }
    },

    logSoftmax: (x, logProbs, layout) => forward("log_softmax_wide", x, logProbs, layout),
    softmax: (x, probs, layout) => forward("softmax_wide", x, probs, layout),
    logSoftmaxBackward: (gradOutput, logProbs, grad, layout) =>
      backward("log_softmax_backward_wide", gradOutput, logProbs, grad, layout),
    softmaxBackward: (gradOutput, probs, grad, layout) =>
      backward("softmax_backward_wide", gradOutput, probs, grad, layout),

    crossEntropy(logits, targets, terms, losses, layout) {
      if ("soft" in targets && isForSoftRows(logits, targets.soft, terms, layout)) {
        return softRows(kernels, arena, logits, targets.soft, terms, 0, losses, undefined, layout);
      }
      const { weight, labelSmoothing, zLoss, softcap = 0 } = terms;
      const kind = KINDS[logits.kind];
      const resultKind = logits.kind === "float64" ? KINDS.float64 : KINDS.float32;
      const w = arena.bringWeights(weight);
      const arrays = "soft" in targets ? [logits.data, targets.soft.data] : [logits.data];
      let total = 0;
      for (const block of blocksFor(arrays, layout)) {
        const { row, rows, classes, inner, stride } = block;
        const x = bringBlock(arena, logits.data, block, arena.second);
        const to = placeLosses(losses, block);
        if ("soft" in targets) {
          const y = bringBlock(arena, targets.soft.data, block, arena.third);
          total = kernels.cross_entropy_soft_wide(
            x,
            kind,
            y,
            KINDS[targets.soft.kind],
            w,
            to,
            resultKind,
            rows,
            classes,
            inner,
            stride,
            labelSmoothing,
            zLoss,
            softcap,
            total,
          );
        } else {
          const y = arena.bringTargets(targets, row, rows);
          total = kernels.cross_entropy_wide(
            x,
            kind,
            y,
            w,
            to,
            resultKind,
            rows,
            classes,
            inner,
            stride,
            targets.ignoreIndex,
            labelSmoothing,
            zLoss,
            softcap,
            total,
          );
        }
        if (losses) arena.take(to, losses, row, rows);
      }
      return total + kernels.take_lost();
    },

    crossEntropyBackward(logits, targets, terms, scales, losses, grad, layout) {
      if ("soft" in targets && isForSoftRows(logits, targets.soft, terms, layout)) {
        return softRows(kernels, arena, logits, targets.soft, terms, scales, losses, grad, layout);
      }
      const { weight, labelSmoothing, zLoss, softcap = 0 } = terms;
      const kind = KINDS[logits.kind];
      const resultKind = kindOfResults(grad);
      const w = arena.bringWeights(weight);
      const scaleStride = typeof scales === "number" ? 0 : 8;
      const arrays = "soft" in targets ? [logits.data, targets.soft.data, grad] : [logits.data, grad];
      let total = 0;
      for (const block of blocksFor(arrays, layout)) {
        const { row, rows, classes, inner, stride } = block;
        const dx = placeBlock(arena, grad, block, arena.first);
        const x = bringBlock(arena, logits.data, block, arena.second);
        const s = arena.bringScales(scales, row, rows);
        const to = placeLosses(losses, block);
        if ("soft" in targets) {
          const y = bringBlock(arena, targets.soft.data, block, arena.third);
          total = kernels.cross_entropy_soft_backward_wide(
            x,
            kind,
            y,
            KINDS[targets.soft.kind],
            w,
            s,
            scaleStride,
            to,
            dx,
            resultKind,
            rows,
            classes,
            inner,
            stride,
            labelSmoothing,
            zLoss,
            softcap,
            total,
          );
        } else {
          const y = arena.bringTargets(targets, row, rows);
          total = kernels.cross_entropy_backward_wide(
            x,
            kind,
            y,
            w,
            s,
            scaleStride,
            to,
            dx,
            resultKind,
            rows,
            classes,
            inner,
            stride,
            targets.ignoreIndex,
            labelSmoothing,
            zLoss,
            softcap,
            total,
          );
        }
        takeBlock(arena, dx, grad, block);
        if (losses) arena.take(to, losses, row, rows);
      }
      return total + kernels.take_lost();
    },

    elementwise(loss, { input, targets, weight, posWeight, losses }, gradient) {
      const kernel = kernels[ELEMENTWISE[loss]];
      const inputs = [input, targets, weight, posWeight, gradient?.scale];
      const outputs = [losses, gradient?.grad];
      const { length } = input.data;
      let total = 0;
      for (let start = 0, count = 0; start < length; start += count) {
        count = countFrom(start, length, inputs);
        inputs.forEach((operand, slot) => {
          if (operand) bringOperand(arena, slot, operand, start, count);
          else arena.setOperand(slot, 0, "float64", 1, 0);
        });
        const places = outputs.map((results, i) => {
          const slot = inputs.length + i;
          const place = results ? arena.place(results, start, scratchOf(arena, slot)) : 0;
          arena.setOperand(slot, place, results && isDouble(results) ? "float64" : "float32", count, 0);
          return place;
        });
        total = kernel(arena.operands, count, total);
        outputs.forEach((results, i) => {
          if (results) arena.take(Number(places[i]), results, start, count);
        });
      }
      return total + kernels.take_lost();
    },
  };
}

const ELEMENTWISE = {
  binaryCrossEntropy: "binary_cross_entropy",
  binaryCrossEntropyWithLogits: "binary_cross_entropy_with_logits",
  klDivergence: "kl_divergence",
  klDivergenceOfLogs: "kl_divergence_log_target",
} as const satisfies Record<ElementwiseLoss, keyof WideKernels>;

/** The scratch of an operand. */
function scratchOf(arena: Arena, slot: number): number {
  return arena.first + slot * OPERAND_BYTES;
}

/** How many elements go next: a block, or what is left before an operand that is longer than one begins anew. */
function countFrom(start: number, length: number, operands: readonly (Floats | undefined)[]): number {
  let count = Math.min(ELEMENTS, length - start);
  for (const operand of operands) {
    const size = operand?.data.length ?? 1;
    if (size > ELEMENTS) count = Math.min(count, size - (start % size));
  }
  return count;
}

/** Brings the elements of an operand from `start`: all of it where it is short, and begins anew in between. */
function bringOperand(arena: Arena, slot: number, { kind, data }: Floats, start: number, count: number): void {
  const first = start % data.length;
  const scratch = scratchOf(arena, slot);
  if (first + count <= data.length) {
    arena.setOperand(slot, arena.bring(data, first, count, scratch), kind, count, 0);
  } else {
    arena.setOperand(slot, arena.bring(data, 0, data.length, scratch), kind, data.length, first);
  }
}

function isDouble(results: ResultArray): boolean {
  return results.BYTES_PER_ELEMENT === 8;
}

function kindOfResults(results: ResultArray): number {
  return isDouble(results) ? KINDS.float64 : KINDS.float32;
}
