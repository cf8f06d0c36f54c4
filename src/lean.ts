import { type Arena, KINDS } from "./arena.js";
import { classesOf, type Layout, type RowEngine } from "./backend.js";
import { type Block, blocksOf, bringBlock, placeBlock, takeBlock } from "./blocks.js";
import type { Floats, ResultArray } from "./floats.js";
import type { Kernels } from "./kernels.js";

/**
 * The fast kernels, which compute in float32 on float32 and halves, and know class targets only. Arrays pass through the
 * memory in blocks: each is brought there, computed on, and taken to where it belongs, of which only the middle is left
 * for arrays that lie in the memory.
 */
export function leanEngine(kernels: Kernels, arena: Arena): RowEngine {
  const forward = (
    name: "log_softmax_forward" | "softmax_forward",
    x: Floats,
    y: ResultArray,
    layout: Layout,
  ): void => {
    const kind = KINDS[x.kind];
    for (const block of blocksOf(layout, () => arena.holdsApart(x.data, y))) {
      const { rows, classes, inner, stride } = block;
      const to = placeBlock(arena, y, block, arena.first);
      const from = bringBlock(arena, x.data, block, arena.second, to);
      kernels[name](from, kind, to, rows, classes, inner, stride, arena.third);
      takeBlock(arena, to, y, block);
    }
  };

  const backward = (
    name: "log_softmax_backward" | "softmax_backward",
    { data: gradOutput }: Floats,
    { data: y }: Floats,
    grad: ResultArray,
    layout: Layout,
  ): void => {
    for (const block of blocksOf(layout, () => arena.holds(gradOutput) && arena.holds(y) && arena.holds(grad))) {
      const { rows, classes } = block;
      const to = placeBlock(arena, grad, block, arena.first);
      const g = bringBlock(arena, gradOutput, block, arena.first);
      const from = bringBlock(arena, y, block, arena.second);
      kernels[name](g, from, to, rows, classes);
      takeBlock(arena, to, grad, block);
    }
  };

  /** Where a block's row losses are written, 0 where nobody asked for them. */
  const placeLosses = (losses: ResultArray | undefined, { row }: Block): number =>
    losses ? arena.place(losses, row, arena.rowValues) : 0;

  return {
    logSumExp(x, lse, layout) {
      const kind = KINDS[x.kind];
      for (const block of blocksOf(layout, () => arena.holds(x.data))) {
        const { row, rows, classes, inner, stride } = block;
        const to = arena.place(lse, row, arena.rowValues);
        const from = bringBlock(arena, x.data, block, arena.first);
        kernels.log_sum_exp_forward(from, kind, to, rows, classes, inner, stride, arena.third);
        arena.take(to, lse, row, rows);
      }
    },

    logSoftmax: (x, logProbs, layout) => forward("log_softmax_forward", x, logProbs, layout),
    softmax: (x, probs, layout) => forward("softmax_forward", x, probs, layout),
    logSoftmaxBackward: (gradOutput, logProbs, grad, layout) =>
      backward("log_softmax_backward", gradOutput, logProbs, grad, layout),
    softmaxBackward: (gradOutput, probs, grad, layout) => backward("softmax_backward", gradOutput, probs, grad, layout),

    crossEntropy(logits, targets, { weight, labelSmoothing, zLoss }, losses, layout) {
      const classTargets = classesOf(targets);
      const { ignoreIndex } = classTargets;
      const kind = KINDS[logits.kind];
      const w = arena.bringWeights(weight);
      let total = 0;
      for (const block of blocksOf(layout, () => arena.holds(logits.data))) {
        const { row, rows, classes, inner, stride } = block;
        const to = placeLosses(losses, block);
        // Of one class there are as many losses as logits: they may be asked for in the same place.
        const x = bringBlock(arena, logits.data, block, arena.first, to);
        const y = arena.bringTargets(classTargets, row, rows);
        total = kernels.cross_entropy_forward(
          x,
          kind,
          y,
          w,
          to,
          rows,
          classes,
          inner,
          stride,
          ignoreIndex,
          labelSmoothing,
          zLoss,
          total,
          arena.third,
        );
        if (losses) arena.take(to, losses, row, rows);
      }
      return total;
    },

    crossEntropyBackward(logits, targets, { weight, labelSmoothing, zLoss }, scales, losses, grad, layout) {
      const classTargets = classesOf(targets);
      const { ignoreIndex } = classTargets;
      const kind = KINDS[logits.kind];
      const w = arena.bringWeights(weight);
      const scaleStride = typeof scales === "number" ? 0 : 8;
      let total = 0;
      for (const block of blocksOf(layout, () => arena.holdsApart(logits.data, grad))) {
        const { row, rows, classes, inner, stride } = block;
        const dx = placeBlock(arena, grad, block, arena.first);
        const x = bringBlock(arena, logits.data, block, arena.second, dx);
        const y = arena.bringTargets(classTargets, row, rows);
        const s = arena.bringScales(scales, row, rows);
        const to = placeLosses(losses, block);
        total = kernels.cross_entropy_forward_backward(
          x,
          kind,
          y,
          w,
          s,
          to,
          dx,
          rows,
          classes,
          inner,
          stride,
          ignoreIndex,
          scaleStride,
          labelSmoothing,
          zLoss,
          total,
          arena.third,
        );
        takeBlock(arena, dx, grad, block);
        if (losses) arena.take(to, losses, row, rows);
      }
      return total;
    },
  };
}
