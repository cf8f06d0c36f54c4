/** Random calls on every backend, each held to the oracle; and what to make of one that fails. */

import { type BackendName, type Core, createCore } from "../../src/index.js";
import { below, mulberry32 } from "../inputs.js";
import type { Call } from "./call.js";
import { randomCall } from "./generate.js";
import { judge } from "./judge.js";
import { program } from "./print.js";
import { run } from "./run.js";
import { shrunk } from "./shrink.js";

export interface FuzzOptions {
  readonly cases: number;
  readonly seed: number;
  readonly backends: readonly BackendName[];
  /** Stops after so many failures. */
  readonly failures: number;
}

export interface Failure {
  /** Of the case: `--seed` of this number and one case run it again. */
  readonly seed: number;
  /** A program that shows it. */
  readonly program: string;
  readonly what: string;
}

interface Wrong {
  /** The same for the same kind of failure. */
  readonly kind: string;
  readonly what: string;
}

/** What is wrong with what a core does of a call. */
function wrongWith(core: Core, call: Call): Wrong | undefined {
  try {
    const outcome = run(core, call);
    const [miss, ...more] = judge(call, outcome);
    if (miss) {
      const { part, index, got, want, allowed } = miss;
      const bound = allowed === undefined ? "" : `, give or take ${allowed}`;
      const others = more.length > 0 ? `; ${more.length} more are wrong` : "";
      return { kind: part, what: `${part}[${index}]: got ${got}, want ${want}${bound}${others}` };
    }
    const [fault] = outcome.faults;
    return fault === undefined ? undefined : { kind: "fault", what: fault };
  } catch (error) {
    return { kind: String(error).replaceAll(/[\d.e+-]+|NaN|Infinity/g, ""), what: `threw ${error}` };
  }
}

function failureOf(core: Core, call: Call, wrong: Wrong, seed: number, crossCheck: boolean): Failure {
  const smallest = shrunk(call, (candidate) => wrongWith(core, candidate)?.kind === wrong.kind);
  const { what } = wrongWith(core, smallest) ?? wrong;
  return { seed, program: program(smallest, { backend: core.backend, crossCheck }), what };
}

/** One call in so many is run on the plain backend too. */
const CHECKED = 6;

/** The failures among so many random calls, of which the first depends on the seed, and each next on the next number. */
export function fuzz({ cases, seed, backends, failures }: FuzzOptions): Failure[] {
  const cores = backends.map(
    (backend) => [createCore({ backend }), createCore({ backend, crossCheck: true })] as const,
  );
  const found: Failure[] = [];
  for (let i = 0; i < cases && found.length < failures; i++) {
    const random = mulberry32(seed + i);
    const pair = cores[below(random, cores.length)];
    const crossCheck = below(random, CHECKED) === 0;
    const core = pair?.[crossCheck ? 1 : 0];
    if (core === undefined) break;
    const call = randomCall(random);
    const wrong = wrongWith(core, call);
    if (wrong) found.push(failureOf(core, call, wrong, seed + i, crossCheck));
  }
  for (const core of cores.flat()) core.dispose();
  return found;
}
