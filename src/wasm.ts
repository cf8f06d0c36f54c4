import { instantiateSync } from "@assemblyscript/loader";
import { relaxedSimd, strictSimd } from "./binaries.js";

/** The exports of a binary: see assembly/index.ts. Pointers are byte offsets into the memory. */
export type Kernels = {
  readonly memory: WebAssembly.Memory;
  is_fused(): number;
  allocate(bytes: number): number;
  release(place: number): void;

  log_sum_exp_forward(logits: number, lse: number, rows: number, classes: number): void;
  log_softmax_forward(logits: number, logProbs: number, rows: number, classes: number): void;
  softmax_forward(logits: number, probs: number, rows: number, classes: number): void;
  log_softmax_backward(gradOutput: number, logProbs: number, grad: number, rows: number, classes: number): void;
  softmax_backward(gradOutput: number, probs: number, grad: number, rows: number, classes: number): void;
  cross_entropy_forward(
    logits: number,
    targets: number,
    losses: number,
    rows: number,
    classes: number,
    ignoreIndex: number,
    total: number,
  ): number;
  cross_entropy_forward_backward(
    logits: number,
    targets: number,
    scales: number,
    losses: number,
    grad: number,
    rows: number,
    classes: number,
    ignoreIndex: number,
    scaleStride: number,
    total: number,
  ): number;

  log_sum_exp_forward_tile(
    logits: number,
    lse: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
  ): void;
  log_softmax_forward_tile(
    logits: number,
    logProbs: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
  ): void;
  softmax_forward_tile(
    logits: number,
    probs: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
  ): void;
  log_softmax_backward_tile(
    gradOutput: number,
    logProbs: number,
    grad: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
  ): void;
  softmax_backward_tile(
    gradOutput: number,
    probs: number,
    grad: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
  ): void;
  cross_entropy_forward_tile(
    logits: number,
    targets: number,
    losses: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
    ignoreIndex: number,
    total: number,
  ): number;
  cross_entropy_forward_backward_tile(
    logits: number,
    targets: number,
    scales: number,
    losses: number,
    grad: number,
    rows: number,
    classes: number,
    inner: number,
    stride: number,
    ignoreIndex: number,
    scaleStride: number,
    total: number,
  ): number;

  row_max(logits: number, n: number): number;
  row_exp_sum(logits: number, n: number, max: number, sum: number): number;
  row_exp_scaled(logits: number, out: number, n: number, max: number, factor: number): void;
  row_log_softmax(logits: number, logProbs: number, n: number, max: number, sum: number): void;
  row_sum(values: number, n: number, sum: number): number;
  row_dot(a: number, b: number, n: number, sum: number): number;
  row_log_softmax_backward(gradOutput: number, logProbs: number, grad: number, n: number, sum: number): void;
  row_softmax_backward(gradOutput: number, probs: number, grad: number, n: number, dot: number): void;
  log_sum_exp_of(max: number, sum: number): number;
  softmax_factor(sum: number): number;
  odds_against(max: number, sum: number, target: number): number;
  target_loss(odds: number, max: number, sum: number, target: number): number;
  miss(odds: number): number;
  target_gradient(error: number): number;
  gradient_factor(error: number, sum: number): number;
};

export type WasmName = "wasm-relaxed-simd" | "wasm-simd";

const BINARIES: Record<WasmName, string> = { "wasm-relaxed-simd": relaxedSimd, "wasm-simd": strictSimd };

/** What came of compiling, once, however many cores there are. */
const compiled = new Map<WasmName, WebAssembly.Module | Error>();

/** A fresh instance with a memory of its own. Throws an Error that says why where this engine cannot run the binary. */
export function instantiate(name: WasmName): Kernels {
  if (typeof WebAssembly !== "object") throw new Error(`${name}: this engine has no WebAssembly`);
  const { exports } = instantiateSync<Kernels>(compile(name));
  if (exports.is_fused() === 0) {
    throw new Error(`${name}: this engine multiplies and adds in two roundings, where the kernels are exact with one`);
  }
  return exports;
}

function compile(name: WasmName): WebAssembly.Module {
  const known = compiled.get(name) ?? tryToCompile(name);
  compiled.set(name, known);
  if (known instanceof Error) throw known;
  return known;
}

function tryToCompile(name: WasmName): WebAssembly.Module | Error {
  const bytes = decode(BINARIES[name]);
  if (WebAssembly.validate(bytes)) return new WebAssembly.Module(bytes);
  return new Error(`${name}: this engine does not know ${name === "wasm-simd" ? "" : "relaxed "}SIMD`);
}

/** A loop: `Uint8Array.from` with a function takes longer than compiling does. */
function decode(base64: string): Uint8Array<ArrayBuffer> {
  const characters = atob(base64);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}
