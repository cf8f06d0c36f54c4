/** Which backend an engine gets, and what it is told where there is none. */

import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const WASM = ["wasm-relaxed-simd", "wasm-simd"] as const;

/** The package as it is imported in an engine that is about to be described. */
const surprisal = async () => import("../src/index.js");

describe("createCore in an engine", () => {
  beforeEach(() => vi.resetModules());
  afterEach(() => vi.unstubAllGlobals());

  const reasons = async (): Promise<string[]> => {
    const { createCore } = await surprisal();
    return WASM.map((backend) => {
      try {
        return createCore({ backend }).backend;
      } catch (error) {
        return String(error);
      }
    });
  };

  it("without WebAssembly", async () => {
    vi.stubGlobal("WebAssembly", undefined);
    expect(await reasons()).toEqual([
      "Error: wasm-relaxed-simd: this engine has no WebAssembly",
      "Error: wasm-simd: this engine has no WebAssembly",
    ]);
    const { createCore } = await surprisal();
    expect(createCore().backend).toBe("js");
  });

  it("without SIMD", async () => {
    class Module {
      constructor() {
        throw new WebAssembly.CompileError("invalid opcode");
      }
    }
    vi.stubGlobal("WebAssembly", { ...own(WebAssembly), validate: () => false, Module });
    expect(await reasons()).toEqual([
      "Error: wasm-relaxed-simd: this engine does not know relaxed SIMD",
      "Error: wasm-simd: this engine does not know SIMD",
    ]);
    const { createCore, crossEntropy } = await surprisal();
    expect(createCore().backend).toBe("js");
    expect(crossEntropy(new Float32Array([0, 0]), [1])).toBeCloseTo(Math.LN2, 6);
  });

  it("whose policy forbids compiling", async () => {
    class Module {
      constructor() {
        throw new WebAssembly.CompileError("refused by a policy");
      }
    }
    vi.stubGlobal("WebAssembly", { ...own(WebAssembly), validate: () => true, Module });
    expect(await reasons()).toEqual(WASM.map(() => "CompileError: refused by a policy"));
    const { createCore } = await surprisal();
    expect(createCore().backend).toBe("js");
  });

  it("whose multiply-add is not fused", async () => {
    // Any engine plays the part with the strict binary under both names, and an answer of no from the first instance.
    const strict = readFileSync("build/wasm-simd.wasm");
    let instances = 0;
    class Module extends WebAssembly.Module {
      constructor() {
        super(strict);
      }
    }
    const { Instance: Real } = WebAssembly;
    class Instance {
      readonly exports: WebAssembly.Exports;
      constructor(module: WebAssembly.Module, imports: WebAssembly.Imports) {
        const first = instances++ === 0;
        this.exports = { ...new Real(module, imports).exports, is_fused: () => (first ? 0 : 1) };
      }
    }
    vi.stubGlobal("WebAssembly", { ...own(WebAssembly), validate: () => true, Module, Instance });
    const { createCore } = await surprisal();
    expect(createCore().backend).toBe("wasm-simd");
    instances = 0;
    expect(() => createCore({ backend: "wasm-relaxed-simd" })).toThrow(
      "wasm-relaxed-simd: this engine multiplies and adds in two roundings, where the kernels are exact with one",
    );
  });
});

/** The members of a namespace object, which are not enumerable. */
function own(namespace: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(Object.getOwnPropertyDescriptors(namespace)).map(([name, { value }]) => [name, value]),
  );
}
