import { type Core, createCore } from "surprisal";
import type { Batch } from "./witness.js";

const BACKENDS = ["wasm-relaxed-simd", "wasm-simd", "js"] as const;
const ROUNDS = 15;

/** How long a backend took for the loss and the gradient of all batches, or why this engine lacks it. */
export type Timing = { readonly backend: string } & ({ readonly milliseconds: number } | { readonly missing: string });

/**
 * Times every backend on the same batches. They take turns, so that a change in the machine's speed meets all of
 * them; the first round warms up and is left out, and the median of the others stands.
 */
export function timeBackends(batches: readonly Batch[]): Timing[] {
  const contenders = BACKENDS.map((backend) => ({ backend, rounds: [] as number[], ...open(backend) }));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const contender of contenders) {
      if (!("core" in contender)) continue;
      const milliseconds = timeLosses(contender.core, batches);
      if (round > 0) contender.rounds.push(milliseconds);
    }
  }
  return contenders.map(({ backend, rounds, ...opened }) =>
    "core" in opened ? { backend, milliseconds: median(rounds) } : { backend, missing: opened.missing },
  );
}

function open(backend: (typeof BACKENDS)[number]): { core: Core } | { missing: string } {
  try {
    return { core: createCore({ backend }) };
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) };
  }
}

function timeLosses(core: Core, batches: readonly Batch[]): number {
  const grad = new Float32Array(batches[0]?.logits.length ?? 0);
  const start = performance.now();
  for (const { logits, labels } of batches) core.crossEntropyWithGrad(logits, labels, { out: grad });
  return performance.now() - start;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
