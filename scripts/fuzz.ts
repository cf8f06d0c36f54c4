/**
 * Random calls of every function, held to the oracle of the tests:
 *
 *     npm run fuzz -- --cases 30000 --seed 1 [--backend wasm-simd] [--failures 5]
 *
 * A call that fails is made smaller and printed as a program; the exit code is 1 then.
 */

import { parseArgs } from "node:util";
import { type BackendName, createCore } from "../src/index.js";
import { fuzz } from "../test/fuzz/index.js";

const ALL: readonly BackendName[] = ["wasm-relaxed-simd", "wasm-simd", "js"];

function runsHere(backend: BackendName): boolean {
  try {
    createCore({ backend }).dispose();
    return true;
  } catch (error) {
    console.log(`not run: ${error instanceof Error ? error.message : error}`);
    return false;
  }
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`--${name}: expected a whole number, got ${text}`);
  return value;
}

const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "30000" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    failures: { type: "string", default: "5" },
    backend: { type: "string", multiple: true, default: [...ALL] },
  },
});
const [cases, seed, failures] = [
  wholeNumber("cases", values.cases),
  wholeNumber("seed", values.seed),
  wholeNumber("failures", values.failures),
];
const backends = ALL.filter((name) => values.backend.includes(name)).filter(runsHere);

const start = performance.now();
const found = fuzz({ cases, seed, backends, failures });
for (const { program, what, seed } of found) console.log(`\n${program}\n// ${what}\n// --seed ${seed} --cases 1`);
const seconds = ((performance.now() - start) / 1000).toFixed(1);
console.log(`\n${cases} cases from seed ${seed} on ${backends.join(", ")}: ${found.length} failures, ${seconds} s`);
process.exitCode = found.length > 0 ? 1 : 0;
