import { readFileSync } from "node:fs";
import type { Call, Contender, Memory, Precision } from "../contenders.js";
import type { Inputs } from "../inputs.js";

/** Another implementation, called as its own users would call it, on one thread. */
export interface Peer {
  readonly implementation: string;
  readonly version: string;
  readonly memory: Memory;
  /** What lies ready before a call, and what a call's time holds besides the arithmetic. */
  readonly terms: string;
  prepare(call: Call, inputs: Inputs): Promise<Prepared>;
  close?(): void | Promise<void>;
}

/** A call whose inputs, graph or session are ready. It returns the loss, or where there is none 0. */
export type Prepared = Pick<Contender, "run" | "turn" | "output" | "dispose">;

/** What float32 costs where a row's exponentials are summed in it, one after another at worst, and logarithms taken. */
export function float32Precision({ classes }: Inputs): Precision {
  const error = 1e-5 + classes * 2 ** -25;
  return { relative: error, nearOne: error };
}

/** The installed version of an npm package. */
export function versionOf(name: string): string {
  const manifest = new URL(`node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(manifest, "utf8")).version;
}
