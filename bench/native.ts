/**
 * How much of the machine the kernels reach: the same algorithm in C with 128-bit intrinsics (`bench/native/`, compiled
 * by `make`) beside the WebAssembly, called through a core's tensors.
 *
 *   npm run bench:native -- [--only REGEX] [--record]
 *
 * wasm-simd has the strict build for a twin, wasm-relaxed-simd the one with fused multiply-add, and each pair has to
 * come to the same bits before anything is timed. Then they take turns; a share is native time / WebAssembly time in
 * the same round. Native times are those of a kernel alone, a core's contain its validation and its blocks. `--only`
 * picks cases by a name such as `1024x1000 softmax`; `--record` keeps a whole run in `native/record.json`, in place of
 * an earlier one of the same major version of Node. Without a C compiler, or beyond x86-64, there is nothing to run.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, platform } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Core, createCore, type Tensor } from "surprisal";
import { type Inputs, makeInputs, SHAPES } from "./inputs.js";
import { median, rounded, spread } from "./statistics.js";

const FOLDER = fileURLToPath(new URL("native/", import.meta.url));
const RECORD = new URL("native/record.json", import.meta.url);

const ROUNDS = 9;
/** How long a turn lasts, in milliseconds. */
const TURN = 20;
/** Calls of fewer logits are too quick for the clock. */
const FEWEST_LOGITS = 1 << 14;
/** Tiles and blocks with tails of every length. */
const ODD_CLASSES = [1, 2, 3, 4, 5, 6, 7, 31, 128, 129, 131, 515, 1030];
const ODD_ROWS = 35;

const BACKENDS = ["wasm-simd", "wasm-relaxed-simd"] as const;
type Backend = (typeof BACKENDS)[number];
const TWINS: Readonly<Record<Backend, string>> = { "wasm-simd": "build/strict", "wasm-relaxed-simd": "build/fused" };

/** The sum of the losses, 0 where there is none, and what was written beside it. */
interface Result {
  readonly total: number;
  readonly values: Float32Array;
}

/** A kernel at work on its inputs, in one memory. */
interface Contender {
  readonly name: string;
  result(): Result;
  /** What each call of a turn took, in nanoseconds. */
  turn(): readonly number[];
}

interface Pair {
  readonly backend: Backend;
  readonly wasm: Contender;
  readonly native: Contender;
  dispose(): void;
}

/** One pair in one case. */
interface Row {
  readonly rows: number;
  readonly classes: number;
  readonly kernel: string;
  readonly backend: Backend;
  readonly wasmNanoseconds: number;
  readonly nativeNanoseconds: number;
  /** Half the distance between the quartiles of the rounds, as a share of their median. */
  readonly wasmSpread: number;
  readonly nativeSpread: number;
  /** The native time as a share of the WebAssembly's. */
  readonly share: number;
}

/** A whole run, and what it ran on. */
interface Run {
  readonly date: string;
  readonly cpu: string;
  readonly system: string;
  readonly node: string;
  readonly v8: string;
  /** The compiler of each twin, and its flags. */
  readonly twins: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly rows: readonly Row[];
}

/** Makes a kernel's call and returns the sum of the losses. */
type Call = (core: Core, logits: Tensor, targets: Int32Array, out: Tensor) => number;

const KERNELS: Readonly<Record<string, Call>> = {
  crossEntropy: (core, logits, targets) => core.crossEntropy(logits, targets, { reduction: "sum" }),
  crossEntropyWithGrad: (core, logits, targets, out) =>
    core.crossEntropyWithGrad(logits, targets, { out, reduction: "sum" }).loss,
  logSumExp: (core, logits, _, out) => {
    core.logSumExp(logits, { out });
    return 0;
  },
  logSoftmax: (core, logits, _, out) => {
    core.logSoftmax(logits, { out });
    return 0;
  },
  softmax: (core, logits, _, out) => {
    core.softmax(logits, { out });
    return 0;
  },
};

const { values: options } = parseArgs({
  options: { only: { type: "string", default: "" }, record: { type: "boolean", default: false } },
});
if (options.record && options.only !== "") throw new Error("--record keeps whole runs: leave --only out");
const only = new RegExp(options.only);

if (!isBuilt()) process.exit();
const cores = openCores();

for (const classes of ODD_CLASSES) {
  const inputs = makeOdd(makeInputs(ODD_ROWS, classes));
  for (const kernel of Object.keys(KERNELS)) {
    for (const core of cores) {
      const pair = openPair(kernel, core, inputs);
      verify(pair);
      pair.dispose();
    }
  }
}

const rows: Row[] = [];
console.log(formatHead());
for (const [count, classes] of SHAPES) {
  const kernels = Object.keys(KERNELS).filter((kernel) => only.test(`${count}x${classes} ${kernel}`));
  if (count * classes < FEWEST_LOGITS || kernels.length === 0) continue;

  const inputs = makeInputs(count, classes);
  for (const kernel of kernels) {
    const pairs = cores.map((core) => openPair(kernel, core, inputs));
    for (const pair of pairs) verify(pair);
    const times = measure(pairs);
    for (const pair of pairs) pair.dispose();
    const measured = pairs.map((pair) => rowOf(kernel, inputs, pair, times));
    rows.push(...measured);
    console.log(formatCase(measured));
  }
}

if (options.record) writeRecord(describeRun(rows));

/** Whether there are twins to compare with; says why where there are none. */
function isBuilt(): boolean {
  if (arch() !== "x64") {
    console.log(`The native twin is written for x86-64, and this is ${arch()}: there is nothing to compare with.`);
    return false;
  }
  const { error, status, stderr } = spawnSync("make", ["--silent"], { cwd: FOLDER, encoding: "utf8" });
  if (error === undefined && status === 0) return true;
  console.log(`The native twin cannot be built, so that there is nothing to compare with: ${error?.message ?? stderr}`);
  return false;
}

function openCores(): Core[] {
  return BACKENDS.flatMap((backend) => {
    try {
      return [createCore({ backend })];
    } catch (error) {
      console.log(`Left out is ${error instanceof Error ? error.message : String(error)}.\n`);
      return [];
    }
  });
}

/** What rows can have that those of `makeInputs` have not: logits far out, masked, NaN and infinite. */
function makeOdd(inputs: Inputs): Inputs {
  const { rows, classes, logits, targets } = inputs;
  for (let row = 0; row < rows; row++) {
    const x = logits.subarray(row * classes, (row + 1) * classes);
    const far = [0, 0, 600, -700, 1e30, 0, 0][row % 7] ?? 0;
    x.forEach((value, c) => {
      x[c] = (row + c) % 5 === 0 ? Number.NEGATIVE_INFINITY : value + far;
    });
    if (row % 7 === 5)
      x[row % classes] = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY][row % 3] ?? 0;
    if (row % 11 === 10) x.fill(Number.NEGATIVE_INFINITY);
    if (row % 13 === 12) targets[row] = -100;
  }
  return inputs;
}

function openPair(kernel: string, core: Core, inputs: Inputs): Pair {
  const call = KERNELS[kernel];
  const backend = BACKENDS.find((name) => name === core.backend);
  if (call === undefined || backend === undefined) throw new Error(`${kernel}, ${core.backend}: there is no twin`);

  const { rows, classes, targets } = inputs;
  const logits = core.tensor([rows, classes]);
  const out = core.tensor(kernel === "logSumExp" ? [rows] : [rows, classes]);
  logits.data.set(inputs.logits);
  const run = (): number => call(core, logits, targets, out);
  const places = [logits.data.byteOffset, out.data.byteOffset];

  return {
    backend,
    wasm: {
      name: `${rows}x${classes} ${kernel}, ${backend}`,
      result: () => ({ total: run(), values: out.data }),
      turn: () => timeCalls(run),
    },
    native: {
      name: `${rows}x${classes} ${kernel}, ${TWINS[backend]}`,
      result: () => {
        const bytes = runTwin(backend, kernel, inputs, places, 0);
        return { total: new Float64Array(bytes, 0, 1)[0] ?? Number.NaN, values: new Float32Array(bytes, 8) };
      },
      turn: () => [...new Float64Array(runTwin(backend, kernel, inputs, places, TURN), 8)],
    },
    dispose: () => {
      logits.dispose();
      out.dispose();
    },
  };
}

/** What a twin writes: see native/main.c. */
function runTwin(
  backend: Backend,
  kernel: string,
  { rows, classes, logits, targets }: Inputs,
  places: readonly number[],
  milliseconds: number,
): ArrayBuffer {
  const written = execFileSync(
    `${FOLDER}${TWINS[backend]}`,
    [kernel, rows, classes, ...places, milliseconds].map(String),
    {
      input: Buffer.concat([logits, targets].map(({ buffer }) => Buffer.from(buffer))),
      maxBuffer: Number.POSITIVE_INFINITY,
    },
  );
  return new Uint8Array(written).buffer;
}

/** Throws where the two do not come to the same bits; NaN is NaN whatever its bits. */
function verify({ wasm, native }: Pair): void {
  const ours = wasm.result();
  const theirs = native.result();
  if (!Object.is(ours.total, theirs.total)) {
    throw new Error(`${native.name}: the losses sum to ${theirs.total}, and to ${ours.total} in ${wasm.name}`);
  }
  theirs.values.forEach((value, i) => {
    if (Object.is(value, ours.values[i])) return;
    throw new Error(`${native.name}: the value at ${i} is ${value}, and ${ours.values[i]} in ${wasm.name}`);
  });
}

/**
 * Each contender's median time per call in each round, in nanoseconds. They take turns, each pair in a row, and the
 * order turns round each time.
 */
function measure(pairs: readonly Pair[]): Map<Contender, number[]> {
  const contenders = pairs.flatMap(({ wasm, native }) => [wasm, native]);
  const times = new Map(contenders.map((contender) => [contender, [] as number[]]));
  for (const contender of contenders) contender.turn();
  for (let round = 0; round < ROUNDS; round++) {
    for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
      times.get(contender)?.push(median(contender.turn()));
    }
  }
  return times;
}

function timeCalls(run: () => number): number[] {
  const times: number[] = [];
  const end = performance.now() + TURN;
  for (let now = performance.now(); now < end; ) {
    const start = now;
    run();
    now = performance.now();
    times.push((now - start) * 1e6);
  }
  return times;
}

function rowOf(
  kernel: string,
  { rows, classes }: Inputs,
  { backend, wasm, native }: Pair,
  times: ReadonlyMap<Contender, readonly number[]>,
): Row {
  const ours = times.get(wasm) ?? [];
  const theirs = times.get(native) ?? [];
  return {
    rows,
    classes,
    kernel,
    backend,
    wasmNanoseconds: rounded(median(ours)),
    nativeNanoseconds: rounded(median(theirs)),
    wasmSpread: rounded(spread(ours)),
    nativeSpread: rounded(spread(theirs)),
    share: rounded(median(theirs.map((time, round) => time / (ours[round] ?? Number.NaN)))),
  };
}

/** 10⁹ logits a second of each, and WebAssembly as a share of native. */
function formatHead(): string {
  const columns = cores.map(({ backend }) => `${"native".padStart(12)}${backend.padStart(19)}${"share".padStart(8)}`);
  return `${"10⁹ logits/s".padEnd(36)}${columns.join("")}`;
}

function formatCase(rows: readonly Row[]): string {
  const [first] = rows;
  if (first === undefined) return "";
  const logits = first.rows * first.classes;
  const columns = rows.map(({ nativeNanoseconds, wasmNanoseconds, share }) =>
    [
      (logits / nativeNanoseconds).toFixed(3).padStart(12),
      (logits / wasmNanoseconds).toFixed(3).padStart(19),
      `${(share * 100).toFixed(0)} %`.padStart(8),
    ].join(""),
  );
  return `${`${first.rows} x ${first.classes}`.padEnd(14)}${first.kernel.padEnd(22)}${columns.join("")}`;
}

function describeRun(rows: readonly Row[]): Run {
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    system: `${platform()} ${arch()}`,
    node: process.versions.node,
    v8: process.versions.v8,
    twins: Object.fromEntries(
      Object.values(TWINS).map((twin) => [twin, execFileSync(`${FOLDER}${twin}`, { encoding: "utf8" }).trim()]),
    ),
    rounds: ROUNDS,
    rows,
  };
}

function writeRecord(run: Run): void {
  const earlier: readonly Run[] = existsSync(RECORD) ? JSON.parse(readFileSync(RECORD, "utf8")) : [];
  const major = (node: string): number => Number.parseInt(node, 10);
  const runs = [...earlier.filter(({ node }) => major(node) !== major(run.node)), run];
  runs.sort((a, b) => major(a.node) - major(b.node));
  writeFileSync(RECORD, `${JSON.stringify(runs, null, 2)}\n`);
}
