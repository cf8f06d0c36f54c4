import { Bench, type FnReturnedObject } from "tinybench";

/** A call that takes its turn among others. */
export interface Timed {
  /** Makes the call, and returns a number of its result: the loss, where there is one. */
  run(): number | Promise<number>;
  /** Makes the call for so many milliseconds, once at least, and returns the median time of one in nanoseconds. */
  turn(milliseconds: number): Promise<number>;
}

export interface Plan {
  readonly rounds: number;
  /** How long a contender's turn lasts in each round, in milliseconds; a slow call happens once all the same. */
  readonly turn: number;
}

/** Calls too quick for the clock are timed together, as many as fill this many milliseconds. */
const BATCH = 0.05;
/** The slowest take part in one round of so many. */
const LONGEST_STRIDE = 3;

/**
 * Each contender's time per call in each round, in nanoseconds. A machine's speed drifts, so every contender has a
 * short turn in every round, and only what was measured in the same round is to be compared. The order turns round each
 * time, lest one of them always follow the same other. Where one call takes longer than a turn, the contender sits
 * rounds out, so that it has no more of the time than the others; those rounds are NaN.
 */
export async function measure<C extends Timed>(
  contenders: readonly C[],
  { rounds, turn }: Plan,
): Promise<Map<C, number[]>> {
  const times = new Map(contenders.map((contender) => [contender, [] as number[]]));
  const strides = new Map<C, number>();
  for (const contender of contenders) {
    const warm = (await contender.turn(turn)) / 1e6;
    strides.set(contender, Math.min(Math.max(1, Math.round(warm / turn)), LONGEST_STRIDE));
  }
  for (let round = 0; round < rounds; round++) {
    for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
      const takesPart = round % (strides.get(contender) ?? 1) === 0;
      times.get(contender)?.push(takesPart ? await contender.turn(turn) : Number.NaN);
    }
  }
  return times;
}

export function timed(run: () => number): Timed & { run(): number } {
  const make = (calls: number): FnReturnedObject => {
    let results = 0;
    const start = performance.now();
    for (let call = 0; call < calls; call++) results += run();
    return batch(performance.now() - start, calls, results);
  };
  return { run, turn: takeTurns(make, false) };
}

/** The same for a call that is waited for. */
export function timedAsync(run: () => Promise<number>): Timed {
  const make = async (calls: number): Promise<FnReturnedObject> => {
    let results = 0;
    const start = performance.now();
    for (let call = 0; call < calls; call++) results += await run();
    return batch(performance.now() - start, calls, results);
  };
  return { run, turn: takeTurns(make, true) };
}

function batch(elapsed: number, calls: number, results: number): FnReturnedObject {
  // Reading the results keeps the calls: verified ones are never NaN.
  if (Number.isNaN(results)) throw new Error("a result is NaN");
  return { overriddenDuration: elapsed / calls, overriddenIterationCost: elapsed };
}

/** Turns of a call that can be made many times in one go; the turn before tells how many of them fill a batch. */
function takeTurns(
  make: (calls: number) => FnReturnedObject | Promise<FnReturnedObject>,
  async: boolean,
): (milliseconds: number) => Promise<number> {
  let calls = 1;
  return async (milliseconds) => {
    const bench = new Bench({ time: milliseconds, iterations: 1, warmup: false, throws: true });
    bench.add("turn", () => make(calls), { async });
    const [task] = await bench.run();
    if (task?.result.state !== "completed") throw new Error("a turn was not measured");
    const { p50 } = task.result.latency;
    calls = Math.max(1, Math.round(BATCH / p50));
    return p50 * 1e6;
  };
}
