import { instantiateSync } from "@assemblyscript/loader";
import { relaxedSimd, strictSimd, wide } from "./binaries.js";

type Forward = (x: number, kind: number, y: number, rows: number, classes: number) => void;
type ForwardTile = (
  x: number,
  kind: number,
  y: number,
  rows: number,
  classes: number,
  inner: number,
  stride: number,
) => void;
type Backward = (gradOutput: number, y: number, grad: number, rows: number, classes: number) => void;
type BackwardTile = (
  gradOutput: number,
  y: number,
  grad: number,
  rows: number,
  classes: number,
  inner: number,
  stride: number,
) => void;

/** The exports of a binary for float32: see assembly/index.ts. Pointers are byte offsets into the memory. */
export type Kernels = {
  readonly memory: WebAssembly.Memory;
  is_fused(): number;
  heap_base(): number;

  log_sum_exp_forward: Forward;
  log_softmax_forward: Forward;
  softmax_forward: Forward;
  log_softmax_backward: Backward;
  softmax_backward: Backward;
  cross_entropy_forward(
    logits: number,
    kind: number,
    targets: number,
    weights: number,
    losses: number,
    rows: number,
    classes: number,
    ignoreIndex: number,
    smoothing: number,
    zLoss: number,
    total: number,
  ): number;
  cross_entropy_forward_backward(
    logits: number,
    kind: number,
    targets: number,
    weights: number,
    scales: number,
    losses: number,
    grad: number,
    rows: number,
    classes: number,
    ignoreIndex: number,
    scaleStride: number,
    smoothing: number,
    zLoss: number,
    total: number,
  ): number;

  log_sum_exp_forward_tile: ForwardTile;
  log_softmax_forward_tile: ForwardTile;
  softmax_forward_tile: ForwardTile;
  log_softmax_backward_tile: BackwardTile;
  softmax_backward_tile: BackwardTile;
  cross_entropy_forward_tile(
    logits: number,
    kind: number,
    targets: number,
    weights: number,
    losses: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
    ignoreIndex: number,
    smoothing: number,
    zLoss: number,
    total: number,
  ): number;
  cross_entropy_forward_backward_tile(
    logits: number,
    kind: number,
    targets: number,
    weights: number,
    scales: number,
    losses: number,
    grad: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
    ignoreIndex: number,
    scaleStride: number,
    smoothing: number,
    zLoss: number,
    total: number,
  ): number;

  exchange(place: number, kind: number, bits: number): number;
  mask_of(kind: number): number;
  value_of(bits: number, kind: number): number;
  row_max(logits: number, kind: number, n: number): number;
  row_top(logits: number, kind: number, n: number): number;
  is_settled(top: number, sum: number): number;
  row_exp_sum(logits: number, kind: number, n: number, max: number, sum: number): number;
  row_exp_scaled(
    logits: number,
    kind: number,
    out: number,
    n: number,
    max: number,
    factor: number,
    offset: number,
  ): void;
  row_log_softmax(logits: number, kind: number, logProbs: number, n: number, max: number, sum: number): void;
  row_sum(values: number, kind: number, n: number, shift: number, sum: number): number;
  row_dot(a: number, b: number, n: number, sum: number): number;
  row_log_softmax_backward(gradOutput: number, logProbs: number, grad: number, n: number, sum: number): void;
  row_softmax_backward(gradOutput: number, probs: number, grad: number, n: number, dot: number): void;
  log_sum_exp_of(max: number, sum: number): number;
  softmax_factor(sum: number): number;
  odds_against(max: number, sum: number, target: number): number;
  target_loss(odds: number, max: number, sum: number, target: number): number;
  miss(odds: number): number;
  log_sum_exp(odds: number, nll: number, max: number, sum: number, target: number): number;
  row_loss(nll: number, mean: number, lse: number, weight: number, smoothing: number, zLoss: number): number;
  error_of_others(scale: number, odds: number, lse: number, weight: number, zLoss: number): number;
  error_of_target(
    scale: number,
    odds: number,
    lse: number,
    weight: number,
    smoothing: number,
    classes: number,
    zLoss: number,
  ): number;
  target_gradient(error: number): number;
  gradient_factor(error: number, sum: number): number;
};

type WideForward = (
  x: number,
  kind: number,
  y: number,
  resultKind: number,
  rows: number,
  classes: number,
  inner: number,
  stride: number,
) => void;
type WideBackward = (
  gradOutput: number,
  gradKind: number,
  y: number,
  kind: number,
  grad: number,
  resultKind: number,
  rows: number,
  classes: number,
  inner: number,
  stride: number,
) => void;
type WideElementwise = (operands: number, n: number, total: number) => number;

/** The exports of the binary for float64, soft targets and all other terms: see assembly/wide/index.ts. */
export type WideKernels = {
  take_lost(): number;
  log_sum_exp_wide: WideForward;
  log_softmax_wide: WideForward;
  softmax_wide: WideForward;
  log_softmax_backward_wide: WideBackward;
  softmax_backward_wide: WideBackward;
  cross_entropy_wide(
    logits: number,
    kind: number,
    targets: number,
    weights: number,
    losses: number,
    resultKind: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
    ignoreIndex: number,
    smoothing: number,
    zLoss: number,
    softcap: number,
    total: number,
  ): number;
  cross_entropy_backward_wide(
    logits: number,
    kind: number,
    targets: number,
    weights: number,
    scales: number,
    scaleStride: number,
    losses: number,
    grad: number,
    resultKind: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
    ignoreIndex: number,
    smoothing: number,
    zLoss: number,
    softcap: number,
    total: number,
  ): number;
  cross_entropy_soft_wide(
    logits: number,
    kind: number,
    soft: number,
    softKind: number,
    weights: number,
    losses: number,
    resultKind: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
    smoothing: number,
    zLoss: number,
    softcap: number,
    total: number,
  ): number;
  cross_entropy_soft_backward_wide(
    logits: number,
    kind: number,
    soft: number,
    softKind: number,
    weights: number,
    scales: number,
    scaleStride: number,
    losses: number,
    grad: number,
    resultKind: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
    smoothing: number,
    zLoss: number,
    softcap: number,
    total: number,
  ): number;
  binary_cross_entropy: WideElementwise;
  binary_cross_entropy_with_logits: WideElementwise;
  kl_divergence: WideElementwise;
  kl_divergence_log_target: WideElementwise;
};

export type WasmName = "wasm-relaxed-simd" | "wasm-simd";

type BinaryName = WasmName | "wasm-wide";

const BINARIES: Record<BinaryName, string> = {
  "wasm-relaxed-simd": relaxedSimd,
  "wasm-simd": strictSimd,
  "wasm-wide": wide,
};

/** What came of compiling, once, however many cores there are. */
const compiled = new Map<BinaryName, WebAssembly.Module | Error>();

/** A fresh instance with a memory of its own. Throws an Error that says why where this engine cannot run the binary. */
export function instantiate(name: WasmName): Kernels {
  if (typeof WebAssembly !== "object") throw new Error(`${name}: this engine has no WebAssembly`);
  const kernels = open(compile(name)) as Kernels;
  if (kernels.is_fused() === 0) {
    throw new Error(`${name}: this engine multiplies and adds in two roundings, where the kernels are exact with one`);
  }
  return kernels;
}

/** The wide kernels, in the memory of those. */
export function instantiateWide({ memory }: Kernels): WideKernels {
  return open(compile("wasm-wide"), { env: { memory } }) as WideKernels;
}

/**
 * The exports as the engine has them. The loader wraps each in a function of rest parameters, a tenth of a small call;
 * what they are, the types here say and not the compiler.
 */
function open(module: WebAssembly.Module, imports = {}): WebAssembly.Exports {
  return instantiateSync(module, imports).instance.exports;
}

function compile(name: BinaryName): WebAssembly.Module {
  const known = compiled.get(name) ?? tryToCompile(name);
  compiled.set(name, known);
  if (known instanceof Error) throw known;
  return known;
}

/** Compiles first and asks why only afterwards: validating takes as long as compiling. */
function tryToCompile(name: BinaryName): WebAssembly.Module | Error {
  const bytes = decode(BINARIES[name]);
  try {
    return new WebAssembly.Module(bytes);
  } catch (error) {
    if (WebAssembly.validate(bytes) && error instanceof Error) return error;
    return new Error(`${name}: this engine does not know ${name === "wasm-relaxed-simd" ? "relaxed " : ""}SIMD`);
  }
}

interface Base64Decoder {
  readonly fromBase64?: (text: string) => Uint8Array<ArrayBuffer>;
}

/** By what newer engines have for it; else by a loop, since `Uint8Array.from` with a function takes several times as long. */
function decode(base64: string): Uint8Array<ArrayBuffer> {
  const decoder: Base64Decoder & Uint8ArrayConstructor = Uint8Array;
  if (decoder.fromBase64) return decoder.fromBase64(base64);
  const characters = atob(base64);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}
