import { type Arena, LONGEST_ROW } from "./arena.js";
import type { Layout, Terms } from "./backend.js";
import { blocksOf, bringBlock, placeBlock, takeBlock } from "./blocks.js";
import type { Floats, ResultArray } from "./floats.js";
import type { WideKernels } from "./kernels.js";

/** Fewer classes are sooner computed on in float64, several rows at a time. */
const FEWEST = 32;

/** Whether rows of soft targets are for the kernel of assembly/wide/soft-rows.ts. */
export function isForSoftRows(
  logits: Floats,
  soft: Floats,
  { weight, softcap }: Terms,
  { classes, inner }: Layout,
): boolean {
  const isSingle = logits.kind === "float32" && soft.kind === "float32";
  return isSingle && inner === 1 && classes >= FEWEST && classes <= LONGEST_ROW && !weight && softcap === undefined;
}

/**
 * Soft targets by the kernel of float32, which takes a third of the time of those of float64. Returns the sum of the rows'
 * losses, which are written where asked to, and so is their gradient.
 */
export function softRows(
  kernels: WideKernels,
  arena: Arena,
  logits: Floats,
  soft: Floats,
  { labelSmoothing, zLoss }: Terms,
  scales: number | ArrayLike<number>,
  losses: ResultArray | undefined,
  grad: ResultArray | undefined,
  layout: Layout,
): number {
  const scaleStride = typeof scales === "number" ? 0 : 8;
  const isResident = () => arena.holdsApart(logits.data, grad) && arena.holdsApart(soft.data, grad);
  let total = 0;
  for (const block of blocksOf(layout, isResident)) {
    const { row, rows, classes } = block;
    const dx = grad ? placeBlock(arena, grad, block, arena.first) : 0;
    const x = bringBlock(arena, logits.data, block, arena.second, dx);
    const y = bringBlock(arena, soft.data, block, arena.third, dx);
    const s = arena.bringScales(scales, row, rows);
    const to = losses ? arena.place(losses, row, arena.rowValues) : arena.rowValues;
    total = kernels.cross_entropy_soft_rows(x, y, s, scaleStride, to, dx, rows, classes, labelSmoothing, zLoss, total);
    if (grad) takeBlock(arena, dx, grad, block);
    if (losses) arena.take(to, losses, row, rows);
  }
  return total + kernels.take_lost();
}
