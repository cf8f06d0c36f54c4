/** Random calls of every function: options, layouts, kinds, forms and edges in any combination that has a meaning. */

import { below, normal, type Random } from "../inputs.js";
import { type LossFunction, logSoftmax, sizesOf, softmax } from "../oracle.js";
import {
  type ArrayArgument,
  type Call,
  type Classes,
  type FloatKind,
  type Floats,
  type Form,
  type IntegerKind,
  integerKinds,
  outLength,
  resultKind,
  rounded,
  type Span,
  subjectOf,
} from "./call.js";

type Layout = Call["layout"];
type Options = Record<string, number | string | boolean>;

function chance(random: Random, probability: number): boolean {
  return random() < probability;
}

function pick<T>(random: Random, values: readonly T[]): T {
  if (values.length === 0) throw new RangeError("expected something to pick from");
  return values[below(random, values.length)] as T;
}

function times<T>(count: number, make: (i: number) => T): T[] {
  const values: T[] = [];
  for (let i = 0; i < count; i++) values.push(make(i));
  return values;
}

/** As many small numbers as large ones: uniform in the logarithm. */
function upTo(random: Random, most: number): number {
  return Math.floor((most + 1) ** random());
}

// Layouts.

function randomLayout(random: Random): Layout {
  const size = pick(random, [20, 200, 200, 2000, 2000, 2000, 2000]) * (chance(random, 0.03) ? 10 : 1);
  // Some rows and some arrays are longer than whatever block takes them.
  const elements = upTo(random, chance(random, 0.002) ? 300_000 : size);
  const classes = upTo(random, pick(random, [10, 40, 400, elements, elements]));
  const positions = Math.max(1, Math.floor(elements / classes));
  const axes = pick(random, [0, 1, 1, 1, 2, 3, 4]);
  const shape: number[] = [];
  for (let rest = positions, axis = 0; axis < axes; axis++) {
    const length = axis === axes - 1 ? rest : upTo(random, rest);
    shape.push(length);
    rest = Math.floor(rest / length);
  }
  if (axes > 0 && chance(random, 0.02)) shape[below(random, axes)] = 0;
  const index = chance(random, 0.5) ? shape.length : below(random, shape.length + 1);
  shape.splice(index, 0, classes);
  if (index === shape.length - 1 && chance(random, 0.7)) return { shape };
  return { shape, axis: chance(random, 0.5) ? index : index - shape.length };
}

// Values, row by row; float16 ends at 65504.

/** How the logits of a call are spread, and what is special in some of its rows. */
type MakeRow = (random: Random, classes: number) => number[];

const ORDINARY: readonly ((random: Random) => MakeRow)[] = [
  (random) => {
    const [scale, offset] = [pick(random, [1e-3, 1, 1, 3, 10, 30]), pick(random, [0, 0, 0, 7.3, -40, 90, -500, 1000])];
    return (random, classes) => times(classes, () => offset + scale * normal(random));
  },
  // Near certainty.
  (random) => {
    const lead = pick(random, [5, 12, 20, 40, 80, 200]);
    return (random, classes) => {
      const row = times(classes, () => normal(random));
      row[below(random, classes)] = lead;
      return row;
    };
  },
  // Of every size.
  () => (random, classes) => times(classes, () => -88 * random()),
  // Ties, and one value throughout.
  () => (random, classes) => times(classes, () => below(random, 3)),
  (random) => {
    const value = 12 * random() - 6;
    return (_random, classes) => times(classes, () => value);
  },
];

const HUGE: readonly MakeRow[] = [
  (random, classes) => times(classes, () => (2 * random() - 1) * 1e30),
  (random, classes) => times(classes, () => -1e6 + 20 * normal(random)),
  (_random, classes) => times(classes, () => 1e30),
];

const SPECIAL: readonly ((row: number[], random: Random) => void)[] = [
  (row, random) => row.splice(below(random, row.length), 1, Number.NaN),
  (row, random) => row.splice(below(random, row.length), 1, Number.POSITIVE_INFINITY),
  (row) => row.fill(Number.NEGATIVE_INFINITY),
  (row, random) => row.splice(below(random, row.length), 1, Number.NEGATIVE_INFINITY),
  (row, random) =>
    row.forEach((_, c) => {
      if (chance(random, 0.4)) row[c] = Number.NEGATIVE_INFINITY;
    }),
];

/** Rows of a layout, as the array of it: in any layout each element is a row's. */
function inLayout(rows: readonly number[][], layout: Layout): number[] {
  const { outer, classes, inner } = sizesOf(layout);
  return times(outer * classes * inner, (i) => {
    const [o, c] = [Math.floor(i / (classes * inner)), Math.floor(i / inner) % classes];
    return rows[o * inner + (i % inner)]?.[c] ?? 0;
  });
}

function logitRows(random: Random, layout: Layout, kind: FloatKind, isBounded: boolean): number[][] {
  const { outer, classes, inner } = sizesOf(layout);
  const make =
    chance(random, 0.06) && kind !== "float16" && !isBounded ? pick(random, HUGE) : pick(random, ORDINARY)(random);
  const special = chance(random, 0.25) ? 0.3 * random() : 0;
  return times(outer * inner, () => {
    const row = make(random, classes);
    if (chance(random, special)) pick(random, SPECIAL)(row, random);
    return row.map((value) => rounded(kind, value));
  });
}

// Arrays, in their forms.

const KINDS: readonly FloatKind[] = ["float32", "float32", "float32", "float64", "float64", "float16", "bfloat16"];

function randomForm(random: Random, kind: FloatKind | IntegerKind): Form {
  if (kind === "number[]") return "numbers";
  const form = pick<Form>(random, ["bare", "bare", "bare", "bare", "view", "shape", "dims", "window", "core"]);
  return form === "core" && kind !== "float32" ? "bare" : form;
}

function floats(random: Random, kind: FloatKind, span: Span, values: readonly number[]): Floats {
  return { kind, span, form: randomForm(random, kind), values: values.map((value) => rounded(kind, value)) };
}

/** An option that is an array: of any kind, or plain numbers. */
function optional(random: Random, span: Span, values: readonly number[]): Floats {
  const kind = pick(random, KINDS);
  return chance(random, 0.2) ? { kind: "float64", span, form: "numbers", values } : floats(random, kind, span, values);
}

// Targets.

const LIMITS: Readonly<Record<IntegerKind, readonly [least: number, most: number]>> = {
  Int8Array: [-(2 ** 7), 2 ** 7 - 1],
  Uint8Array: [0, 2 ** 8 - 1],
  Int16Array: [-(2 ** 15), 2 ** 15 - 1],
  Uint16Array: [0, 2 ** 16 - 1],
  Int32Array: [-(2 ** 31), 2 ** 31 - 1],
  Uint32Array: [0, 2 ** 32 - 1],
  BigInt64Array: [-(2 ** 40), 2 ** 40],
  BigUint64Array: [0, 2 ** 40],
  "number[]": [-(2 ** 40), 2 ** 40],
};

interface Labels {
  readonly targets: Classes;
  /** Which rows are ignored. */
  readonly ignored: readonly boolean[];
  readonly options: Options;
}

function randomLabels(random: Random, rows: number, classes: number): Labels {
  const kind = pick(
    random,
    integerKinds.filter((kind) => LIMITS[kind][1] >= classes - 1),
  );
  const [least, most] = LIMITS[kind];
  const other = pick(random, [-1, least, most, 0, classes - 1, classes]);
  const ignoreIndex = chance(random, 0.3) && other >= least && other <= most ? other : undefined;
  const marker = ignoreIndex ?? -100;
  const rate = marker < least || chance(random, 0.6) ? 0 : pick(random, [0.1, 0.3, 0.3, 0.9, 1]);
  const values = times(rows, () => (chance(random, rate) ? marker : below(random, classes)));
  return {
    targets: { kind, span: "rows", form: randomForm(random, kind), values },
    ignored: values.map((value) => value === marker),
    options: ignoreIndex === undefined ? {} : { ignoreIndex },
  };
}

/** Masses that need not sum to 1, one class alone, those of a softmax, and seldom some below 0. */
function massRows(random: Random, layout: Layout): number[][] {
  const { outer, classes, inner } = sizesOf(layout);
  const make = pick<MakeRow>(random, [
    (random, classes) => times(classes, () => (chance(random, 0.2) ? 0 : random())),
    (random, classes) => {
      const one = below(random, classes);
      return times(classes, (c) => (c === one ? 1 : 0));
    },
    (random, classes) =>
      Array.from(
        softmax(
          times(classes, () => 3 * normal(random)),
          classes,
        ),
      ),
    (random, classes) => times(classes, () => random() - 0.1),
  ]);
  return times(outer * inner, () => make(random, classes));
}

// Calls.

const REDUCTIONS = ["mean", "sum", "none"];

function reductionOf(random: Random, isDivergence: boolean): Options {
  const reduction = pick(random, [...REDUCTIONS, undefined, ...(isDivergence ? ["batchmean"] : [])]);
  const isMean = reduction === undefined || reduction === "mean";
  return {
    ...(reduction !== undefined && { reduction }),
    ...(isMean && chance(random, 0.2) && { normalizer: pick(random, [0.125, 1, 7.5, 1000]) }),
  };
}

const UPSTREAMS = [0, 1, -2.5, 1e-6, 65536, 1e-37];

/** A number, or for "none" an array too. NaN is for ignored rows alone to overlook. */
function upstream(
  random: Random,
  span: Span,
  count: number,
  { reduction }: Options,
): Partial<Record<string, Floats | number>> {
  if (chance(random, 0.6)) return {};
  if (reduction !== "none" || chance(random, 0.2)) return { gradOutput: pick(random, UPSTREAMS) };
  const scale = pick(random, [1, 1e-6, 1000, 1e-36]);
  return {
    gradOutput: optional(
      random,
      span,
      times(count, () => (chance(random, 0.02) ? Number.NaN : scale * normal(random))),
    ),
  };
}

function randomWeight(random: Random, count: number): number[] {
  const zero = chance(random, 0.2) ? 0.3 : 0;
  return times(count, () => (chance(random, zero) ? 0 : 3 * random()));
}

type Given = Readonly<Record<string, ArrayArgument | number | string | boolean | undefined>>;

/** A call of these arrays and options, in the order in which they stand. */
function callOf(random: Random, name: Call["name"], layout: Layout, given: Given): Call {
  const entries = Object.entries(given);
  const arrays = Object.fromEntries(
    entries.filter((entry): entry is [string, ArrayArgument] => typeof entry[1] === "object"),
  );
  const options = Object.fromEntries(
    entries.filter(
      (entry): entry is [string, number | string | boolean] => typeof entry[1] !== "object" && entry[1] !== undefined,
    ),
  );
  const call: Call = { name, layout, arrays, options, withShape: false, out: "fresh" };
  return { ...call, withShape: needsShape(random, call), out: randomOut(random, call) };
}

/** A bare array needs a shape, unless it is the one that is taken for it. */
function needsShape(random: Random, { layout, arrays, ...call }: Call): boolean {
  const [, subject] = subjectOf({ ...call, layout, arrays });
  const { shape, axis = -1 } = layout;
  if (subject.form !== "bare" && subject.form !== "view") return chance(random, 0.1);
  const hasClasses = arrays.targets?.span === "rows";
  const isLast = axis === -1 || axis === shape.length - 1;
  const isTaken = hasClasses ? shape.length === 2 && isLast && !shape.includes(0) : shape.length === 1;
  return !isTaken || chance(random, 0.5);
}

function randomOut(random: Random, call: Call): Call["out"] {
  const out = pick<Call["out"]>(random, ["fresh", "fresh", "given", "in place"]);
  if (out !== "in place") return out;
  const [, subject] = subjectOf(call);
  const fits = subject.kind === resultKind(call) && outLength(call) === subject.values.length;
  return fits && subject.form !== "numbers" ? out : "fresh";
}

function softmaxCall(random: Random): Call {
  const layout = randomLayout(random);
  const kind = pick(random, KINDS);
  const name = pick(random, ["logSoftmax", "softmax", "logSumExp"] as const);
  const x = floats(random, kind, "elements", inLayout(logitRows(random, layout, kind, false), layout));
  return callOf(random, name, layout, { x });
}

function backwardCall(random: Random): Call {
  const layout = randomLayout(random);
  const kind = pick(random, KINDS);
  const gradKind = chance(random, 0.6) ? kind : pick(random, KINDS);
  const isSoftmax = chance(random, 0.5);
  const forward = isSoftmax ? softmax : logSoftmax;
  const y = logitRows(random, layout, kind, true).map((row) => Array.from(forward(row, row.length)));
  const scales = gradKind === "float16" ? [1, 1, 100] : [1, 1, 1e6, 1e-20];
  const g = y.map((row) => {
    const scale = pick(random, scales);
    return row.map(() => scale * normal(random));
  });
  const gradOutput = floats(random, gradKind, "elements", inLayout(g, layout));
  const result = floats(random, kind, "elements", inLayout(y, layout));
  return isSoftmax
    ? callOf(random, "softmaxGrad", layout, { gradOutput, probs: result })
    : callOf(random, "logSoftmaxGrad", layout, { gradOutput, logProbs: result });
}

function withGrad(random: Random, name: LossFunction): Call["name"] {
  return chance(random, 0.6) ? `${name}WithGrad` : name;
}

function crossEntropyCall(random: Random): Call {
  const layout = randomLayout(random);
  const { outer, classes, inner } = sizesOf(layout);
  const kind = pick(random, KINDS);
  const name = withGrad(random, "crossEntropy");
  const zLoss = chance(random, 0.2) ? pick(random, [0, 1e-4, 0.01, 0.5]) : undefined;
  const rows = logitRows(random, layout, kind, zLoss !== undefined);
  const labels = chance(random, 0.65) ? randomLabels(random, outer * inner, classes) : undefined;
  labels?.ignored.forEach((ignored, i) => {
    if (ignored && chance(random, 0.3)) rows[i]?.fill(pick(random, [Number.NaN, Number.POSITIVE_INFINITY, -1e4]));
  });
  const targets =
    labels?.targets ?? floats(random, pick(random, KINDS), "elements", inLayout(massRows(random, layout), layout));
  const options = reductionOf(random, false);
  return callOf(random, name, layout, {
    logits: floats(random, kind, "elements", inLayout(rows, layout)),
    targets,
    weight: chance(random, 0.3) ? optional(random, "classes", randomWeight(random, classes)) : undefined,
    ...options,
    ...labels?.options,
    labelSmoothing: chance(random, 0.3) ? pick(random, [0, 0.1, 0.1, 1, random()]) : undefined,
    zLoss,
    softcap: chance(random, 0.12) ? pick(random, [1, 2.5, 30, 50, 1e6]) : undefined,
    ...(name.endsWith("WithGrad") && upstream(random, "rows", outer * inner, options)),
  });
}

function nllLossCall(random: Random): Call {
  const layout = randomLayout(random);
  const { outer, classes, inner } = sizesOf(layout);
  const kind = pick(random, KINDS);
  const name = withGrad(random, "nllLoss");
  const { targets, options: labelOptions } = randomLabels(random, outer * inner, classes);
  const options = reductionOf(random, false);
  return callOf(random, name, layout, {
    logProbs: floats(random, kind, "elements", inLayout(logitRows(random, layout, kind, false), layout)),
    targets,
    weight: chance(random, 0.4) ? optional(random, "classes", randomWeight(random, classes)) : undefined,
    ...options,
    ...labelOptions,
    ...(name.endsWith("WithGrad") && upstream(random, "rows", outer * inner, options)),
  });
}

/** A weight of single elements, in one of its three forms. */
function elementWeight(random: Random, layout: Layout): Floats | number {
  const { outer, classes } = sizesOf(layout);
  return pick(random, [
    () => pick(random, [0, 0.75, 2.5]),
    () => optional(random, "classes", randomWeight(random, classes)),
    () => optional(random, "elements", randomWeight(random, outer * classes)),
  ])();
}

function label(random: Random): number {
  return pick(random, [0, 1, 0.5, random(), random()]);
}

function probability(random: Random): number {
  return pick(random, [random(), random(), random(), 0, 1, 10 ** (-37 * random()), 1 - 2 ** -24]);
}

function logit(random: Random): number {
  const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 800, -800];
  return chance(random, 0.03) ? pick(random, special) : pick(random, [1, 1, 5, 40]) * normal(random);
}

function binaryCall(random: Random): Call {
  const layout = { shape: randomLayout(random).shape };
  const size = layout.shape.reduce((size, next) => size * next, 1);
  const isOfLogits = chance(random, 0.5);
  const name = withGrad(random, isOfLogits ? "binaryCrossEntropyWithLogits" : "binaryCrossEntropy");
  const options = reductionOf(random, false);
  const subject = floats(
    random,
    pick(random, KINDS),
    "elements",
    times(size, () => (isOfLogits ? logit : probability)(random)),
  );
  return callOf(random, name, layout, {
    [isOfLogits ? "logits" : "probs"]: subject,
    targets: floats(
      random,
      pick(random, KINDS),
      "elements",
      times(size, () => label(random)),
    ),
    weight: chance(random, 0.4) ? elementWeight(random, layout) : undefined,
    posWeight: isOfLogits && chance(random, 0.4) ? elementWeight(random, layout) : undefined,
    ...options,
    ...(name.endsWith("WithGrad") && upstream(random, "elements", size, options)),
  });
}

function divergenceCall(random: Random): Call {
  const layout = { shape: randomLayout(random).shape };
  const size = layout.shape.reduce((size, next) => size * next, 1);
  const name = withGrad(random, "klDivergence");
  const options = reductionOf(random, true);
  const logTarget = chance(random, 0.3);
  const special = chance(random, 0.2) ? [Number.NaN, Number.NEGATIVE_INFINITY] : [-1, -200];
  const log = (): number =>
    chance(random, 0.05) ? pick(random, special) : -pick(random, [0.1, 1, 10]) * Math.abs(normal(random));
  return callOf(random, name, layout, {
    logQ: floats(random, pick(random, KINDS), "elements", times(size, log)),
    p: floats(
      random,
      pick(random, KINDS),
      "elements",
      times(size, () => (logTarget ? log() : probability(random))),
    ),
    ...options,
    logTarget: logTarget || (chance(random, 0.1) ? false : undefined),
    ...(name.endsWith("WithGrad") && upstream(random, "elements", size, options)),
  });
}

const MAKERS: readonly ((random: Random) => Call)[] = [
  softmaxCall,
  softmaxCall,
  backwardCall,
  crossEntropyCall,
  crossEntropyCall,
  crossEntropyCall,
  crossEntropyCall,
  nllLossCall,
  binaryCall,
  binaryCall,
  divergenceCall,
];

export function randomCall(random: Random): Call {
  return pick(random, MAKERS)(random);
}
