import { arch, cpus, platform } from "node:os";
import { type Call, type Contender, type Memory, PLAIN } from "./contenders.js";
import type { Inputs } from "./inputs.js";
import type { Setup } from "./setup.js";
import { median, rounded, spread } from "./statistics.js";

/** One contender in one case. */
export interface Row {
  readonly rows: number;
  readonly classes: number;
  readonly call: Call;
  readonly implementation: string;
  readonly memory: Memory;
  readonly nanoseconds: number;
  readonly logitsPerSecond: number;
  /** Half the distance between the quartiles of the rounds, as a share of their median. */
  readonly spread: number;
  /** How many times as fast as plain loops that have the same memory at hand. */
  readonly speedUp: number;
}

/** What a run ran on, and when. */
export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly system: string;
  readonly node: string;
  readonly v8: string;
}

/** A whole run. */
export interface Run extends Machine {
  /** The backend that `auto` takes here. */
  readonly auto: string;
  readonly rounds: number;
  readonly setup: Setup;
  readonly rows: readonly Row[];
}

export function describeMachine(): Machine {
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    system: `${platform()} ${arch()}`,
    node: process.versions.node,
    v8: process.versions.v8,
  };
}

/** The rows of one case. A speed-up is the median of the ratios that each round came to by itself. */
export function rowsOf(call: Call, { rows, classes }: Inputs, times: ReadonlyMap<Contender, readonly number[]>): Row[] {
  return [...times].map(([contender, own]) => {
    const baseline = times.get(baselineOf(contender, times.keys())) ?? [];
    const nanoseconds = median(own);
    return {
      rows,
      classes,
      call,
      implementation: contender.implementation,
      memory: contender.memory,
      nanoseconds: rounded(nanoseconds),
      logitsPerSecond: rounded((rows * classes * 1e9) / nanoseconds),
      spread: rounded(spread(own)),
      speedUp: rounded(ratio(baseline, own)),
    };
  });
}

/** How many times as long one took as the other: the median over the rounds that both took part in. */
export function ratio(one: readonly number[], other: readonly number[]): number {
  return median(one.map((time, round) => time / (other[round] ?? Number.NaN)));
}

/** Plain loops that allocate the result for those that do, else plain loops that are given it, the faster ones. */
export function baselineOf(contender: Contender, contenders: Iterable<Contender>): Contender {
  const memory = contender.memory === "tensor" ? "out" : contender.memory;
  const plain = [...contenders].filter(({ implementation }) => implementation === PLAIN);
  return plain.find((each) => each.memory === memory) ?? plain[0] ?? contender;
}
