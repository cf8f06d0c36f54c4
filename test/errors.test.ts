/** Bad input: the exact error, nothing written, and a core that works on. */

import { describe, expect, it } from "vitest";
import { type Core, createCore } from "../src/index.js";
import { describeBackends } from "./backends.js";

const logits = () => Float32Array.from({ length: 30 }, (_, i) => i % 7);
const targets = [1, 2, 3];
const out = new Float32Array(30).fill(7);

/** Calls as somebody without types would write them. */
type Call = (core: Record<string, (...args: unknown[]) => unknown>) => unknown;
type Case = readonly [message: string, kind: typeof TypeError | typeof RangeError, call: Call];

const FLOATS = "a Float32Array, Float64Array or Float16Array, or a tensor of one ({ data, shape })";
const NUMBERS = `a number[], ${FLOATS}`;

const arrays: readonly Case[] = [
  [`x: expected ${FLOATS}, got undefined`, TypeError, (core) => core.logSoftmax?.()],
  [`x: expected ${FLOATS}, got null`, TypeError, (core) => core.softmax?.(null)],
  [`x: expected ${FLOATS}, got [1, 2]; pass Float32Array.from(…)`, TypeError, (core) => core.logSumExp?.([1, 2])],
  [
    `x: expected ${FLOATS}, got [0, 1, 2, 3, 4, 5, 6, 7, … (2000 values)]; pass Float32Array.from(…)`,
    TypeError,
    (core) => core.softmax?.(Array.from({ length: 2000 }, (_, i) => i)),
  ],
  [
    "x: expected at least the class axis, got []",
    RangeError,
    (core) => core.softmax?.({ data: new Float32Array(1), shape: [] }),
  ],
  [`logits: expected ${FLOATS}, got "1 2"`, TypeError, (core) => core.crossEntropy?.("1 2", targets)],
  [
    `logits: expected ${FLOATS}, got an Int32Array`,
    TypeError,
    (core) => core.crossEntropy?.(new Int32Array(30), targets),
  ],
  [
    'logits.dtype: expected "float16" or "bfloat16" for what a Uint16Array holds, got undefined',
    TypeError,
    (core) => core.crossEntropy?.(new Uint16Array(30), targets),
  ],
  [
    'logits.dtype: expected "float16" or "bfloat16" for what a Uint16Array holds, got "uint16"',
    TypeError,
    (core) =>
      core.crossEntropyWithGrad?.({ data: new Uint16Array(30), dims: [3, 10], dtype: "uint16" }, targets, { out }),
  ],
  [
    "x: expected memory of this thread alone, such as a copy by slice(), got a SharedArrayBuffer",
    TypeError,
    (core) => core.softmax?.(new Float32Array(new SharedArrayBuffer(120)), { out }),
  ],
  [
    "targets: expected memory of this thread alone, such as a copy by slice(), got a SharedArrayBuffer",
    TypeError,
    (core) => core.crossEntropy?.(new Float32Array(40), new Int32Array(new SharedArrayBuffer(80))),
  ],
  [
    "x: expected at most 2147483647 values, got 4294967296",
    RangeError,
    (core) => core.softmax?.(logits(), { shape: [65536, 65536], out }),
  ],
  [
    `x: expected ${FLOATS}, got a tensor whose data is a function; pass { data: tensor.dataSync(), shape }`,
    TypeError,
    (core) => core.softmax?.({ data: () => logits(), shape: [3, 10] }),
  ],
  [
    `x: expected ${FLOATS}, got [[1, 2], [3, 4]]; pass Float32Array.from(….flat()) and its shape`,
    TypeError,
    (core) =>
      core.softmax?.([
        [1, 2],
        [3, 4],
      ]),
  ],
  [`x: expected ${FLOATS}, got a DataView`, TypeError, (core) => core.softmax?.(new DataView(new ArrayBuffer(8)))],
  [`x: expected ${FLOATS}, got a Promise`, TypeError, (core) => core.softmax?.(Promise.resolve(logits()))],
  [
    `x: expected ${FLOATS}, got an object without a prototype`,
    TypeError,
    (core) => core.softmax?.(Object.create(null)),
  ],
  [
    "x.data: expected a typed array, got a Promise",
    TypeError,
    (core) => core.softmax?.({ data: Promise.resolve(logits()), shape: [30] }),
  ],
  ["x.data: expected a typed array, got [1, 2]", TypeError, (core) => core.softmax?.({ data: [1, 2], shape: [2] })],
  [
    "x.shape: expected an array of sizes, got an Int32Array",
    TypeError,
    (core) => core.softmax?.({ data: logits(), shape: Int32Array.of(3, 10) }),
  ],
  [
    "x.shape: expected an array of sizes, got [3n, 10n]",
    TypeError,
    (core) => core.softmax?.({ data: logits(), shape: [3n, 10n] }),
  ],
  ["x.shape: expected an array of sizes, got undefined", TypeError, (core) => core.softmax?.({ data: logits() })],
  [
    "x.dims: expected sizes that are whole numbers ≥ 0, got [3, -10]",
    RangeError,
    (core) => core.softmax?.({ data: logits(), dims: [3, -10] }),
  ],
  [
    "x.data: expected 20 values for its shape, got 30",
    RangeError,
    (core) => core.softmax?.({ data: logits(), dims: [2, 10] }),
  ],
  [
    "x.stride: expected row-major order; copy the values into it first, got [1, 3]",
    RangeError,
    (core) => core.softmax?.({ data: logits(), shape: [3, 10], stride: [1, 3], offset: 0 }),
  ],
  [
    "x.strides: expected row-major order; copy the values into it first, got [1, 3]",
    RangeError,
    (core) => core.softmax?.({ data: logits(), shape: [3, 10], strides: Int32Array.of(1, 3) }),
  ],
  [
    "x.strides: expected row-major order; copy the values into it first, got [40, 4]",
    RangeError,
    (core) => core.softmax?.({ data: logits(), shape: [3, 10], strides: [40, 4] }),
  ],
  [
    "x.offset: expected 10 values from there in 30, got -1",
    RangeError,
    (core) => core.softmax?.({ data: logits(), shape: [10], offset: -1 }),
  ],
  [
    "x.offset: expected a whole number, got 0.5",
    RangeError,
    (core) => core.softmax?.({ data: logits(), shape: [10], offset: 0.5 }),
  ],
  [
    "x.offset: expected 30 values from there in 30, got 1",
    RangeError,
    (core) => core.softmax?.({ data: logits(), shape: [3, 10], stride: [10, 1], offset: 1 }),
  ],
  [`logProbs: expected ${FLOATS}, got a Map`, TypeError, (core) => core.logSoftmaxGrad?.(logits(), new Map(), { out })],
  [
    "gradOutput: expected 30 values, as logProbs has, got 29",
    RangeError,
    (core) => core.logSoftmaxGrad?.(new Float32Array(29), logits(), { out }),
  ],
  [
    "gradOutput: expected shape [10, 3], got [3, 10]",
    RangeError,
    (core) => core.softmaxGrad?.({ data: logits(), shape: [3, 10] }, { data: logits(), shape: [10, 3] }, { out }),
  ],
];

const shapes: readonly Case[] = [
  ["shape: expected an array of sizes, got 3", TypeError, (core) => core.softmax?.(logits(), { shape: 3, out })],
  [
    "shape: expected sizes that are whole numbers ≥ 0, got [2.5, 12]",
    RangeError,
    (core) => core.softmax?.(logits(), { shape: [2.5, 12], out }),
  ],
  [
    "x: expected 40 values for shape [4, 10], got 30",
    RangeError,
    (core) => core.softmax?.(logits(), { shape: [4, 10] }),
  ],
  [
    "x: expected at most 2147483647 rows, got 2147483648",
    RangeError,
    (core) => core.logSumExp?.(new Float32Array(0), { shape: [2 ** 31, 0] }),
  ],
  [
    "shape: expected an array of sizes, got [[3], 10]",
    TypeError,
    (core) => core.softmax?.(logits(), { shape: [[3], 10], out }),
  ],
  ["shape: expected at least the class axis, got []", RangeError, (core) => core.softmax?.(logits(), { shape: [] })],
  [
    "shape: expected [3, 10], the shape of x, got [10, 3]",
    RangeError,
    (core) => core.softmax?.({ data: logits(), shape: [3, 10] }, { shape: [10, 3], out }),
  ],
  ["axis: expected a whole number, got NaN", RangeError, (core) => core.softmax?.(logits(), { axis: Number.NaN, out })],
  ["axis: expected a whole number, got null", TypeError, (core) => core.softmax?.(logits(), { axis: null, out })],
  ['axis: expected a whole number, got "last"', TypeError, (core) => core.softmax?.(logits(), { axis: "last", out })],
  ["axis: expected one of 1 axes, got 1", RangeError, (core) => core.softmax?.(logits(), { axis: 1, out })],
  [
    "axis: expected one of 2 axes, got -3",
    RangeError,
    (core) => core.softmax?.(logits(), { shape: [3, 10], axis: -3, out }),
  ],
  [
    "logits: expected a multiple of 4 values, the number of targets, or a shape, got 30",
    RangeError,
    (core) => core.crossEntropy?.(logits(), [1, 2, 3, 4]),
  ],
  ["targets: expected one value a row of 30 logits, got 0", RangeError, (core) => core.crossEntropy?.(logits(), [])],
  [
    "logits: expected a multiple of 2 values, the number of targets, or a shape, got 0",
    RangeError,
    (core) => core.crossEntropy?.(new Float32Array(0), [0, 1]),
  ],
];

const CLASSES = "an integer array, a number[] or a tensor of an integer array";
const CLASSES_OR_MASSES = `${CLASSES}, or a float array or a tensor of one for soft targets`;

const classTargets: readonly Case[] = [
  [
    "targets[2]: expected a class in [0, 10) or ignoreIndex -100, got 12",
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits(), [1, 2, 12], { out }),
  ],
  [
    "targets[1]: expected a class in [0, 10) or ignoreIndex -1, got -100",
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits(), Int32Array.of(1, -100, 2), { ignoreIndex: -1, out }),
  ],
  [
    "targets[0]: expected a class in [0, 10) or ignoreIndex -100, got 1.5",
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits(), [1.5, 2, 3], { out }),
  ],
  [
    "targets[0]: expected a class in [0, 10) or ignoreIndex -100, got NaN",
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits(), [Number.NaN, 2, 3], { out }),
  ],
  [
    "targets[1]: expected a whole number, got undefined",
    TypeError,
    // biome-ignore lint/suspicious/noSparseArray: a hole is what is tried
    (core) => core.crossEntropyWithGrad?.(logits(), [1, , 3], { out }),
  ],
  [
    "targets[0]: expected a whole number, got 1n",
    TypeError,
    (core) => core.crossEntropyWithGrad?.(logits(), [1n, 2n, 3n], { out }),
  ],
  [
    "targets[0]: expected a whole number, got [0.1, 0.9]",
    TypeError,
    (core) => core.crossEntropyWithGrad?.(logits(), [[0.1, 0.9], [], []], { out }),
  ],
  [
    "targets[0]: expected a class in [0, 0) or ignoreIndex -100, got 0",
    RangeError,
    (core) => core.crossEntropy?.(new Float32Array(0), [0, 0], { shape: [2, 0] }),
  ],
  [
    'targets[1]: expected a whole number, got "2"',
    TypeError,
    (core) => core.crossEntropyWithGrad?.(logits(), [1, "2", 3], { out }),
  ],
  [
    "targets[0]: expected a class in [0, 10) or ignoreIndex -100, got -9223372036854775808n",
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits(), BigInt64Array.of(-(2n ** 63n), 2n, 3n), { out }),
  ],
  [
    "targets[2]: expected a class in [0, 10) or ignoreIndex -100, got 4294967295",
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits(), Uint32Array.of(1, 2, -1), { out }),
  ],
  [
    "targets[2]: expected a class in [0, 10) or ignoreIndex -100, got 200",
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits(), Uint8Array.of(1, 2, 200), { out }),
  ],
  [
    "targets: expected 3 values, one a row, got 2",
    RangeError,
    (core) => core.crossEntropy?.(logits(), [1, 2], { shape: [3, 10] }),
  ],
  [
    "targets: expected shape [3], got [3, 1]",
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits(), { data: Int32Array.of(1, 2, 3), dims: [3, 1] }, { out }),
  ],
  [`targets: expected ${CLASSES_OR_MASSES}, got undefined`, TypeError, (core) => core.crossEntropy?.(logits())],
  [`targets: expected ${CLASSES_OR_MASSES}, got 3`, TypeError, (core) => core.crossEntropy?.(logits(), 3)],
  [
    `targets: expected ${CLASSES}, got a Float32Array`,
    TypeError,
    (core) => core.nllLoss?.(logits(), new Float32Array(30)),
  ],
  [
    `targets: expected ${CLASSES_OR_MASSES}, got a Uint8ClampedArray`,
    TypeError,
    (core) => core.crossEntropy?.(logits(), new Uint8ClampedArray(3)),
  ],
];

const LOSS_OPTIONS = "shape, axis, reduction, weight, ignoreIndex, labelSmoothing, zLoss, softcap, normalizer, out";

const options: readonly Case[] = [
  [
    `options.reductoin: expected one of ${LOSS_OPTIONS}`,
    TypeError,
    (core) => core.crossEntropy?.(logits(), targets, { reductoin: "sum" }),
  ],
  [
    "options.reduction: expected one of shape, axis, out",
    TypeError,
    (core) => core.softmax?.(logits(), { reduction: "sum", out }),
  ],
  [
    `options.gradOutput: expected one of ${LOSS_OPTIONS}`,
    TypeError,
    (core) => core.crossEntropy?.(logits(), targets, { gradOutput: 2 }),
  ],
  ["options: expected an object, got a function", TypeError, (core) => core.softmax?.(logits(), () => out)],
  ["options: expected an object, got 5", TypeError, (core) => core.softmax?.(logits(), 5)],
  ["options: expected an object, got null", TypeError, (core) => core.softmax?.(logits(), null)],
  [
    'reduction: expected one of "mean", "sum", "none", got "average"',
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits(), targets, { reduction: "average", out }),
  ],
  [
    'reduction: expected one of "mean", "sum", "none", got true',
    TypeError,
    (core) => core.crossEntropyWithGrad?.(logits(), targets, { reduction: true, out }),
  ],
  [
    'ignoreIndex: expected a whole number, got "-1"',
    TypeError,
    (core) => core.crossEntropyWithGrad?.(logits(), targets, { ignoreIndex: "-1", out }),
  ],
  [
    "ignoreIndex: expected a whole number, got 0.5",
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits(), targets, { ignoreIndex: 0.5, out }),
  ],
  [
    "normalizer: expected a positive number, got 0",
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits(), targets, { normalizer: 0, out }),
  ],
  [
    "normalizer: expected a positive number, got [3]",
    TypeError,
    (core) => core.crossEntropyWithGrad?.(logits(), targets, { normalizer: [3], out }),
  ],
  [
    'normalizer: expected reduction "mean", which divides by it, got "sum"',
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits(), targets, { normalizer: 3, reduction: "sum", out }),
  ],
  [
    'gradOutput: expected a number for reduction "mean", got a Float32Array',
    TypeError,
    (core) => core.crossEntropyWithGrad?.(logits(), targets, { gradOutput: new Float32Array(3), out }),
  ],
  [
    "gradOutput: expected 3 values, one a row, got 2",
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits(), targets, { gradOutput: [1, 2], reduction: "none", out }),
  ],
  [
    "gradOutput: expected shape [3], got [1, 3]",
    RangeError,
    (core) =>
      core.crossEntropyWithGrad?.(logits(), targets, {
        gradOutput: { data: new Float32Array(3), shape: [1, 3] },
        reduction: "none",
        out,
      }),
  ],
  [
    `gradOutput: expected a number, ${NUMBERS}, got true`,
    TypeError,
    (core) => core.crossEntropyWithGrad?.(logits(), targets, { gradOutput: true, reduction: "none", out }),
  ],
  [
    "gradOutput[0]: expected a number, got undefined",
    TypeError,
    (core) => core.crossEntropyWithGrad?.(logits(), targets, { gradOutput: new Array(3), reduction: "none", out }),
  ],
  [
    'gradOutput[1]: expected a number, got "2"',
    TypeError,
    (core) => core.crossEntropyWithGrad?.(logits(), targets, { gradOutput: [1, "2", 3], reduction: "none", out }),
  ],
];

/** Options of crossEntropyWithGrad that are numbers or arrays of them, with a value that none of them takes. */
const terms: readonly Case[] = (
  [
    ["labelSmoothing: expected a number in [0, 1], got 1.5", RangeError, { labelSmoothing: 1.5 }],
    ["labelSmoothing: expected a number in [0, 1], got -0.1", RangeError, { labelSmoothing: -0.1 }],
    ["labelSmoothing: expected a number in [0, 1], got NaN", RangeError, { labelSmoothing: Number.NaN }],
    ['labelSmoothing: expected a number in [0, 1], got "0.1"', TypeError, { labelSmoothing: "0.1" }],
    ["zLoss: expected a finite number ≥ 0, got -1", RangeError, { zLoss: -1 }],
    ["zLoss: expected a finite number ≥ 0, got Infinity", RangeError, { zLoss: Number.POSITIVE_INFINITY }],
    ["zLoss: expected a finite number ≥ 0, got true", TypeError, { zLoss: true }],
    ["softcap: expected a positive number, got 0", RangeError, { softcap: 0 }],
    ["softcap: expected a positive number, got NaN", RangeError, { softcap: Number.NaN }],
    ["softcap: expected a positive number, got null", TypeError, { softcap: null }],
    ["weight: expected 10 values, one a class, got 9", RangeError, { weight: new Float32Array(9) }],
    ["weight[0]: expected a finite number, got NaN", RangeError, { weight: new Float32Array(10).fill(Number.NaN) }],
    ["weight[1]: expected a number, got null", TypeError, { weight: [1, null, 2, 3, 4, 5, 6, 7, 8, 9] }],
    ["weight[0]: expected a number, got undefined", TypeError, { weight: new Array(10) }],
    [
      "weight: expected shape [10], the classes, got [2, 5]",
      RangeError,
      { weight: { data: new Float32Array(10), shape: [2, 5] } },
    ],
    [`weight: expected ${NUMBERS}, got an Int32Array`, TypeError, { weight: new Int32Array(10) }],
    [`weight: expected ${NUMBERS}, got 2`, TypeError, { weight: 2 }],
    ["ignoreIndex: expected a whole number, got NaN", RangeError, { ignoreIndex: Number.NaN }],
    ["normalizer: expected a positive number, got NaN", RangeError, { normalizer: Number.NaN }],
  ] as const
).map(([message, kind, given]) => [
  message,
  kind,
  (core) => core.crossEntropyWithGrad?.(logits(), targets, { ...given, out }),
]);

const softTargets: readonly Case[] = [
  [
    "targets: expected 30 values, one a logit (soft targets; classes are integers), got 29",
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits(), new Float32Array(29), { shape: [3, 10], out }),
  ],
  [
    "targets: expected 30 values, one a logit (soft targets; classes are integers), got 3",
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits(), Float32Array.of(1, 2, 3), { out }),
  ],
  [
    "targets: expected shape [30], that of the logits, got [3]",
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits(), { data: Float32Array.of(1, 2, 3), shape: [3] }, { out }),
  ],
  [
    "targets: expected shape [3, 10], that of the logits, got [10, 3]",
    RangeError,
    (core) =>
      core.crossEntropyWithGrad?.(
        { data: logits(), shape: [3, 10] },
        { data: new Float64Array(30), shape: [10, 3] },
        { out },
      ),
  ],
  [
    "ignoreIndex: expected none with soft targets, of which none is a class to ignore, got 2",
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits(), new Float32Array(30), { shape: [3, 10], ignoreIndex: 2, out }),
  ],
  [
    "out: expected targets as a whole or memory apart from it, got a part of it",
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits().subarray(0, 20), out.subarray(0, 20), { out: out.subarray(10) }),
  ],
];

const halves = () => new Float32Array(30).fill(0.5);

const elementwise: readonly Case[] = [
  [
    "targets: expected 30 values, as probs has, got 29",
    RangeError,
    (core) => core.binaryCrossEntropyWithGrad?.(halves(), new Float32Array(29), { out }),
  ],
  [
    "targets: expected shape [3, 10], got [30]",
    RangeError,
    (core) =>
      core.binaryCrossEntropyWithLogitsWithGrad?.(
        { data: halves(), shape: [3, 10] },
        { data: halves(), shape: [30] },
        { out },
      ),
  ],
  [
    `targets: expected ${FLOATS}, got [0, 1]; pass Float32Array.from(…)`,
    TypeError,
    (core) => core.binaryCrossEntropy?.(halves(), [0, 1]),
  ],
  [
    "options.posWeight: expected one of shape, reduction, weight, normalizer, out, gradOutput",
    TypeError,
    (core) => core.binaryCrossEntropyWithGrad?.(halves(), halves(), { posWeight: 2, out }),
  ],
  [
    "options.axis: expected one of shape, reduction, normalizer, logTarget, out",
    TypeError,
    (core) => core.klDivergence?.(halves(), halves(), { axis: 0 }),
  ],
  [
    "posWeight: expected one number, 10 for the last axis or 30 for all elements, got 3",
    RangeError,
    (core) =>
      core.binaryCrossEntropyWithLogitsWithGrad?.(halves(), halves(), { shape: [3, 10], posWeight: [1, 2, 3], out }),
  ],
  [
    "weight: expected shape [10] or [3, 10], got [10, 3]",
    RangeError,
    (core) =>
      core.binaryCrossEntropyWithGrad?.(halves(), halves(), {
        shape: [3, 10],
        weight: { data: halves(), shape: [10, 3] },
        out,
      }),
  ],
  [
    "posWeight: expected shape [2] or [2, 2], got [2, 1]",
    RangeError,
    (core) =>
      core.binaryCrossEntropyWithLogits?.(halves().subarray(0, 4), halves().subarray(0, 4), {
        shape: [2, 2],
        posWeight: { data: halves().subarray(0, 2), shape: [2, 1] },
      }),
  ],
  [
    "posWeight: expected a number, got NaN",
    RangeError,
    (core) => core.binaryCrossEntropyWithLogitsWithGrad?.(halves(), halves(), { posWeight: Number.NaN, out }),
  ],
  [
    `weight: expected a number, ${NUMBERS}, got "1"`,
    TypeError,
    (core) => core.binaryCrossEntropyWithGrad?.(halves(), halves(), { weight: "1", out }),
  ],
  [
    'logQ: expected a first axis for reduction "batchmean", got []',
    RangeError,
    (core) =>
      core.klDivergence?.(
        { data: new Float32Array(1), shape: [] },
        { data: new Float32Array(1), shape: [] },
        { reduction: "batchmean" },
      ),
  ],
  [
    "gradOutput: expected 30 values, one an element, got 3",
    RangeError,
    (core) => core.binaryCrossEntropyWithGrad?.(halves(), halves(), { reduction: "none", gradOutput: [1, 2, 3], out }),
  ],
  [
    'reduction: expected one of "mean", "batchmean", "sum", "none", got "batch"',
    RangeError,
    (core) => core.klDivergenceWithGrad?.(halves(), halves(), { reduction: "batch", out }),
  ],
  [
    "logTarget: expected a boolean, got 1",
    TypeError,
    (core) => core.klDivergenceWithGrad?.(halves(), halves(), { logTarget: 1, out }),
  ],
  [
    "out: expected p as a whole or memory apart from it, got a part of it",
    RangeError,
    (core) => core.klDivergenceWithGrad?.(halves().subarray(0, 20), out.subarray(0, 20), { out: out.subarray(10) }),
  ],
  [
    "shape: expected [30], the shape of logQ, got [3, 10]",
    RangeError,
    (core) => core.klDivergenceWithGrad?.({ data: halves(), shape: [30] }, halves(), { shape: [3, 10], out }),
  ],
];

const outputs: readonly Case[] = [
  [
    "out: expected a Float64Array for float64 input, got a Float32Array",
    TypeError,
    (core) => core.softmax?.(new Float64Array(30), { out }),
  ],
  [
    "out: expected a Float32Array for bfloat16 input, got a Uint16Array",
    TypeError,
    (core) => {
      const half = { data: new Uint16Array(30), shape: [3, 10], dtype: "bfloat16" };
      return core.crossEntropyWithGrad?.(half, targets, { out: half });
    },
  ],
  [
    "out: expected a Float32Array for float32 input, got []",
    TypeError,
    (core) => core.softmax?.(logits(), { out: [] }),
  ],
  [
    "out: expected weight as a whole or memory apart from it, got a part of it",
    RangeError,
    (core) => {
      const weight = new Float64Array(out.buffer, 0, 10);
      return core.nllLossWithGrad?.(logits(), targets, { weight, out });
    },
  ],
  [
    "out: expected gradOutput as a whole or memory apart from it, got a part of it",
    RangeError,
    (core) =>
      core.crossEntropyWithGrad?.(logits(), targets, { reduction: "none", gradOutput: out.subarray(0, 3), out }),
  ],
  ["out: expected 30 values, got 29", RangeError, (core) => core.softmax?.(logits(), { out: out.subarray(1) })],
  ["out: expected 1 values, got 30", RangeError, (core) => core.logSumExp?.(logits(), { out })],
  [
    `out: expected ${FLOATS}, got a Uint8Array`,
    TypeError,
    (core) => core.softmax?.(logits(), { out: new Uint8Array(30) }),
  ],
  [
    'out: expected reduction "none", which has an array for a result, got "mean"',
    RangeError,
    (core) => core.crossEntropy?.(logits(), targets, { out: out.subarray(3) }),
  ],
  [
    "out: expected x as a whole or memory apart from it, got a part of it",
    RangeError,
    (core) => core.softmax?.(out.subarray(0, 20), { out: out.subarray(10) }),
  ],
  [
    "out: expected logits as a whole or memory apart from it, got a part of it",
    RangeError,
    (core) => core.crossEntropy?.(out, targets, { reduction: "none", out: out.subarray(0, 3) }),
  ],
  [
    "out: expected targets as a whole or memory apart from it, got a part of it",
    RangeError,
    (core) => {
      const column = new Float32Array(3);
      return core.crossEntropyWithGrad?.(logits().subarray(0, 3), new Int32Array(column.buffer), { out: column });
    },
  ],
  [
    "out: expected targets as a whole or memory apart from it, got a part of it",
    RangeError,
    (core) => core.crossEntropyWithGrad?.(logits(), new Int32Array(out.buffer, 0, 3), { ignoreIndex: 1088421888, out }),
  ],
  ["shape: expected an array of sizes, got 3", TypeError, (core) => core.tensor?.(3)],
  ["shape: expected sizes that are whole numbers ≥ 0, got [-1]", RangeError, (core) => core.tensor?.([-1])],
  ["shape: expected at most 1073741824 values, got 4294967296", RangeError, (core) => core.tensor?.([65536, 65536])],
];

const subjects = { arrays, shapes, targets: classTargets, softTargets, options, terms, elementwise, outputs };

/** The core as the table calls it: by name, with anything. */
const untyped = (core: Core) => core as object as Parameters<Call>[0];

function expectError(call: () => unknown, kind: ErrorConstructor, message: string): void {
  let thrown: unknown;
  try {
    call();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(Error);
  expect(`${(thrown as Error).name}: ${(thrown as Error).message}`).toBe(`${kind.name}: ${message}`);
}

describeBackends("errors", (core) => {
  const good = core.crossEntropy(logits(), targets);

  for (const [subject, cases] of Object.entries(subjects)) {
    describe(subject, () => {
      it.each(cases)("%s", (message, kind, call) => {
        expectError(() => call(untyped(core)), kind, message);
        expect(out.every((value) => value === 7)).toBe(true);
        expect(core.crossEntropy(logits(), targets)).toBe(good);
      });
    });
  }

  it.each([63, 64, 259, 8195, 16387])("a target that is no class, wherever it stands among %d", (rows) => {
    const x = new Float32Array(3 * rows);
    const classes = Int32Array.from({ length: rows }, (_, i) => i % 3);
    for (const place of [0, 1, rows >> 1, rows - 4, rows - 1]) {
      for (const bad of [3, -1, -(2 ** 31), 2 ** 31 - 1]) {
        const wrong = classes.with(place, bad);
        const message = `targets[${place}]: expected a class in [0, 3) or ignoreIndex -100, got ${bad}`;
        expectError(() => core.crossEntropy(x, wrong), RangeError, message);
      }
      for (const ignoreIndex of [-100, 7, classes[place]]) {
        const loss = core.crossEntropy(x, classes.with(place, Number(ignoreIndex)), { ignoreIndex });
        expect(loss).toBeCloseTo(Math.log(3), 6);
      }
    }
    expect(core.crossEntropy(x, classes)).toBeCloseTo(Math.log(3), 6);
  });

  it("after dispose", () => {
    const own = createCore({ backend: core.backend });
    const kept = own.tensor([2]);
    const gone = own.tensor([2]);
    gone.dispose();
    gone.dispose();
    expectError(() => gone.data, Error, "tensor: expected one in use, got one after its dispose()");
    own.dispose();
    own.dispose();
    expectError(() => own.softmax(logits()), Error, "core: expected one in use, got one after its dispose()");
    expectError(() => own.tensor([2]), Error, "core: expected one in use, got one after its dispose()");
    expectError(() => kept.data, Error, "tensor: expected one in use, got one after its dispose()");
    expect(core.crossEntropy(logits(), targets)).toBe(good);
  });
});

describe("arrays that are gone", () => {
  const message = (name: string) =>
    `${name}: expected a live array, got a view of memory that has moved; read a tensor's data anew after making another`;

  it("are refused by name", () => {
    const gone = new Float32Array(6);
    structuredClone(gone, { transfer: [gone.buffer] });
    const core = createCore({ backend: "js" });
    expectError(() => core.softmax(gone), TypeError, message("x"));
    expectError(() => core.crossEntropy(gone, [0, 1]), TypeError, message("logits"));
    expectError(() => core.softmax(new Float32Array(6), { out: gone }), TypeError, message("out"));
    expectError(() => core.softmax({ data: gone, shape: [2, 3] }), TypeError, message("x"));
    expectError(() => core.softmax({ data: gone, shape: [6], offset: 0 }), TypeError, message("x"));
  });

  it("are refused where their memory shrank", () => {
    const memory: ArrayBuffer = Reflect.construct(ArrayBuffer, [24, { maxByteLength: 24 }]);
    const shrunk = new Float32Array(memory, 0, 6);
    Reflect.apply(Reflect.get(memory, "resize"), memory, [8]);
    const core = createCore({ backend: "js" });
    expectError(() => core.softmax(shrunk), TypeError, message("x"));
    expectError(() => core.softmax({ data: shrunk, shape: [6] }), TypeError, message("x"));
  });
});

describe("createCore", () => {
  it.each([
    ["options.backnd: expected one of backend, crossCheck", TypeError, { backnd: "js" }],
    [
      'backend: expected one of "auto", "wasm-relaxed-simd", "wasm-simd", "js", got "gpu"',
      RangeError,
      { backend: "gpu" },
    ],
    ["crossCheck: expected a boolean, got 1", TypeError, { crossCheck: 1 }],
  ])("%s", (message, kind, options) => {
    expectError(() => createCore(options as object), kind, message);
  });
});
