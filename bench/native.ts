/**
 * How much of the machine the kernels reach: the same algorithm in C with 128-bit intrinsics (`bench/native/`, compiled
 * by `make`) beside the WebAssembly, called through a core's tensors.
 *
 *   npm run bench:native -- [--only REGEX] [--quick | --record]
 *
 * wasm-simd has the strict build for a twin, wasm-relaxed-simd the one with fused multiply-add, and each pair has to
 * come to the same bits before anything is timed. Then they take turns; a share is native time / WebAssembly time in
 * the same round. Native times are those of a kernel alone, a core's contain its validation and its blocks. `--only`
 * picks cases by a name such as `1024x1000 softmax`; `--quick` is for the verification, and its few turns say little
 * of the times; `--record` keeps a whole run in `native/record.json`, in place of an earlier one of the same major
 * version of Node. Without a C compiler, or beyond x86-64, there is nothing to run.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, platform } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Core, createCore, type Tensor } from "surprisal";
import { type Inputs, makeInputs } from "./inputs.js";
import { median, rounded, spread } from "./statistics.js";

const FOLDER = fileURLToPath(new URL("native/", import.meta.url));
const RECORD = new URL("native/record.json", import.meta.url);

/** Those of the benchmarks whose calls are not too quick for the clock; vocabularies with fewer rows, for many turns. */
const SHAPES = [
  [8192, 10],
  [4096, 100],
  [1024, 1000],
  [64, 32000],
  [16, 128256],
] as const;
/** Tiles and blocks with tails of every length. */
const ODD_CLASSES = [1, 2, 3, 4, 5, 6, 7, 31, 71, 127, 128, 131, 255, 256, 259, 511, 512, 515, 1030, 2053, 4104];
const ODD_ROWS = 35;
/** More than a tile, whatever the classes. */
const FAR_ROWS = 150;

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

/** A kernel on a backend and its twin, on the same inputs. */
interface Pair {
  readonly kernel: string;
  readonly backend: Backend;
  readonly inputs: Inputs;
  readonly wasm: Contender;
  readonly native: Contender;
}

/** What calls work on, in the memory of a core. */
interface Place {
  readonly core: Core;
  readonly inputs: Inputs;
  readonly logits: Tensor;
  /** A value a logit, and one a row. */
  readonly out: Tensor;
  readonly rowsOut: Tensor;
}

/** A pair's times. */
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
type Call = (place: Place) => number;

const KERNELS: Readonly<Record<string, Call>> = {
  crossEntropy: ({ core, logits, inputs }) => core.crossEntropy(logits, inputs.targets, { reduction: "sum" }),
  crossEntropyWithGrad: ({ core, logits, inputs, out }) =>
    core.crossEntropyWithGrad(logits, inputs.targets, { out, reduction: "sum" }).loss,
  logSumExp: ({ core, logits, rowsOut }) => {
    core.logSumExp(logits, { out: rowsOut });
    return 0;
  },
  logSoftmax: ({ core, logits, out }) => {
    core.logSoftmax(logits, { out });
    return 0;
  },
  softmax: ({ core, logits, out }) => {
    core.softmax(logits, { out });
    return 0;
  },
};

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    quick: { type: "boolean", default: false },
    record: { type: "boolean", default: false },
  },
});
if (options.record && (options.quick || options.only !== "")) {
  throw new Error("--record keeps whole runs: leave --only and --quick out");
}
const ROUNDS = options.quick ? 1 : 9;
/** How long a turn lasts, in milliseconds. */
const TURN = options.quick ? 2 : 20;
const only = new RegExp(options.only);

if (!buildTwins()) process.exit();
const cores = openCores();

for (const classes of ODD_CLASSES) {
  const far = makeFar(makeInputs(FAR_ROWS, classes), 64);
  for (const inputs of [makeInputs(ODD_ROWS, classes), far, makeOdd(makeFar(makeInputs(ODD_ROWS, classes), 7))]) {
    for (const core of cores) pairsOf(placeOf(core, inputs)).forEach(verify);
  }
}

const pairs = SHAPES.flatMap(([count, classes]) => {
  if (!Object.keys(KERNELS).some((kernel) => only.test(`${count}x${classes} ${kernel}`))) return [];
  const inputs = makeInputs(count, classes);
  const all = cores.map((core) => pairsOf(placeOf(core, inputs)));
  return all.flat().filter(({ kernel }) => only.test(`${count}x${classes} ${kernel}`));
});
pairs.forEach(verify);
const rows = measure(pairs);
console.log(formatRows(rows));
if (options.record) writeRecord(describeRun(rows));

/** Builds the twins; where this machine cannot, says why and returns false. */
function buildTwins(): boolean {
  const missing = ["make", process.env.CC ?? "cc"].find((tool) => spawnSync(tool, ["--version"]).error !== undefined);
  if (arch() !== "x64") console.log(`The native twin is written for x86-64, and this is ${arch()}.`);
  else if (missing !== undefined) console.log(`The native twin cannot be built: there is no ${missing}.`);
  else execFileSync("make", ["--silent"], { cwd: FOLDER });
  return arch() === "x64" && missing === undefined;
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

/**
 * At the beginning of each `period` rows some far from each other, and one that climbs or falls; and some are ignored.
 * Their losses have a sum.
 */
function makeFar(inputs: Inputs, period: number): Inputs {
  const { rows, classes, logits, targets } = inputs;
  for (let row = 0; row < rows; row++) {
    const x = logits.subarray(row * classes, (row + 1) * classes);
    const far = [0, 0, 600, -700, 1e30][row % period] ?? 0;
    const heights = row % period === 6 ? [-70, 78, -150, 200, 78] : [];
    x.forEach((value, c) => {
      x[c] = value + far + ((heights[row % 5] ?? 0) * c) / classes;
    });
    if (row % 13 === 12) targets[row] = -100;
  }
  return inputs;
}

/** Masked classes, NaN and infinities. */
function makeOdd(inputs: Inputs): Inputs {
  const { rows, classes, logits } = inputs;
  for (let row = 0; row < rows; row++) {
    const x = logits.subarray(row * classes, (row + 1) * classes);
    if (row % 3 !== 0)
      x.forEach((_, c) => {
        if ((row + c) % 5 === 0) x[c] = Number.NEGATIVE_INFINITY;
      });
    if (row % 7 === 5)
      x[row % classes] = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY][row % 3] ?? 0;
    if (row % 11 === 10) x.fill(Number.NEGATIVE_INFINITY);
  }
  return inputs;
}

function placeOf(core: Core, inputs: Inputs): Place {
  const shape = [inputs.rows, inputs.classes];
  const logits = core.tensor(shape);
  logits.data.set(inputs.logits);
  return { core, inputs, logits, out: core.tensor(shape), rowsOut: core.tensor([inputs.rows]) };
}

/** All kernels on one place. */
function pairsOf(place: Place): Pair[] {
  const { core, inputs, logits, rowsOut } = place;
  const backend = BACKENDS.find((name) => name === core.backend);
  if (backend === undefined) throw new Error(`${core.backend} has no twin`);

  return Object.entries(KERNELS).map(([kernel, call]) => {
    const out = kernel === "logSumExp" ? rowsOut : place.out;
    const name = `${inputs.rows}x${inputs.classes} ${kernel}`;
    const twin = (milliseconds: number): ArrayBuffer =>
      runTwin(backend, kernel, inputs, [logits.data.byteOffset, out.data.byteOffset], milliseconds);
    return {
      kernel,
      backend,
      inputs,
      wasm: {
        name: `${name}, ${backend}`,
        result: () => ({ total: call(place), values: out.data }),
        turn: () => timeCalls(() => call(place)),
      },
      native: {
        name: `${name}, ${TWINS[backend]}`,
        result: () => {
          const bytes = twin(0);
          return { total: new Float64Array(bytes, 0, 1)[0] ?? Number.NaN, values: new Float32Array(bytes, 8) };
        },
        turn: () => [...new Float64Array(twin(TURN), 8)],
      },
    };
  });
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
 * Every pair's median times per call over the rounds, each of which goes over all cases, lest what disturbs the machine
 * for a while fall on one of them alone. The two of a pair follow each other, in turns the one and the other.
 */
function measure(pairs: readonly Pair[]): Row[] {
  const times = new Map<Contender, number[]>();
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { wasm, native } of pairs) {
      for (const contender of round % 2 === 0 ? [wasm, native] : [native, wasm]) {
        const time = median(contender.turn());
        // The first round is for the engine, which compiles anew what has become warm.
        if (round > 0) times.set(contender, [...(times.get(contender) ?? []), time]);
      }
    }
  }
  return pairs.map((pair) => rowOf(pair, times.get(pair.wasm) ?? [], times.get(pair.native) ?? []));
}

/** After a call that is not timed, as a twin makes one: it brings the caches back. */
function timeCalls(run: () => number): number[] {
  const times: number[] = [];
  run();
  const end = performance.now() + TURN;
  for (let now = performance.now(); now < end; ) {
    const start = now;
    run();
    now = performance.now();
    times.push((now - start) * 1e6);
  }
  return times;
}

function rowOf({ kernel, backend, inputs }: Pair, ours: readonly number[], theirs: readonly number[]): Row {
  return {
    rows: inputs.rows,
    classes: inputs.classes,
    kernel,
    backend,
    wasmNanoseconds: rounded(median(ours)),
    nativeNanoseconds: rounded(median(theirs)),
    wasmSpread: rounded(spread(ours)),
    nativeSpread: rounded(spread(theirs)),
    share: rounded(median(theirs.map((time, round) => time / (ours[round] ?? Number.NaN)))),
  };
}

/** A line a case: 10⁹ logits a second of either, and WebAssembly as a share of native, backend beside backend. */
function formatRows(rows: readonly Row[]): string {
  const columns = cores.map(({ backend }) => `${"native".padStart(12)}${backend.padStart(19)}${"share".padStart(8)}`);
  const lines = new Map([["", `${"10⁹ logits/s".padEnd(38)}${columns.join("")}`]]);
  for (const { rows: count, classes, kernel, nativeNanoseconds, wasmNanoseconds, share } of rows) {
    const logits = count * classes;
    const name = `${`${count} x ${classes}`.padEnd(16)}${kernel.padEnd(22)}`;
    const cells = [
      (logits / nativeNanoseconds).toFixed(3).padStart(12),
      (logits / wasmNanoseconds).toFixed(3).padStart(19),
      `${(share * 100).toFixed(0)} %`.padStart(8),
    ];
    lines.set(name, `${lines.get(name) ?? name}${cells.join("")}`);
  }
  return [...lines.values()].join("\n");
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
