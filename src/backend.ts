/** What computes: the kernels in WebAssembly, or plain TypeScript. Arguments are validated before they get here. */
export type BackendName = "wasm-relaxed-simd" | "wasm-simd" | "js";

/** What of the integer arrays a backend reads as it is. */
export type TargetArray = Int32Array | Int16Array | Int8Array | Uint16Array | Uint8Array;

/** Class targets as a backend takes them: what is not `ignoreIndex` is a class. */
export interface ClassIndices {
  readonly data: TargetArray;
  readonly ignoreIndex: number;
}

/** How an array lies: `[outer, classes, inner]`. The classes at one outer and one inner position are a row. */
export interface Layout {
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
}

/** A place for float32 values that outlasts calls. */
export interface Storage {
  /** The values as they stand now. A view of it does not outlast the next `allocate`. */
  view(): Float32Array;
  release(): void;
}

/**
 * Every function takes inputs, outputs, and how they lie. `logits`, `logProbs`, `probs`, `gradOutput` and `grad` lie as
 * the layout says; `targets`, `scales`, `lse` and `losses` hold one value a row. An output may be an input (in place).
 */
export interface Backend {
  readonly name: BackendName;

  logSumExp(logits: Float32Array, lse: Float32Array, layout: Layout): void;
  logSoftmax(logits: Float32Array, logProbs: Float32Array, layout: Layout): void;
  softmax(logits: Float32Array, probs: Float32Array, layout: Layout): void;
  logSoftmaxBackward(gradOutput: Float32Array, logProbs: Float32Array, grad: Float32Array, layout: Layout): void;
  softmaxBackward(gradOutput: Float32Array, probs: Float32Array, grad: Float32Array, layout: Layout): void;

  /** Writes the rows' losses where asked to, and returns their sum. */
  crossEntropy(logits: Float32Array, targets: ClassIndices, losses: Float32Array | undefined, layout: Layout): number;

  /** The same, and with it the gradient of Σ scale · loss, with one scale for all rows or one a row. */
  crossEntropyBackward(
    logits: Float32Array,
    targets: ClassIndices,
    scales: number | ArrayLike<number>,
    losses: Float32Array | undefined,
    grad: Float32Array,
    layout: Layout,
  ): number;

  allocate(length: number): Storage;
}
