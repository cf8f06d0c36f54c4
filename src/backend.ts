import type { Floats, ResultArray } from "./floats.js";

/** What computes: the kernels in WebAssembly, or plain TypeScript. Arguments are validated before they get here, but for direct calls. */
export type BackendName = "wasm-relaxed-simd" | "wasm-simd" | "js";

/**
 * Class targets as a backend takes them: row i has `data[i * step]`, taken for an int32, and what is not `ignoreIndex` is a
 * class.
 */
export interface ClassIndices {
  readonly data: ArrayLike<number>;
  readonly step: number;
  readonly ignoreIndex: number;
}

/** One class a row, or a mass for every class, laid out like the logits. */
export type Targets = ClassIndices | { readonly soft: Floats };

/** What a cross-entropy is made of besides logits and targets. */
export interface Terms {
  /** One weight a class. */
  readonly weight: Float64Array | undefined;
  readonly labelSmoothing: number;
  /** What a row's squared log-sum-exp is multiplied by before it is added to the row's loss. */
  readonly zLoss: number;
  /** c in c · tanh(x / c); undefined where logits are taken as they are. */
  readonly softcap: number | undefined;
}

/** How an array lies: `[outer, classes, inner]`. The classes at one outer and one inner position are a row. */
export interface Layout {
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
}

/**
 * A loss of single elements. An operand with fewer values than the input is repeated: one number for all, or the values
 * of a last axis.
 */
export interface Elementwise {
  readonly input: Floats;
  readonly targets: Floats;
  readonly weight: Floats | undefined;
  readonly posWeight: Floats | undefined;
  /** Where the losses go, if anybody asked for them. */
  readonly losses: ResultArray | undefined;
}

/** The gradient of Σ scale · loss, with one scale for all elements or one each. */
export interface ElementwiseGradient {
  readonly scale: Floats;
  readonly grad: ResultArray;
}

export type ElementwiseLoss =
  | "binaryCrossEntropy"
  | "binaryCrossEntropyWithLogits"
  | "klDivergence"
  | "klDivergenceOfLogs";

/** A place for float32 values that outlasts calls. */
export interface Storage {
  /** The values as they stand now. A view of it does not outlast the next `allocate`. */
  view(): Float32Array;
  release(): void;
}

/**
 * Every function takes inputs, outputs, and how they lie. `logits`, `logProbs`, `probs`, `gradOutput` and `grad` lie as
 * the layout says; class targets, `scales`, `lse` and `losses` hold one value a row. An output may be an input of its
 * kind (in place).
 */
export interface Backend {
  readonly name: BackendName;

  /** How many targets are in [0, classes), the others being `ignoreIndex`, an int32; -1 where one is neither. */
  keptTargets(targets: Int32Array, classes: number, ignoreIndex: number): number;

  logSumExp(x: Floats, lse: ResultArray, layout: Layout): void;
  logSoftmax(x: Floats, logProbs: ResultArray, layout: Layout): void;
  softmax(x: Floats, probs: ResultArray, layout: Layout): void;
  logSoftmaxBackward(gradOutput: Floats, logProbs: Floats, grad: ResultArray, layout: Layout): void;
  softmaxBackward(gradOutput: Floats, probs: Floats, grad: ResultArray, layout: Layout): void;

  /** Writes the rows' losses where asked to, and returns their sum. */
  crossEntropy(logits: Floats, targets: Targets, terms: Terms, losses: ResultArray | undefined, layout: Layout): number;

  /** The same, and with it the gradient of Σ scale · loss, with one scale for all rows or one a row. */
  crossEntropyBackward(
    logits: Floats,
    targets: Targets,
    terms: Terms,
    scales: number | ArrayLike<number>,
    losses: ResultArray | undefined,
    grad: ResultArray,
    layout: Layout,
  ): number;

  /** Writes the elements' losses and gradients where asked to, and returns the sum of the losses. */
  elementwise(loss: ElementwiseLoss, operands: Elementwise, gradient: ElementwiseGradient | undefined): number;

  allocate(length: number): Storage;

  /** Nothing goes wrong without. */
  readonly direct?: DirectCalls;
}

/** Calls of a short way, that check arguments for themselves: undefined where these are not for them. */
export interface DirectCalls {
  logSoftmax(x: unknown, options: { out?: unknown; shape?: unknown } | undefined): Float32Array | undefined;
  softmax(x: unknown, options: { out?: unknown; shape?: unknown } | undefined): Float32Array | undefined;
  logSumExp(x: unknown, options: { out?: unknown; shape?: unknown } | undefined): Float32Array | undefined;
  /** The mean, without options. */
  crossEntropy(logits: unknown, targets: unknown): number | undefined;
  crossEntropyWithGrad(
    logits: unknown,
    targets: unknown,
    options: { out?: unknown } | undefined,
  ): { loss: number; grad: Float32Array } | undefined;
}

/** What of a backend works on rows. */
export type RowEngine = Omit<Backend, "name" | "keptTargets" | "elementwise" | "allocate" | "direct">;

/** Class targets, for an engine that is given no others. */
export function classesOf(targets: Targets): ClassIndices {
  if ("soft" in targets) throw new TypeError("expected class targets");
  return targets;
}
