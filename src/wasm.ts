import { instantiateSync } from "@assemblyscript/loader";
import { relaxedSimd, strictSimd, wide } from "./binaries.js";
import type { Kernels, WideKernels } from "./kernels.js";

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
