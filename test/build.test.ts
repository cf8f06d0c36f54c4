/** What a build makes: the same binaries each time, small ones, and a package that works where it is installed. */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

const scratch = mkdtempSync(join(tmpdir(), "surprisal-build-"));
afterAll(() => rmSync(scratch, { recursive: true }));

describe.each([
  ["wasm-simd", "assembly/index.ts"],
  ["wasm-relaxed-simd", "assembly/index.ts"],
  ["wasm-wide", "assembly/wide/index.ts"],
])("%s.wasm", (name, entry) => {
  const built = readFileSync(`build/${name}.wasm`);

  it("comes out the same, byte for byte, when it is built again", () => {
    const again = join(scratch, `${name}.wasm`);
    execFileSync(process.execPath, [
      "node_modules/assemblyscript/bin/asc.js",
      entry,
      "--target",
      name,
      "--outFile",
      again,
    ]);
    expect(readFileSync(again).equals(built)).toBe(true);
  });

  it("is what the package ships and what it embeds", () => {
    expect(readFileSync(`dist/${name}.wasm`).equals(built)).toBe(true);
    expect(readFileSync("dist/binaries.js", "utf8")).toContain(`"${built.toString("base64")}"`);
  });

  it("is under 24 KiB", () => {
    expect(built.length).toBeLessThan(24 * 1024);
  });
});

describe("the package", () => {
  const modules = join(scratch, "user", "node_modules");
  const root = join(modules, "surprisal");
  mkdirSync(join(modules, "@assemblyscript"), { recursive: true });
  mkdirSync(root);
  const [packed] = JSON.parse(
    execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", scratch], { encoding: "utf8" }),
  );
  execFileSync("tar", ["-xzf", join(scratch, packed.filename), "-C", root, "--strip-components=1"]);
  symlinkSync(resolve("node_modules/@assemblyscript/loader"), join(modules, "@assemblyscript", "loader"));

  const run = (file: string, code: string): string => {
    writeFileSync(join(scratch, "user", file), code);
    return execFileSync(process.execPath, [file], { cwd: join(scratch, "user"), encoding: "utf8" });
  };

  it("holds what it builds and nothing else", () => {
    const files: string[] = packed.files.map(({ path }: { path: string }) => path);
    expect(files.filter((path) => !/^dist\/[a-z-]+(\.d\.ts|\.js|\.wasm)$/.test(path)).sort()).toEqual([
      "LICENSE",
      "README.md",
      "package.json",
    ]);
  });

  it("compiles nothing when it is imported, and one binary when it is called", () => {
    const code = `
      let compiled = 0;
      WebAssembly.Module = class extends WebAssembly.Module { constructor(...all) { super(...all); compiled++; } };
      const { crossEntropy, createCore } = await import("surprisal");
      console.log(compiled);
      console.log(crossEntropy(new Float32Array([0, 0]), [1]).toFixed(5), compiled);
      createCore();
      console.log(compiled);`;
    expect(run("import.mjs", code)).toBe("0\n0.69315 1\n1\n");
  });

  it("exports the information theory by itself", () => {
    const code = `
      import { entropy } from "surprisal/information";
      console.log(entropy([0.5, 0.5], { base: 2 }));`;
    expect(run("information.mjs", code)).toBe("1\n");
  });

  it("exports the binaries as files", () => {
    const code = `
      import { readFileSync } from "node:fs";
      for (const name of ["wasm-simd", "wasm-relaxed-simd", "wasm-wide"]) {
        const bytes = readFileSync(new URL(import.meta.resolve(\`surprisal/\${name}.wasm\`)));
        console.log(bytes.subarray(0, 4).toString("latin1") === "\\0asm");
      }`;
    expect(run("files.mjs", code)).toBe("true\ntrue\ntrue\n");
  });

  it("has types that a strict user can build on", () => {
    const code = `
      import { type Core, createCore, crossEntropy, crossEntropyWithGrad, type CrossEntropyOptions, type Reduction } from "surprisal";
      import { klDivergence } from "surprisal/information";
      const core: Core = createCore({ backend: "js" });
      const logits = new Float32Array(6);
      const mean: number = crossEntropy(logits, [0, 1]);
      const summed: number = core.crossEntropy(logits, Int32Array.of(0, 1), { reduction: "sum" });
      const rows: Float32Array = crossEntropy(logits, [0, 1], { reduction: "none", ignoreIndex: 1 });
      const grad: Float32Array = crossEntropyWithGrad(logits, [0, 1], { out: logits }).grad;
      const either = (reduction: Reduction): number | Float32Array => crossEntropy(logits, [0, 1], { reduction });
      const { softmax } = core;
      const bits: number = klDivergence(softmax(logits), [1, 0, 0, 0, 0, 0], { base: 2 });
      export default [mean, summed, rows, grad, either, softmax(logits), bits];
      // @ts-expect-error: a reduced loss is a number
      export const wrong: Float32Array = crossEntropy(logits, [0, 1]);
      export const open: number | Float32Array = crossEntropy(logits, [0, 1], {} as CrossEntropyOptions);
      // @ts-expect-error: a misspelt option
      export const misspelt = crossEntropy(logits, [0, 1], { labelSmothing: 0.1 });
      export const unset: number = crossEntropy(logits, [0, 1], { reduction: undefined });
      // As the types of ONNX Runtime have a tensor: its data may be strings.
      declare const tensor: { data: Float32Array | BigInt64Array | string[]; dims: readonly number[] };
      export const fromTensor: Float32Array | Float64Array = core.softmax(tensor);
      export const doubles: Float64Array = core.softmax(new Float64Array(2));
      export const fromDoubles: Float64Array = crossEntropyWithGrad({ data: new Float64Array(2), dims: [1, 2] }, [0]).grad;
      export const batch: number = core.klDivergence(logits, logits, { reduction: "batchmean" });
      // @ts-expect-error: a tensor has a shape
      export const shapeless = core.softmax({ data: logits });`;
    writeFileSync(join(scratch, "user", "types.mts"), code);
    const options = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom"];
    const compiler = resolve("node_modules/typescript/bin/tsc");
    const cwd = join(scratch, "user");
    expect(execFileSync(process.execPath, [compiler, ...options, "types.mts"], { cwd, encoding: "utf8" })).toBe("");
  });
});
