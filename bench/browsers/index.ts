/**
 * How fast the package is in a tab of a browser, and in Node, beside PyTorch: each in a process of its own, on one
 * thread, in one run, in turns.
 *
 *   npm run bench:browsers -- [--quick] [--only REGEX] [--record]
 *
 * Tabs and processes make the calls that they are asked for, and only one of them is asked at a time. Nothing of a case is
 * timed before all its results are verified. Who is absent is named and left out. `--only` picks cases by a name such as
 * `8192x10 crossEntropyWithGrad`; `--record` keeps the whole run in `record.json` and renews the table in the README.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Call, type Contender, EXACT, LOSSES, SOFTMAXES } from "../contenders.js";
import { type Inputs, makeInputs } from "../inputs.js";
import { measure } from "../measure.js";
import { float32Precision, type Peer } from "../peers/peer.js";
import { open as openPyTorch } from "../peers/pytorch.js";
import { openSection } from "../readme.js";
import { describeMachine, ratio } from "../record.js";
import { makeReference } from "../reference.js";
import { median, rounded, spread } from "../statistics.js";
import { verify } from "../verify.js";
import { type Engine, OPENERS } from "./engine.js";
import { EAGER, formatCase, formatMarkdown, PYTORCH, type Row, type Run } from "./report.js";

const SHAPES = [
  [8192, 10],
  [4096, 100],
  [1024, 1000],
  [128, 32000],
] as const;

type Participant = Contender & Pick<Row, "engine" | "backend">;

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    record: { type: "boolean", default: false },
  },
});
if (options.record && options.only !== "") throw new Error("--record keeps whole runs: leave --only out");
const writeSection = options.record ? openSection("browsers") : undefined;

const plan = options.quick ? { rounds: 3, turn: 20 } : { rounds: 9, turn: 40 };
const only = new RegExp(options.only);

// Browsers outlive an interrupt unless the process comes to a regular end.
process.once("SIGINT", () => process.exit(130));

const absent: string[] = [];
const [pytorch, ...opened] = await Promise.all([
  present(PYTORCH, async () => (await openPyTorch())[0]),
  ...OPENERS.map(([name, open]) => present(name, open)),
]);
const engines = opened.filter((engine) => engine !== undefined);
for (const reason of absent) console.log(`Left out is ${reason}.\n`);

const rows: Row[] = [];
try {
  for (const [count, classes] of SHAPES) {
    const calls = [...LOSSES, ...SOFTMAXES].filter((call) => only.test(`${count}x${classes} ${call}`));
    if (calls.length === 0) continue;

    const inputs = makeInputs(count, classes);
    for (const call of calls) {
      const participants = await verified(call, inputs);
      const measured = rowsOf(call, inputs, await measure(participants, plan));
      rows.push(...measured);
      console.log(`${formatCase(measured)}\n`);
    }
  }
} finally {
  for (const { close } of engines) await close();
  await pytorch?.close?.();
}

if (writeSection) {
  const run: Run = {
    ...describeMachine(),
    rounds: plan.rounds,
    ...(pytorch && { pytorch: pytorch.version }),
    engines: engines.map(({ name, version, backends, clock }) => ({ name, version, backends, clock: rounded(clock) })),
    absent,
    rows,
  };
  writeFileSync(new URL("record.json", import.meta.url), `${JSON.stringify(run, null, 2)}\n`);
  writeSection(formatMarkdown(run));
}

async function present<T>(name: string, open: () => Promise<T>): Promise<T | undefined> {
  try {
    return await open();
  } catch (error) {
    absent.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

/** All that take part in a case, each come to the right results. */
async function verified(call: Call, inputs: Inputs): Promise<Participant[]> {
  const participants = [
    ...(pytorch ? [await pytorchIn(pytorch, call, inputs)] : []),
    ...(await Promise.all(engines.map((engine) => backendsIn(engine, call, inputs)))).flat(),
  ];
  const reference = makeReference(call, inputs);
  for (const participant of participants) await verify(call, inputs, participant, reference);
  return participants;
}

async function pytorchIn({ memory, prepare }: Peer, call: Call, inputs: Inputs): Promise<Participant> {
  const precision = float32Precision(inputs);
  return { ...named(PYTORCH, EAGER), memory, precision, ...(await prepare(call, inputs)) };
}

async function backendsIn({ name, backends, prepare }: Engine, call: Call, inputs: Inputs): Promise<Participant[]> {
  const participants: Participant[] = [];
  for (const backend of backends) {
    const prepared = await prepare(call, inputs, { backend });
    participants.push({ ...named(name, backend), memory: "tensor", precision: EXACT, ...prepared });
  }
  return participants;
}

function named(engine: string, backend: string): Pick<Participant, "implementation" | "engine" | "backend"> {
  return { implementation: `${engine}, ${backend}`, engine, backend };
}

function rowsOf(call: Call, { rows, classes }: Inputs, times: ReadonlyMap<Participant, readonly number[]>): Row[] {
  const theirs = [...times].find(([{ engine }]) => engine === PYTORCH)?.[1];
  return [...times].map(([{ engine, backend }, own]) => {
    const nanoseconds = median(own);
    return {
      rows,
      classes,
      call,
      engine,
      backend,
      nanoseconds: rounded(nanoseconds),
      logitsPerSecond: rounded((rows * classes * 1e9) / nanoseconds),
      spread: rounded(spread(own)),
      ...(theirs && { timesPyTorch: rounded(ratio(theirs, own)) }),
    };
  });
}
