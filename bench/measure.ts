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
/** A call that outlasts a turn by this is slow, and made in one round of so many. */
const SLOW = 2;
const STRIDE = 3;

/**
 * Each contender's time per call in each round, in nanoseconds. A machine's speed drifts, so every contender has a
 * short turn in every round, and only what was measured in the same round is to be compared. The order turns round each
 * time, lest one of them always follow the same other. A turn before the first round warms up; where a call outlasts a
 * turn by far, it is the first round's at once, and the contender sits out all others but every third, which are NaN.
 */
export async function measure<C extends Timed>(
  contenders: readonly C[],
  { rounds, turn }: Plan,
): Promise<Map<C, number[]>> {
  const times = new Map<C, number[]>();
  const slow = new Set<C>();
  for (const contender of contenders) {
    const warmUp = await contender.turn(turn);
    if (warmUp > SLOW * turn * 1e6) slow.add(contender);
    times.set(contender, slow.has(contender) ? [warmUp] : []);
  }
  for (let round = 0; round < rounds; round++) {
    for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
      const own = times.get(contender);
      if (own === undefined || own.length > round) continue;
      const sitsOut = slow.has(contender) && round % STRIDE > 0;
      own.push(sitsOut ? Number.NaN : await contender.turn(turn));
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
