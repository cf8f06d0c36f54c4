/** What computes: the kernels in WebAssembly, or plain TypeScript. Arguments are validated before they get here. */
export type BackendName = "wasm-relaxed-simd" | "wasm-simd" | "js";

/** Class targets as a backend takes them. What is not `ignoreIndex` is a class. */
export type TargetArray = Int32Array | Int16Array | Int8Array | Uint16Array | Uint8Array;

/** A place for float32 values that outlasts calls. */
export interface Storage {
  /** The values as they stand now. A view of it does not outlast the next `allocate`. */
  view(): Float32Array;
  release(): void;
}

/**
 * Every function takes inputs, outputs, sizes. `logits`, `logProbs`, `probs` and `grad` hold rows · classes values, one
 * row after another; `targets`, `lse` and `losses` hold one value a row. An output may be an input (in place).
 */
export interface Backend {
  readonly name: BackendName;

  logSumExp(logits: Float32Array, lse: Float32Array, rows: number, classes: number): void;
  logSoftmax(logits: Float32Array, logProbs: Float32Array, rows: number, classes: number): void;
  softmax(logits: Float32Array, probs: Float32Array, rows: number, classes: number): void;

  logSoftmaxBackward(
    gradOutput: Float32Array,
    logProbs: Float32Array,
    grad: Float32Array,
    rows: number,
    classes: number,
  ): void;
  softmaxBackward(
    gradOutput: Float32Array,
    probs: Float32Array,
    grad: Float32Array,
    rows: number,
    classes: number,
  ): void;

  /** Writes the rows' losses where asked to, and returns their sum. */
  crossEntropy(
    logits: Float32Array,
    targets: TargetArray,
    ignoreIndex: number,
    losses: Float32Array | undefined,
    rows: number,
    classes: number,
  ): number;

  /** The same, and with it the gradient of Σ scale · loss, with one scale for all rows or one a row. */
  crossEntropyBackward(
    logits: Float32Array,
    targets: TargetArray,
    ignoreIndex: number,
    scale: number | ArrayLike<number>,
    losses: Float32Array | undefined,
    grad: Float32Array,
    rows: number,
    classes: number,
  ): number;

  allocate(length: number): Storage;
}
