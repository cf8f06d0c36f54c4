/**
 * A fixed workload over all functions, options and kinds of numbers, and one digest of all its results, for engines to
 * agree on. Its inputs are made by additions and products alone: the engines' own logarithms differ.
 */

import { createHash } from "node:crypto";
import type { Core } from "../src/index.js";
import type { ArrayArgument, Call, FloatKind, FunctionName, Span } from "./fuzz/call.js";
import { rounded } from "./fuzz/call.js";
import { run, type Value } from "./fuzz/run.js";
import { below, mulberry32, type Random } from "./inputs.js";
import { sizesOf } from "./oracle.js";

type Layout = Call["layout"];
type Options = Call["options"];

const KINDS: readonly FloatKind[] = ["float32", "float64", "float16", "bfloat16"];

/** Few classes and many, last or not, and one more than a scratch of float32 holds. */
const LAYOUTS: readonly Layout[] = [
  { shape: [1, 1] },
  { shape: [37, 3] },
  { shape: [21, 10] },
  { shape: [7, 130] },
  { shape: [3, 1027] },
  { shape: [2, 19, 53], axis: 1 },
  { shape: [300, 18], axis: 0 },
];

/** A row that goes in segments, for what does, and one that is as long as may be for everything else. */
const SEGMENTED: Layout = { shape: [1, 2 ** 18 + 5] };
const LONG: Layout = { shape: [1, 2 ** 18] };

const CLASS_OPTIONS: readonly Options[] = [
  {},
  { reduction: "sum", labelSmoothing: 0.1 },
  { reduction: "none", zLoss: 0.01 },
  { reduction: "none", labelSmoothing: 1, zLoss: 1e-4 },
  { softcap: 2.5 },
  { normalizer: 7, gradOutput: -1.5, softcap: 30, zLoss: 0.5, labelSmoothing: 0.25 },
];

/** About as a normal deviate times three. */
function logit(random: Random): number {
  return 6 * (random() + random() + random() - 1.5);
}

/** A logit, or seldom what a row has to bear: a mask, and more seldom what makes all of the row NaN. */
function logitOrEdge(random: Random): number {
  const value = logit(random);
  if (below(random, 30) === 0) return Number.NEGATIVE_INFINITY;
  if (below(random, 1000) > 0) return value;
  return below(random, 2) === 0 ? Number.NaN : Number.POSITIVE_INFINITY;
}

function probability(random: Random): number {
  const value = random();
  return below(random, 20) > 0 ? value : below(random, 2);
}

/** Makes a call's arrays from one generator, in their order. */
class Arrays {
  readonly #random: Random;
  readonly #layout: Layout;
  readonly #kind: FloatKind;

  constructor(seed: number, layout: Layout, kind: FloatKind) {
    this.#random = mulberry32(seed);
    this.#layout = layout;
    this.#kind = kind;
  }

  #make(span: Span, value: (random: Random) => number): number[] {
    const { outer, classes, inner } = sizesOf(this.#layout);
    const length = { elements: outer * classes * inner, rows: outer * inner, classes }[span];
    return Array.from({ length }, () => value(this.#random));
  }

  floats(span: Span, value: (random: Random) => number): ArrayArgument {
    const values = this.#make(span, (random) => rounded(this.#kind, value(random)));
    return { kind: this.#kind, span, form: "bare", values };
  }

  logits(): ArrayArgument {
    return this.floats("elements", logitOrEdge);
  }

  labels(): ArrayArgument {
    const { classes } = sizesOf(this.#layout);
    const values = this.#make("rows", (random) => (below(random, 7) === 0 ? -100 : below(random, classes)));
    return { kind: "Int32Array", span: "rows", form: "bare", values };
  }

  probabilities(): ArrayArgument {
    return this.floats("elements", probability);
  }
}

function call(name: FunctionName, layout: Layout, arrays: Call["arrays"], options: Options = {}): Call {
  return { name, layout, withShape: true, arrays, options, out: "fresh" };
}

function callsOf(layout: Layout, kind: FloatKind, seed: number): Call[] {
  const make = new Arrays(seed, layout, kind);
  const x = make.logits();
  const [gradOutput, upstream] = [make.floats("elements", logit), make.floats("rows", logit)];
  const [labels, masses, probs] = [make.labels(), make.probabilities(), make.probabilities()];
  const weight = make.floats("classes", (random) => 3 * random());
  const elements = { shape: layout.shape };
  return [
    call("logSumExp", layout, { x }),
    call("logSoftmax", layout, { x }),
    call("softmax", layout, { x }),
    call("logSoftmaxGrad", layout, { gradOutput, logProbs: x }),
    call("softmaxGrad", layout, { gradOutput, probs }),
    ...CLASS_OPTIONS.flatMap((options) => [
      call("crossEntropyWithGrad", layout, { logits: x, targets: labels }, options),
      call("crossEntropyWithGrad", layout, { logits: x, targets: labels, weight }, options),
    ]),
    call("crossEntropy", layout, { logits: x, targets: labels }, { reduction: "sum" }),
    call("crossEntropyWithGrad", layout, { logits: x, targets: labels, gradOutput: upstream }, { reduction: "none" }),
    call("crossEntropyWithGrad", layout, { logits: x, targets: masses }, { reduction: "none" }),
    call("crossEntropyWithGrad", layout, { logits: x, targets: masses, weight }, { labelSmoothing: 0.1, zLoss: 0.01 }),
    call("nllLossWithGrad", layout, { logProbs: x, targets: labels, weight }),
    call("binaryCrossEntropyWithGrad", elements, { probs, targets: masses }, { reduction: "none" }),
    call("binaryCrossEntropyWithLogitsWithGrad", elements, { logits: x, targets: masses }, { posWeight: 2.5 }),
    call("binaryCrossEntropyWithLogitsWithGrad", elements, { logits: gradOutput, targets: masses }, { weight: 0.5 }),
    call("klDivergenceWithGrad", elements, { logQ: x, p: probs }, { reduction: "none" }),
    call("klDivergenceWithGrad", elements, { logQ: gradOutput, p: x }, { reduction: "batchmean", logTarget: true }),
  ];
}

function workload(): Call[] {
  const small = LAYOUTS.flatMap((layout, i) => KINDS.flatMap((kind, k) => callsOf(layout, kind, 10 * i + k)));
  const long = KINDS.flatMap((kind, k) => {
    const layout = kind === "float64" ? LONG : SEGMENTED;
    const make = new Arrays(100 + k, layout, kind);
    const logits = make.floats("elements", logit);
    const makeSoft = new Arrays(200 + k, LONG, kind);
    const soft = { logits: makeSoft.floats("elements", logit), targets: makeSoft.probabilities() };
    return [
      call("logSoftmax", layout, { x: logits }),
      call("crossEntropyWithGrad", layout, { logits, targets: make.labels() }, { labelSmoothing: 0.1 }),
      call("crossEntropyWithGrad", LONG, soft),
      call("binaryCrossEntropyWithLogitsWithGrad", LONG, soft),
    ];
  });
  return [...small, ...long];
}

/** The bytes of a result, with one NaN for all of them: which one an operation gives is the engine's own. */
function bytesOf(value: Value): Uint8Array {
  const values = typeof value === "number" ? Float64Array.of(value) : value;
  const bytes = new Uint8Array(values.buffer.slice(values.byteOffset, values.byteOffset + values.byteLength));
  const width = values.BYTES_PER_ELEMENT;
  values.forEach((value, i) => {
    if (Number.isNaN(value)) bytes.fill(0xff, i * width, (i + 1) * width);
  });
  return bytes;
}

/** SHA-256 of all results, in the order of the calls. */
export function digest(core: Core): string {
  const hash = createHash("sha256");
  for (const call of workload()) {
    for (const [part, value] of run(core, call).values) hash.update(part).update(bytesOf(value));
  }
  return hash.digest("hex");
}
