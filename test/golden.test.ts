/**
 * The golden values of fixtures/golden.json, which PyTorch computed in float64 from the same float32 inputs: what the
 * functions mean, in every combination of options. Other suites hold them to tighter bounds.
 *
 * What this version has not is there too, and has to be refused: whoever adds it will have these cases compared.
 */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { ClassTargets, Core, CrossEntropyGradOptions, FloatArrayLike } from "../src/index.js";
import { describeBackends } from "./backends.js";
import { at } from "./oracle.js";
import { logProbabilities, logSums, type Tolerance } from "./tolerances.js";

type StoredNumber = number | "NaN" | "Infinity" | "-Infinity";

interface StoredArray {
  readonly dtype: "float32" | "int32";
  readonly shape: readonly number[];
  readonly data: readonly StoredNumber[];
}

interface Case {
  readonly call: string;
  /** The arguments, and the options that are arrays, as names of inputs. */
  readonly inputs: Readonly<Record<string, string>>;
  /** Other options; more than these in a case that is refused. */
  readonly options: Omit<CrossEntropyGradOptions, "shape" | "out">;
  readonly result: StoredNumber | readonly StoredNumber[];
  readonly grad?: readonly StoredNumber[];
}

interface Golden {
  readonly inputs: Readonly<Record<string, StoredArray>>;
  readonly cases: readonly Case[];
}

// Typed by word of honour: nothing but fixtures/make-golden.py writes this file.
const { inputs, cases }: Golden = JSON.parse(readFileSync(new URL("fixtures/golden.json", import.meta.url), "utf8"));

interface Tensor {
  readonly data: Float32Array | Int32Array;
  readonly shape: readonly number[];
}

const tensors: ReadonlyMap<string, Tensor> = new Map(
  Object.entries(inputs).map(([name, { dtype, shape, data }]) => {
    const numbers = data.map(Number);
    return [name, { data: dtype === "int32" ? Int32Array.from(numbers) : Float32Array.from(numbers), shape }];
  }),
);

function tensorOf({ inputs }: Case, argument: string): Tensor {
  const tensor = tensors.get(inputs[argument] ?? "");
  if (tensor === undefined) throw new Error(`expected an input for ${argument}`);
  return tensor;
}

function floatsOf(golden: Case, argument: string): Float32Array {
  const { data } = tensorOf(golden, argument);
  if (!(data instanceof Float32Array)) throw new Error(`expected floats for ${argument}`);
  return data;
}

function classesOf(golden: Case, argument: string): Int32Array {
  const { data } = tensorOf(golden, argument);
  if (!(data instanceof Int32Array)) throw new Error(`expected classes for ${argument}`);
  return data;
}

/** The shape of the argument that the others are laid out like. */
function shapeOf(golden: Case): readonly number[] {
  return tensorOf(golden, ["x", "logits", "logProbs"].find((name) => name in golden.inputs) ?? "probs").shape;
}

function axisOf(golden: Case): number {
  const { axis = -1 } = golden.options;
  return axis < 0 ? axis + shapeOf(golden).length : axis;
}

/** Arrays as tensors, with fresh results; or bare, with `shape` and `out`. */
const WAYS = ["tensors", "bare arrays"] as const;

type Way = (typeof WAYS)[number];

/** A case's arguments and options, as a function takes them. */
interface Given {
  readonly floats: (argument: string) => FloatArrayLike;
  readonly classes: (argument: string) => ClassTargets;
  readonly options: CrossEntropyGradOptions;
  /** A place for an array of results, and one for the gradient, where they are not to be fresh. */
  readonly out?: Float32Array;
  readonly outGrad?: Float32Array;
}

function given(golden: Case, way: Way): Given {
  const { result, grad } = golden;
  const arrays = grad ? ["weight", "posWeight", "gradOutput"].filter((name) => name in golden.inputs) : [];
  const options = { ...golden.options, ...Object.fromEntries(arrays.map((name) => [name, floatsOf(golden, name)])) };
  if (way === "tensors") {
    const tensor = (argument: string): Tensor => tensorOf(golden, argument);
    return { floats: tensor, classes: tensor, options };
  }
  return {
    floats: (argument) => floatsOf(golden, argument),
    classes: (argument) => classesOf(golden, argument),
    options: { ...options, shape: shapeOf(golden) },
    ...(typeof result === "object" && { out: new Float32Array(result.length).fill(7) }),
    ...(grad && { outGrad: new Float32Array(grad.length).fill(7) }),
  };
}

type Outcome = readonly [part: "result" | "grad", got: number | Float32Array, tolerance: Tolerance];

/** Ten roundings or so, and what may underflow. */
const relative: Tolerance = (want) => 2e-6 * Math.abs(want) + 1e-38;

/** Σ term over the class axis through an element. */
function sumThrough(golden: Case, element: number, term: (index: number) => number): number {
  const [classes = 0, ...behind] = shapeOf(golden).slice(axisOf(golden));
  const stride = behind.reduce((size, next) => size * next, 1);
  const first = element - (Math.floor(element / stride) % classes) * stride;
  return Array.from({ length: classes }, (_, c) => term(first + c * stride)).reduce((sum, next) => sum + next, 0);
}

/**
 * g - e^logProbs · Σg is a difference, and so is Σg: it is as good as its terms are large. Relative to the result nothing
 * can be promised, since rounding a sum may change every digit of it.
 */
function logSoftmaxGradients(golden: Case): Tolerance {
  const [g, logProbs] = [floatsOf(golden, "gradOutput"), floatsOf(golden, "logProbs")];
  return (_want, i) => {
    const sum = sumThrough(golden, i, (j) => Math.abs(at(g, j)));
    return relative(Math.abs(at(g, i)) + Math.exp(at(logProbs, i)) * sum, i);
  };
}

/** p · (g - Σgp), for the same reason. */
function softmaxGradients(golden: Case): Tolerance {
  const [g, probs] = [floatsOf(golden, "gradOutput"), floatsOf(golden, "probs")];
  return (_want, i) => {
    const sum = sumThrough(golden, i, (j) => Math.abs(at(g, j) * at(probs, j)));
    return relative(at(probs, i) * (Math.abs(at(g, i)) + sum), i);
  };
}

/** How each function is called, and what it is held to. */
const runs: Readonly<Record<string, (core: Core, given: Given, golden: Case) => Outcome[]>> = {
  // Log-probabilities and log-sums are differences too, and may be near 0, where their error is absolute.
  logSoftmax: (core, { floats, options, out }) => [
    ["result", core.logSoftmax(floats("x"), { ...options, out }), logProbabilities],
  ],

  softmax: (core, { floats, options, out }) => [["result", core.softmax(floats("x"), { ...options, out }), relative]],

  // It follows torch.logsumexp for infinities: a row of only -Infinity gives -Infinity, +Infinity stays.
  logSumExp: (core, { floats, options, out }) => [
    ["result", core.logSumExp(floats("x"), { ...options, out }), logSums],
  ],

  logSoftmaxGrad(core, { floats, options, out }, golden) {
    const got = core.logSoftmaxGrad(floats("gradOutput"), floats("logProbs"), { ...options, out });
    return [["result", got, logSoftmaxGradients(golden)]];
  },

  softmaxGrad(core, { floats, options, out }, golden) {
    const got = core.softmaxGrad(floats("gradOutput"), floats("probs"), { ...options, out });
    return [["result", got, softmaxGradients(golden)]];
  },

  crossEntropy(core, { floats, classes, options, out, outGrad }) {
    const { gradOutput: _, ...forward } = options;
    const alone = core.crossEntropy(floats("logits"), classes("targets"), { ...forward, out });
    const both = core.crossEntropyWithGrad(floats("logits"), classes("targets"), { ...options, out: outGrad });
    return [
      ["result", alone, relative],
      ["result", both.loss, relative],
      ["grad", both.grad, relative],
    ];
  },
};

/** What a case needs that this version has not. Whoever adds it takes it out here, and the cases are compared. */
function lacking(golden: Case): string[] {
  const { call, inputs, options } = golden;
  if (!(call in runs)) return [call];
  const later = ["weight", "labelSmoothing", "zLoss", "softcap"].filter((name) => name in inputs || name in options);
  if ("targets" in inputs && tensorOf(golden, "targets").data instanceof Float32Array) later.push("soft targets");
  return later;
}

/** What became of a case that needs what this version has not: an error, if all is well. */
function refusal(core: Core, golden: Case): string {
  const run = runs[golden.call];
  if (run === undefined) return golden.call in core ? "there is such a function" : "no such function";
  try {
    run(core, given(golden, "tensors"), golden);
    return "taken";
  } catch (error) {
    return String(error);
  }
}

const REFUSED = /not supported by this version of surprisal$|^no such function$/;

function titled({ call, inputs, options }: Case): string {
  return `${call} ${JSON.stringify(inputs)} ${JSON.stringify(options)}`;
}

function isClose(got: number | undefined, want: number, allowed: number): boolean {
  if (got === undefined || !Number.isFinite(got) || !Number.isFinite(want)) return Object.is(got, want);
  return Math.abs(got - want) <= allowed;
}

/** Where one part of a case is not what it should be. A number is not an array of one. */
function missesOf(golden: Case, [part, got, tolerance]: Outcome): string[] {
  const stored = golden[part];
  const isArray = typeof stored === "object";
  const values = typeof got === "number" ? [got] : got;
  const want = isArray ? stored.map(Number) : [Number(stored)];
  if (isArray !== (typeof got === "object") || values.length !== want.length) {
    return [`${part}: got ${got}, want ${stored}`];
  }
  return want.flatMap((exact, i) =>
    isClose(values[i], exact, tolerance(exact, i)) ? [] : [`${part}[${i}]: got ${values[i]}, want ${exact}`],
  );
}

/** Runs a case, and says what is wrong with it. */
function failuresOf(core: Core, golden: Case, way: Way): string[] {
  const title = `${titled(golden)} as ${way}`;
  const run = runs[golden.call];
  if (run === undefined) return [`${title} is not called by any of the runs`];
  try {
    const outcomes = run(core, given(golden, way), golden);
    return outcomes.flatMap((outcome) => missesOf(golden, outcome).map((miss) => `${title} ${miss}`));
  } catch (error) {
    return [`${title} ${error}`];
  }
}

function grouped(cases: readonly Case[], titleOf: (golden: Case) => string): [title: string, cases: Case[]][] {
  const groups = new Map<string, Case[]>();
  for (const golden of cases) {
    const title = titleOf(golden);
    const group = groups.get(title);
    if (group) group.push(golden);
    else groups.set(title, [golden]);
  }
  return [...groups].map(([title, group]) => [`${title}, ${group.length} cases`, group]);
}

function titleOfRefused(call: string, [first, ...more]: string[]): string {
  if (first === call) return call;
  return `${call} with ${more.length === 0 ? first : "several of these"}`;
}

const compared = grouped(
  cases.filter((golden) => lacking(golden).length === 0),
  ({ call }) => call,
);
const refused = grouped(
  cases.filter((golden) => lacking(golden).length > 0),
  (golden) => titleOfRefused(golden.call, lacking(golden)),
);

describeBackends("golden values", (core) => {
  test.each(compared)("has those of %s", (_title, group) => {
    const failures = group.flatMap((golden) => WAYS.flatMap((way) => failuresOf(core, golden, way)));
    expect(failures).toEqual([]);
  });

  test.each(refused)("refuses so far %s", (_title, group) => {
    const taken = group.filter((golden) => !REFUSED.test(refusal(core, golden)));
    expect(taken.map((golden) => `${titled(golden)}: ${refusal(core, golden)}`)).toEqual([]);
  });
});
