import { Bench, type FnReturnedObject } from "tinybench";
import type { Contender } from "./contenders.js";

export interface Plan {
  readonly rounds: number;
  /** How long a contender's turn lasts in each round, in milliseconds; a slow call happens once all the same. */
  readonly turn: number;
}

/** Calls too quick for the clock are timed together, as many as fill this many milliseconds. */
const BATCH = 0.05;

/**
 * Each contender's median time per call, in nanoseconds, in each round. A machine's speed drifts, so every contender
 * has a short turn in every round, and only what was measured in the same round is to be compared. The order turns
 * round each time, lest one of them always follow the same other.
 */
export function measure(contenders: readonly Contender[], { rounds, turn }: Plan): Map<Contender, number[]> {
  const results = new Map(contenders.map((contender) => [contender, [] as number[]]));
  const calls = new Map(contenders.map((contender) => [contender, warmUp(contender, turn)]));
  for (let round = 0; round < rounds; round++) {
    const bench = new Bench({ time: turn, iterations: 1, warmup: false, throws: true });
    const order = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of order) {
      bench.add(nameOf(contender), timed(contender, calls.get(contender) ?? 1), { async: false });
    }
    bench.runSync();
    for (const contender of contenders) {
      const result = bench.getTask(nameOf(contender))?.result;
      if (result?.state !== "completed") throw new Error(`${nameOf(contender)} was not measured`);
      results.get(contender)?.push(result.latency.p50 * 1e6);
    }
  }
  return results;
}

/** Runs a contender for a turn, and returns how many calls are to be timed together. */
function warmUp(contender: Contender, turn: number): number {
  const start = performance.now();
  let calls = 0;
  let elapsed = 0;
  while (elapsed < turn) {
    contender.run();
    calls += 1;
    elapsed = performance.now() - start;
  }
  return Math.max(1, Math.round((BATCH * calls) / elapsed));
}

function timed(contender: Contender, calls: number): () => FnReturnedObject {
  return () => {
    let losses = 0;
    const start = performance.now();
    for (let call = 0; call < calls; call++) losses += contender.run();
    const elapsed = performance.now() - start;
    // Reading the losses keeps the calls: verified results are never NaN.
    if (Number.isNaN(losses)) throw new Error("a loss is NaN");
    return { overriddenDuration: elapsed / calls, overriddenIterationCost: elapsed };
  };
}

function nameOf({ implementation, memory }: Contender): string {
  return `${implementation}, ${memory}`;
}
