/**
 * How fast the package is beside others that compute the same, and beside plain loops: each on one thread, in one run,
 * in turns.
 *
 *   npm run bench:peers -- [--quick] [--only REGEX] [--record]
 *
 * The others are installed from this folder's lock file where nothing is installed yet; PyTorch is that of `python3` or
 * of the PYTHON in the environment. Who is absent is named and left out, as is, in one case, who comes to other results:
 * nothing of a case is timed before all its results are verified. `--only` picks cases by a name such as
 * `8192x10 crossEntropyWithGrad`; `--record` keeps the whole run in `record.json`, and renews the picture and the README's
 * section.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Call, type Contender, contendersOf, LOSSES, openCores, SOFTMAXES } from "../contenders.js";
import { type Inputs, makeInputs } from "../inputs.js";
import { measure } from "../measure.js";
import { openSection } from "../readme.js";
import { describeMachine, type Row, rowsOf } from "../record.js";
import { makeReference } from "../reference.js";
import { formatCase } from "../report.js";
import { verify } from "../verify.js";
import { drawChart } from "./chart.js";
import { installPeers } from "./install.js";
import { float32Precision, type Peer } from "./peer.js";
import { formatMarkdown, type Run } from "./report.js";
import { type Case, formatTargets } from "./targets.js";

/** As in `../inputs.ts`, but for the vocabularies: the slowest take seconds for one this size. */
const SHAPES = [
  [1, 10],
  [32, 10],
  [8192, 10],
  [4096, 100],
  [1024, 1000],
  [128, 32000],
] as const;

/** In the order of the table. jax-js comes last, lest it find the workers that ONNX Runtime Web makes. */
const OPENERS: readonly (readonly [string, () => Promise<Peer[]>])[] = [
  ["PyTorch", async () => (await import("./pytorch.js")).open()],
  ["ONNX Runtime native", async () => (await import("./onnx.js")).openNative()],
  ["ONNX Runtime Web", async () => (await import("./onnx.js")).openWeb()],
  ["TensorFlow.js", async () => (await import("./tensorflow.js")).open()],
  ["jax-js", async () => (await import("./jax.js")).open()],
];

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    record: { type: "boolean", default: false },
  },
});
if (options.record && options.only !== "") throw new Error("--record keeps whole runs: leave --only out");
const writeSection = options.record ? openSection("peers") : undefined;

const plan = options.quick ? { rounds: 3, turn: 5 } : { rounds: 7, turn: 50 };
const only = new RegExp(options.only);

installPeers();
const { peers, absent } = await openPeers();
const { cores, missing, auto } = openCores();
const own = cores.filter(({ backend }) => backend !== "js");
for (const reason of [...absent, ...missing]) console.log(`Left out is ${reason}.\n`);

const cases: Case[] = [];
const rows: Row[] = [];
const failed: string[] = [];
for (const [count, classes] of SHAPES) {
  const shape = `${count}x${classes}`;
  const calls = [...LOSSES, ...SOFTMAXES].filter((call) => only.test(`${shape} ${call}`));
  if (calls.length === 0) continue;

  const inputs = makeInputs(count, classes);
  for (const call of calls) {
    const contenders = await verified(call, inputs);
    const times = await measure(contenders, plan);
    for (const contender of contenders) contender.dispose?.();

    const measured = rowsOf(call, inputs, times);
    cases.push({ shape, call, times });
    rows.push(...measured);
    console.log(`${formatCase(measured)}\n`);
  }
}
for (const { close } of peers) await close?.();
console.log(formatTargets(cases));

if (writeSection) {
  const run: Run = {
    ...describeMachine(),
    auto,
    rounds: plan.rounds,
    peers: peers.map(({ implementation, version, terms }) => ({ implementation, version, terms })),
    absent,
    failed,
    rows,
  };
  writeFileSync(new URL("record.json", import.meta.url), `${JSON.stringify(run, null, 2)}\n`);
  writeFileSync(new URL("speed.svg", import.meta.url), drawChart(run));
  writeSection(formatMarkdown(run));
}

async function openPeers(): Promise<{ peers: Peer[]; absent: string[] }> {
  const peers: Peer[] = [];
  const absent: string[] = [];
  for (const [name, open] of OPENERS) {
    try {
      peers.push(...(await open()));
    } catch (error) {
      absent.push(`${name}: ${messageOf(error)}`);
    }
  }
  return { peers, absent };
}

/** Everything that takes part in one case: the package, which has to be right, and of the others those that are. */
async function verified(call: Call, inputs: Inputs): Promise<Contender[]> {
  const reference = makeReference(call, inputs);
  const contenders = contendersOf(call, inputs, own);
  for (const contender of contenders) await verify(call, inputs, contender, reference);

  for (const peer of peers) {
    try {
      const contender = await prepared(peer, call, inputs);
      await verify(call, inputs, contender, reference);
      contenders.push(contender);
    } catch (error) {
      failed.push(messageOf(error));
      console.log(`Left out is ${messageOf(error)}.\n`);
    }
  }
  return contenders;
}

async function prepared({ implementation, memory, prepare }: Peer, call: Call, inputs: Inputs): Promise<Contender> {
  try {
    return { implementation, memory, precision: float32Precision(inputs), ...(await prepare(call, inputs)) };
  } catch (cause) {
    throw new Error(`${inputs.rows}x${inputs.classes} ${call}, ${implementation}: ${messageOf(cause)}`, { cause });
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && error.code === "ERR_MODULE_NOT_FOUND" ? "not installed" : error.message;
}
