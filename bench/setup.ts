import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { median, rounded } from "./statistics.js";

/** What there is to pay once: milliseconds in a fresh process, and bytes. */
export interface Setup {
  readonly importMs: number;
  /** The first call compiles the binary and sets the memory up. */
  readonly firstCallMs: number;
  readonly binaries: readonly Binary[];
  /** As npm has it: the binaries twice, as files and in the JavaScript. */
  readonly package: { readonly packed: number; readonly unpacked: number };
}

export interface Binary {
  readonly name: string;
  readonly bytes: number;
  readonly gzipped: number;
}

const PROCESSES = 9;
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);

/** Plain JavaScript in a process of its own, where nothing but Node itself has been loaded. */
const FIRST_CALL = `
  const start = performance.now();
  const { crossEntropy } = await import("surprisal");
  const imported = performance.now();
  crossEntropy(new Float32Array(10), new Int32Array(1));
  console.log(JSON.stringify([imported - start, performance.now() - imported]));
`;

export async function measureSetup(): Promise<Setup> {
  const imports: number[] = [];
  const firstCalls: number[] = [];
  for (let count = 0; count < PROCESSES; count++) {
    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", FIRST_CALL], { cwd: ROOT });
    const [importMs, firstCallMs]: number[] = JSON.parse(stdout);
    imports.push(importMs ?? Number.NaN);
    firstCalls.push(firstCallMs ?? Number.NaN);
  }
  return {
    importMs: rounded(median(imports)),
    firstCallMs: rounded(median(firstCalls)),
    binaries: ["wasm-simd.wasm", "wasm-relaxed-simd.wasm", "wasm-wide.wasm"].map(sizeOf),
    package: await sizeOfPackage(),
  };
}

async function sizeOfPackage(): Promise<Setup["package"]> {
  const { stdout } = await run("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: ROOT });
  const [{ size, unpackedSize }] = JSON.parse(stdout);
  return { packed: size, unpacked: unpackedSize };
}

function sizeOf(name: string): Binary {
  const bytes = readFileSync(new URL(`../dist/${name}`, import.meta.url));
  return { name, bytes: bytes.length, gzipped: gzipSync(bytes, { level: 9 }).length };
}
