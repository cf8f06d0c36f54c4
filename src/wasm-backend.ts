import { Arena, MOST_WEIGHTS, SCRATCH } from "./arena.js";
import type { Backend, Layout, RowEngine, Targets, Terms } from "./backend.js";
import type { Floats, ResultArray } from "./floats.js";
import { leanEngine } from "./lean.js";
import { longRows } from "./long-rows.js";
import { scalarBackend } from "./scalar.js";
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

  /** Who computes on rows of numbers of `bytes` each; `resident` says that they all lie in the memory. */
  const pick = (isLean: boolean, layout: Layout, bytes: number, resident: boolean): RowEngine => {
    if (resident || layout.classes <= SCRATCH / bytes) return isLean ? lean : wide();
    return isLean && layout.inner === 1 ? long : scalar;
  };

  const pickForward = (x: Floats, layout: Layout, resident: boolean): RowEngine =>
    pick(x.kind !== "float64", layout, bytesOf(x), resident);

  const pickBackward = (g: Floats, y: Floats, grad: ResultArray, layout: Layout): RowEngine => {
    const isSingle = g.kind === "float32" && y.kind === "float32";
    const resident = arena.holds(g.data) && arena.holds(y.data) && arena.holds(grad);
    return pick(isSingle, layout, Math.max(bytesOf(g), bytesOf(y)), resident);
  };

  const pickLoss = (
    logits: Floats,
    targets: Targets,
    terms: Terms,
    layout: Layout,
    grad: ResultArray | undefined,
  ): RowEngine => {
    if (terms.weight && terms.weight.length > MOST_WEIGHTS) return scalar;
    const resident = arena.holds(logits.data) && (grad === undefined || arena.holds(grad));
    if ("soft" in targets) {
      const bytes = Math.max(bytesOf(logits), bytesOf(targets.soft));
      return pick(false, layout, bytes, resident && arena.holds(targets.soft.data));
    }
    return pick(isLean(logits, terms), layout, bytesOf(logits), resident);
  };

  return {
    name,
    logSumExp: (x, lse, layout) => pickForward(x, layout, arena.holds(x.data)).logSumExp(x, lse, layout),
    logSoftmax: (x, logProbs, layout) =>
      pickForward(x, layout, arena.holds(x.data) && arena.holds(logProbs)).logSoftmax(x, logProbs, layout),
    softmax: (x, probs, layout) =>
      pickForward(x, layout, arena.holds(x.data) && arena.holds(probs)).softmax(x, probs, layout),
    logSoftmaxBackward: (gradOutput, logProbs, grad, layout) =>
      pickBackward(gradOutput, logProbs, grad, layout).logSoftmaxBackward(gradOutput, logProbs, grad, layout),
    softmaxBackward: (gradOutput, probs, grad, layout) =>
      pickBackward(gradOutput, probs, grad, layout).softmaxBackward(gradOutput, probs, grad, layout),
    crossEntropy: (logits, targets, terms, losses, layout) =>
      pickLoss(logits, targets, terms, layout, undefined).crossEntropy(logits, targets, terms, losses, layout),
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
    allocate: (length) => arena.allocate(length),
  };
}

/** What a value takes in the scratch: its result is at least a float32. */
function bytesOf({ data }: Floats): number {
  return Math.max(4, data.BYTES_PER_ELEMENT);
}

/** Whether the lean kernels have what a loss of class targets asks for. */
function isLean({ kind }: Floats, { weight, labelSmoothing, softcap }: Terms): boolean {
  return kind !== "float64" && softcap === undefined && (weight === undefined || labelSmoothing === 0);
}
