import { Arena, BLOCK_ROWS, LONGEST_ROW } from "./arena.js";
import type { Backend, Layout, RowEngine, Targets, Terms } from "./backend.js";
import { directCalls } from "./direct.js";
import type { Floats, ResultArray } from "./floats.js";
import { leanEngine } from "./lean.js";
import { longRows } from "./long-rows.js";
import { scalarBackend } from "./scalar.js";
import { FEW_TARGETS, keptTargets } from "./targets.js";
import { instantiate, instantiateWide, type WasmName } from "./wasm.js";
import { type WideEngine, wideEngine } from "./wide.js";

/**
 * A backend on the kernels: the lean ones for float32 and halves with class targets, the wide ones, which are compiled
 * when they are first wanted, for everything else. Rows too long for the scratch, of arrays outside the memory, go to the
 * lean ones in segments, or to plain TypeScript where those do not have what is asked for.
 */
export function wasmBackend(name: WasmName): Backend {
  const kernels = instantiate(name);
  const arena = new Arena(kernels);
  const lean = leanEngine(kernels, arena);
  const long = longRows(kernels, arena);
  const scalar = scalarBackend();
  let openedWide: WideEngine | undefined;

  const wide = (): WideEngine => {
    openedWide ??= wideEngine(instantiateWide(kernels), arena);
    return openedWide;
  };

  /**
   * Who computes on rows; `isResident` says whether all arrays lie in the memory, the result apart from the logits. The
   * lean kernels have to bring a row together in the scratch now and then, unless its classes are neighbours. Rows of no
   * class are for none of them.
   */
  const pick = (isLean: boolean, { classes, inner }: Layout, isResident: () => boolean): RowEngine => {
    if (classes === 0) return scalar;
    if (classes <= LONGEST_ROW) return isLean ? lean : wide();
    if (isResident()) return isLean && inner === 1 ? lean : wide();
    return isLean && inner === 1 ? long : scalar;
  };

  const pickForward = (x: Floats, layout: Layout, y?: ResultArray): RowEngine =>
    pick(x.kind !== "float64", layout, () => arena.holdsApart(x.data, y));

  const pickBackward = (g: Floats, y: Floats, grad: ResultArray, layout: Layout): RowEngine => {
    const isSingle = g.kind === "float32" && y.kind === "float32";
    const isResident = () => arena.holds(g.data) && arena.holds(y.data) && arena.holds(grad);
    return pick(isSingle && layout.inner === 1, layout, isResident);
  };

  const pickLoss = (logits: Floats, targets: Targets, terms: Terms, layout: Layout, grad?: ResultArray): RowEngine => {
    if (terms.weight && terms.weight.length > LONGEST_ROW) return scalar;
    const isResident = () => arena.holdsApart(logits.data, grad);
    if (!("soft" in targets)) return pick(isLean(logits, terms), layout, isResident);
    return pick(false, layout, () => isResident() && arena.holds(targets.soft.data));
  };

  return {
    name,
    logSumExp: (x, lse, layout) => pickForward(x, layout).logSumExp(x, lse, layout),
    logSoftmax: (x, logProbs, layout) => pickForward(x, layout, logProbs).logSoftmax(x, logProbs, layout),
    softmax: (x, probs, layout) => pickForward(x, layout, probs).softmax(x, probs, layout),
    logSoftmaxBackward: (gradOutput, logProbs, grad, layout) =>
      pickBackward(gradOutput, logProbs, grad, layout).logSoftmaxBackward(gradOutput, logProbs, grad, layout),
    softmaxBackward: (gradOutput, probs, grad, layout) =>
      pickBackward(gradOutput, probs, grad, layout).softmaxBackward(gradOutput, probs, grad, layout),
    crossEntropy: (logits, targets, terms, losses, layout) =>
      pickLoss(logits, targets, terms, layout).crossEntropy(logits, targets, terms, losses, layout),
    crossEntropyBackward: (logits, targets, terms, scales, losses, grad, layout) =>
      pickLoss(logits, targets, terms, layout, grad).crossEntropyBackward(
        logits,
        targets,
        terms,
        scales,
        losses,
        grad,
        layout,
      ),
    elementwise: (loss, operands, gradient) => wide().elementwise(loss, operands, gradient),
    keptTargets(targets, classes, ignoreIndex) {
      const { length } = targets;
      if (length < FEW_TARGETS) return keptTargets(targets, classes, ignoreIndex);
      let kept = 0;
      for (let row = 0; row < length; row += BLOCK_ROWS) {
        const rows = Math.min(BLOCK_ROWS, length - row);
        const place = arena.bringTargets({ data: targets, step: 1 }, row, rows);
        const keptOfBlock = kernels.kept_targets(place, rows, classes, ignoreIndex);
        if (keptOfBlock < 0) return -1;
        kept += keptOfBlock;
      }
      return kept;
    },
    allocate: (length) => arena.allocate(length),
    direct: directCalls(kernels, arena),
  };
}

/** Whether the lean kernels have what a loss of class targets asks for. */
function isLean({ kind }: Floats, { weight, labelSmoothing, softcap }: Terms): boolean {
  return kind !== "float64" && softcap === undefined && (weight === undefined || labelSmoothing === 0);
}
