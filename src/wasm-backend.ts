import { Arena, LONGEST_ROW } from "./arena.js";
import type { Backend, Layout } from "./backend.js";
import { type Block, bringBlock, inBlocks, placeBlock, takeBlock } from "./blocks.js";
import { longRows } from "./long-rows.js";
import { scalarBackend } from "./scalar.js";
import { instantiate, type WasmName } from "./wasm.js";

/** Rows of so few classes go sixteen at a time, as rows do whose classes are not neighbours. */
const FEW_CLASSES = 128;

type Forward = (x: number, y: number, rows: number, classes: number) => void;
type ForwardTile = (x: number, y: number, rows: number, classes: number, inner: number, stride: number) => void;
type Backward = (g: number, y: number, grad: number, rows: number, classes: number) => void;
type BackwardTile = (
  g: number,
  y: number,
  grad: number,
  rows: number,
  classes: number,
  inner: number,
  stride: number,
) => void;

/**
 * A backend on the kernels. Arrays pass through the memory in blocks: each is brought there, computed on, and taken to
 * where it belongs, of which only the middle is left for arrays that lie in the memory.
 */
export function wasmBackend(name: WasmName): Backend {
  const kernels = instantiate(name);
  const arena = new Arena(kernels);
  const long = longRows(kernels, arena);
  const scalar = scalarBackend();

  /** Who computes rows too long for the scratch, of arrays outside the memory; nobody where they are not too long. */
  const longBackend = (
    { classes, inner }: Layout,
    resident: boolean,
  ): Omit<Backend, "name" | "allocate"> | undefined => {
    if (resident || classes <= LONGEST_ROW) return undefined;
    return inner === 1 ? long : scalar;
  };

  const isTiled = ({ classes, inner }: Layout): boolean => inner > 1 || classes <= FEW_CLASSES;

  const forward = (
    kernel: Forward,
    tileKernel: ForwardTile,
    x: Float32Array,
    y: Float32Array,
    layout: Layout,
    resident: boolean,
  ): void =>
    inBlocks(layout, resident, (block) => {
      const to = placeBlock(arena, y, block, arena.first);
      const from = bringBlock(arena, x, block, to);
      if (isTiled(layout)) tileKernel(from, to, block.rows, block.classes, block.inner, block.stride);
      else kernel(from, to, block.rows, block.classes);
      takeBlock(arena, to, y, block);
    });

  const backward = (
    kernel: Backward,
    tileKernel: BackwardTile,
    gradOutput: Float32Array,
    y: Float32Array,
    grad: Float32Array,
    layout: Layout,
    resident: boolean,
  ): void =>
    inBlocks(layout, resident, (block) => {
      const to = placeBlock(arena, grad, block, arena.first);
      const g = bringBlock(arena, gradOutput, block, arena.first);
      const from = bringBlock(arena, y, block, arena.second);
      if (isTiled(layout)) tileKernel(g, from, to, block.rows, block.classes, block.inner, block.stride);
      else kernel(g, from, to, block.rows, block.classes);
      takeBlock(arena, to, grad, block);
    });

  /** Where a block's row losses are written, and whether anybody asked for them or not. */
  const placeLosses = (losses: Float32Array | undefined, { row }: Block): number =>
    losses ? arena.place(losses, row, arena.rowValues) : arena.rowValues;

  return {
    name,

    logSumExp(logits, lse, layout) {
      const resident = arena.holds(logits);
      const other = longBackend(layout, resident);
      if (other) return other.logSumExp(logits, lse, layout);
      inBlocks(layout, resident, (block) => {
        const { row, rows, classes, inner, stride } = block;
        const to = arena.place(lse, row, arena.rowValues);
        const from = bringBlock(arena, logits, block, arena.first);
        if (isTiled(layout)) kernels.log_sum_exp_forward_tile(from, to, rows, classes, inner, stride);
        else kernels.log_sum_exp_forward(from, to, rows, classes);
        arena.take(to, lse, row, rows);
      });
    },

    logSoftmax(logits, logProbs, layout) {
      const resident = arena.holds(logits) && arena.holds(logProbs);
      const other = longBackend(layout, resident);
      if (other) return other.logSoftmax(logits, logProbs, layout);
      const { log_softmax_forward, log_softmax_forward_tile } = kernels;
      forward(log_softmax_forward, log_softmax_forward_tile, logits, logProbs, layout, resident);
    },

    softmax(logits, probs, layout) {
      const resident = arena.holds(logits) && arena.holds(probs);
      const other = longBackend(layout, resident);
      if (other) return other.softmax(logits, probs, layout);
      forward(kernels.softmax_forward, kernels.softmax_forward_tile, logits, probs, layout, resident);
    },

    logSoftmaxBackward(gradOutput, logProbs, grad, layout) {
      const resident = arena.holds(gradOutput) && arena.holds(logProbs) && arena.holds(grad);
      const other = longBackend(layout, resident);
      if (other) return other.logSoftmaxBackward(gradOutput, logProbs, grad, layout);
      const { log_softmax_backward, log_softmax_backward_tile } = kernels;
      backward(log_softmax_backward, log_softmax_backward_tile, gradOutput, logProbs, grad, layout, resident);
    },

    softmaxBackward(gradOutput, probs, grad, layout) {
      const resident = arena.holds(gradOutput) && arena.holds(probs) && arena.holds(grad);
      const other = longBackend(layout, resident);
      if (other) return other.softmaxBackward(gradOutput, probs, grad, layout);
      const { softmax_backward, softmax_backward_tile } = kernels;
      backward(softmax_backward, softmax_backward_tile, gradOutput, probs, grad, layout, resident);
    },

    crossEntropy(logits, targets, losses, layout) {
      const resident = arena.holds(logits);
      const other = longBackend(layout, resident);
      if (other) return other.crossEntropy(logits, targets, losses, layout);
      const { ignoreIndex } = targets;
      let total = 0;
      inBlocks(layout, resident, (block) => {
        const { row, rows, classes, inner, stride } = block;
        const x = bringBlock(arena, logits, block, arena.first);
        const y = arena.bringTargets(targets.data, row, rows);
        const to = placeLosses(losses, block);
        total = isTiled(layout)
          ? kernels.cross_entropy_forward_tile(x, y, to, rows, classes, inner, stride, ignoreIndex, total)
          : kernels.cross_entropy_forward(x, y, to, rows, classes, ignoreIndex, total);
        if (losses) arena.take(to, losses, row, rows);
      });
      return total;
    },

    crossEntropyBackward(logits, targets, scales, losses, grad, layout) {
      const resident = arena.holds(logits) && arena.holds(grad);
      const other = longBackend(layout, resident);
      if (other) return other.crossEntropyBackward(logits, targets, scales, losses, grad, layout);
      const { ignoreIndex } = targets;
      const scaleStride = typeof scales === "number" ? 0 : 8;
      const { cross_entropy_forward_backward: rowsKernel, cross_entropy_forward_backward_tile: tileKernel } = kernels;
      let total = 0;
      inBlocks(layout, resident, (block) => {
        const { row, rows, classes, inner, stride } = block;
        const dx = placeBlock(arena, grad, block, arena.first);
        const x = bringBlock(arena, logits, block, dx);
        const y = arena.bringTargets(targets.data, row, rows);
        const s = arena.bringScales(scales, row, rows);
        const to = placeLosses(losses, block);
        total = isTiled(layout)
          ? tileKernel(x, y, s, to, dx, rows, classes, inner, stride, ignoreIndex, scaleStride, total)
          : rowsKernel(x, y, s, to, dx, rows, classes, ignoreIndex, scaleStride, total);
        takeBlock(arena, dx, grad, block);
        if (losses) arena.take(to, losses, row, rows);
      });
      return total;
    },

    allocate: (length) => arena.allocate(length),
  };
}
