/** Tensors as other libraries make them: read where they lie, or refused with what to pass instead. */

import * as tf from "@tensorflow/tfjs-core";
import ndarray from "ndarray";
import { Tensor } from "onnxruntime-common";
import { describe, expect, it } from "vitest";
import {
  type ClassTargets,
  type Core,
  createCore,
  type FloatArray,
  type FloatArrayLike,
  type HalfArray,
} from "../src/index.js";
import { describeBackends } from "./backends.js";

/** Two images of two pixels in three channels, which are the classes. All numbers below are exact in every width. */
const SHAPE = [2, 3, 2];
const ROWS = [2, 2];
const AXIS = 1;

const x = Float32Array.of(2, 0, -1, 0.5, 0, 3, -0.25, 8, 2 ** -14, 0, 1, -7);
const gradOutput = Float32Array.of(1, 0, -2, 0.5, 0, 0.25, 4, 1, -1, 0, 3, 2);
const rowGradOutput = Float32Array.of(1, -2, 0.5, 3);
const classWeight = Float32Array.of(1, 0.5, 3);
const elementWeight = Float32Array.of(0.5, 2);
const probs = Float32Array.of(0.5, 0.25, 1, 0, 0.125, 0.75, 0.5, 0.5, 0, 1, 0.25, 0.25);
const soft = probs.map((p) => 1 - p);
const classes = [0, 2, 1, -100];

/** How one library holds an array, and the array without it. */
interface Form {
  readonly floats: (values: Float32Array, shape: readonly number[]) => FloatArrayLike;
  readonly bare: (values: Float32Array, shape: readonly number[]) => FloatArrayLike;
  readonly classes: (values: readonly number[], shape: readonly number[]) => ClassTargets;
}

const argumentsIn = ({ floats, classes: integers }: Omit<Form, "bare">) => ({
  x: floats(x, SHAPE),
  gradOutput: floats(gradOutput, SHAPE),
  rowGradOutput: floats(rowGradOutput, ROWS),
  classWeight: floats(classWeight, [3]),
  elementWeight: floats(elementWeight, [2]),
  probs: floats(probs, SHAPE),
  soft: floats(soft, SHAPE),
  targets: integers(classes, ROWS),
});

type Call = (core: Core, given: ReturnType<typeof argumentsIn>, options: object) => unknown;

/** The functions of rows of classes, with all of their arrays in one form. */
const rowCalls: Readonly<Record<string, Call>> = {
  logSoftmax: (core, given, options) => core.logSoftmax(given.x, options),
  softmax: (core, given, options) => core.softmax(given.x, options),
  logSumExp: (core, given, options) => core.logSumExp(given.x, options),
  logSoftmaxGrad: (core, given, options) => core.logSoftmaxGrad(given.gradOutput, given.x, options),
  softmaxGrad: (core, given, options) => core.softmaxGrad(given.gradOutput, given.x, options),
  crossEntropy: (core, given, options) => core.crossEntropy(given.x, given.targets, options),
  "crossEntropy by none": (core, given, options) =>
    core.crossEntropy(given.x, given.targets, { ...options, reduction: "none" }),
  "crossEntropy with soft targets and weight": (core, given, options) =>
    core.crossEntropy(given.x, given.soft, { ...options, weight: given.classWeight }),
  crossEntropyWithGrad: (core, given, options) => core.crossEntropyWithGrad(given.x, given.targets, options),
  "crossEntropyWithGrad by none": (core, given, options) =>
    core.crossEntropyWithGrad(given.x, given.targets, {
      ...options,
      reduction: "none",
      gradOutput: given.rowGradOutput,
    }),
  "crossEntropyWithGrad with soft targets": (core, given, options) =>
    core.crossEntropyWithGrad(given.x, given.soft, options),
  nllLoss: (core, given, options) => core.nllLoss(given.x, given.targets, { ...options, weight: given.classWeight }),
  nllLossWithGrad: (core, given, options) => core.nllLossWithGrad(given.x, given.targets, options),
};

/** Those of single elements. */
const elementCalls: Readonly<Record<string, Call>> = {
  binaryCrossEntropy: (core, given, options) =>
    core.binaryCrossEntropy(given.probs, given.soft, { ...options, weight: given.elementWeight }),
  binaryCrossEntropyWithGrad: (core, given, options) =>
    core.binaryCrossEntropyWithGrad(given.probs, given.soft, options),
  binaryCrossEntropyWithLogits: (core, given, options) =>
    core.binaryCrossEntropyWithLogits(given.x, given.soft, { ...options, posWeight: given.elementWeight }),
  binaryCrossEntropyWithLogitsWithGrad: (core, given, options) =>
    core.binaryCrossEntropyWithLogitsWithGrad(given.x, given.soft, {
      ...options,
      reduction: "none",
      gradOutput: given.gradOutput,
    }),
  klDivergence: (core, given, options) => core.klDivergence(given.x, given.probs, options),
  klDivergenceWithGrad: (core, given, options) =>
    core.klDivergenceWithGrad(given.x, given.probs, { ...options, reduction: "none" }),
};

const calls: readonly [name: string, call: Call, options: object][] = [
  ...Object.entries(rowCalls).map(([name, call]): [string, Call, object] => [name, call, { axis: AXIS }]),
  ...Object.entries(elementCalls).map(([name, call]): [string, Call, object] => [name, call, {}]),
];

/** The constructor of float16 arrays, which not every engine has. */
const Float16: ((values: Iterable<number>) => HalfArray) | undefined =
  "Float16Array" in globalThis
    ? (values) => Reflect.construct(Reflect.get(globalThis, "Float16Array"), [values])
    : undefined;

/** The bits of float16 for numbers that are 0 or normal, and of no more than its eleven digits. */
function halfBits(values: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(values, (value) => {
    if (value === 0) return 0;
    const exponent = Math.floor(Math.log2(Math.abs(value)));
    return (value < 0 ? 0x8000 : 0) + ((exponent + 15) << 10) + (Math.abs(value) / 2 ** exponent - 1) * 1024;
  });
}

/** The upper halves of float32. */
function bfloat16Bits(values: Float32Array): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(new Uint32Array(values.slice().buffer), (bits) => bits >>> 16);
}

/** A window into a larger ndarray, beyond which lies what would spoil a result. */
function window<T extends Float32Array | Int32Array>(data: T, values: ArrayLike<number>, shape: readonly number[]) {
  const [first = 0, ...rest] = shape;
  data.fill(99);
  data.set(values, values.length / first);
  return ndarray(data, [first + 2, ...rest])
    .lo(1)
    .hi(first);
}

/** As many values as a window needs. */
const around = (values: ArrayLike<number>, [first = 0]: readonly number[]): number =>
  (values.length / first) * (first + 2);

const float32 = (values: Float32Array): FloatArray => values.slice();
const float64 = (values: Float32Array): FloatArray => Float64Array.from(values);
const float16 = (values: Float32Array, shape: readonly number[]): FloatArrayLike =>
  Float16?.(values) ?? { data: halfBits(values), shape, dtype: "float16" };

const int64: Form["classes"] = (values, shape) => new Tensor("int64", BigInt64Array.from(values, BigInt), shape);

const forms: Readonly<Record<string, Form>> = {
  "onnxruntime-common, targets of int64": {
    bare: float32,
    floats: (values, shape) => new Tensor("float32", values.slice(), shape),
    classes: int64,
  },
  "onnxruntime-common, targets of int32": {
    bare: float32,
    floats: (values, shape) => new Tensor(values.slice(), shape),
    classes: (values, shape) => new Tensor(Int32Array.from(values), shape),
  },
  "onnxruntime-common of float16": {
    bare: float16,
    floats: (values, shape) => new Tensor("float16", halfBits(values), shape),
    classes: int64,
  },
  "onnxruntime-common of float64": {
    bare: float64,
    floats: (values, shape) => new Tensor("float64", Float64Array.from(values), shape),
    classes: int64,
  },
  ndarray: {
    bare: float32,
    floats: (values, shape) => ndarray(values.slice(), [...shape]),
    classes: (values, shape) => ndarray(Int16Array.from(values), [...shape]),
  },
  "ndarray's windows": {
    bare: float32,
    floats: (values, shape) => window(new Float32Array(around(values, shape)), values, shape),
    classes: (values, shape) => window(new Int32Array(around(values, shape)), values, shape),
  },
  "ndarray of float64": {
    bare: float64,
    floats: (values, shape) => ndarray(Float64Array.from(values), [...shape]),
    classes: (values, shape) => ndarray(BigInt64Array.from(values, BigInt), [...shape]),
  },
};

/** Halves, in the ways that they come where no library holds them. */
const halves: Readonly<Record<string, Form["floats"]>> = {
  ...(Float16 && { Float16Array: (values) => Float16(values) }),
  "float16 bits": (values, shape) => ({ data: halfBits(values), shape, dtype: "float16" }),
  "bfloat16 bits": (values, dims) => ({ data: bfloat16Bits(values), dims, type: "bfloat16" }),
};

describeBackends("tensors", (core) => {
  describe.each(Object.entries(forms))("of %s", (_, form) => {
    it.each(calls)("are to %s what their arrays are", (_, call, options) => {
      const bare = { floats: form.bare, classes: (values: readonly number[]) => Int32Array.from(values) };
      const expected = call(core, argumentsIn(bare), { ...options, shape: SHAPE });
      expect(call(core, argumentsIn(form), options)).toEqual(expected);
    });

    it("take a result, and in place", () => {
      const expected = core.softmax(form.bare(x, SHAPE), { axis: AXIS, shape: SHAPE });
      const out = form.floats(new Float32Array(x.length), SHAPE);
      if (form.bare === float16) {
        expect(() => core.softmax(form.floats(x, SHAPE), { axis: AXIS, out })).toThrow(/^out: expected a Float32Array/);
        return;
      }
      expect(core.softmax(form.floats(x, SHAPE), { axis: AXIS, out })).toEqual(expected);
      expect(core.logSumExp(out, { axis: AXIS })).toEqual(core.logSumExp(expected, { axis: AXIS, shape: SHAPE }));
      const inPlace = form.floats(x, SHAPE);
      expect(core.softmax(inPlace, { axis: AXIS, out: inPlace })).toEqual(expected);
    });
  });

  describe.each(Object.entries(halves))("of %s", (_, halvesOf) => {
    const form = { floats: halvesOf, classes: (values: readonly number[]) => Int32Array.from(values) };
    const given = argumentsIn(form);
    const widened = argumentsIn({ ...form, floats: float32 });

    it.each(calls)("give %s what float32 gives", (_, call, options) => {
      const [results, expected] = [
        call(core, given, { ...options, shape: SHAPE }),
        call(core, widened, { ...options, shape: SHAPE }),
      ].map(numbersIn);
      expect(results?.kinds).toEqual(expected?.kinds);
      expect(results?.numbers.length).toBe(expected?.numbers.length);
      results?.numbers.forEach((result, i) => {
        const value = Number(expected?.numbers[i]);
        // Not the same bits: where float32 goes one way through the kernels, what is mixed or narrower may go another.
        expect(Math.abs(result - value), `[${i}]`).toBeLessThanOrEqual(2e-6 * Math.max(1, Math.abs(value)));
      });
    });
  });
});

/** All numbers of a result, and the kinds of the arrays that they are in. */
function numbersIn(result: unknown): { readonly kinds: string[]; readonly numbers: number[] } {
  if (typeof result === "number") return { kinds: ["number"], numbers: [result] };
  if (result instanceof Float32Array || result instanceof Float64Array) {
    return { kinds: [result.constructor.name], numbers: [...result] };
  }
  const parts = Object.values(Object(result)).map(numbersIn);
  return { kinds: parts.flatMap(({ kinds }) => kinds), numbers: parts.flatMap(({ numbers }) => numbers) };
}

/** Holds what it is given: enough to make tensors, where a real backend would be a dependency more. */
class Memory extends tf.KernelBackend {
  readonly #store = new tf.DataStorage<tf.backend_util.BackendValues>(this, tf.engine());

  override numDataIds(): number {
    return this.#store.numDataIds();
  }

  override write(values: tf.backend_util.BackendValues): tf.DataId {
    const id = {};
    this.#store.set(id, values);
    return id;
  }

  override readSync(id: tf.DataId): tf.backend_util.BackendValues {
    return this.#store.get(id);
  }
}

describe("tensors that are refused", () => {
  const core = createCore({ backend: "js" });

  it.each([
    ["transposed", ndarray(x.slice(), [4, 3]).transpose(1, 0), "[1, 3]"],
    ["cut by columns", ndarray(x.slice(), [3, 4]).hi(3, 2), "[4, 1]"],
    ["of every other column", ndarray(x.slice(), [3, 4]).step(1, 2), "[4, 2]"],
    ["backwards", ndarray(x.slice(), [3, 4]).step(1, -1), "[4, -1]"],
    ["of one column", ndarray(x.slice(), [3, 4]).pick(null, 1), "[4]"],
  ])("ndarrays %s", (_, view, strides) => {
    const message = (name: string) =>
      `${name}.stride: expected row-major order; copy the values into it first, got ${strides}`;
    expect(() => core.softmax(view)).toThrow(new RangeError(message("x")));
    expect(() => core.crossEntropy(view, [0, 0, 0])).toThrow(new RangeError(message("logits")));
    expect(() => core.softmax(x, { out: view })).toThrow(new RangeError(message("out")));
  });

  it("ndarrays of numbers in a plain array", () => {
    expect(() => core.softmax(ndarray([1, 2]))).toThrow(new TypeError("x.data: expected a typed array, got [1, 2]"));
  });

  it("TensorFlow.js's, whose data is a function, with what to pass for them", () => {
    tf.registerBackend("memory", () => new Memory());
    const tensor = tf.tensor(x, [4, 3]);
    const advice = "got a tensor whose data is a function; pass { data: tensor.dataSync(), shape }";
    // @ts-expect-error: its type is refused as well
    expect(() => core.softmax(tensor)).toThrow(advice);
    // @ts-expect-error
    expect(() => core.crossEntropy(x, tf.tensor([0, 1, 2, 0], [4], "int32"))).toThrow(advice);
    // @ts-expect-error
    expect(() => core.softmax(x, { out: tensor })).toThrow(advice);
    const read = { data: tensor.dataSync(), shape: tensor.shape };
    expect(core.softmax(read)).toEqual(core.softmax(x, { shape: [4, 3] }));
  });

  it("of 16 bits that do not say what they stand for", () => {
    const message = (name: string, got: string) =>
      `${name}.dtype: expected "float16" or "bfloat16" for what a Uint16Array holds, got ${got}`;
    expect(() => core.softmax(ndarray(Uint16Array.of(1, 2)))).toThrow(new TypeError(message("x", '"uint16"')));
    expect(() => core.softmax(new Tensor("uint16", Uint16Array.of(1, 2)))).toThrow(message("x", '"uint16"'));
    expect(() => core.softmax({ data: Uint16Array.of(1, 2), shape: [2] })).toThrow(message("x", "undefined"));
    expect(core.crossEntropy(x, ndarray(Uint16Array.of(1, 2)))).toBe(core.crossEntropy(x, [1, 2]));
  });

  it("ONNX Runtime's of integers for logits, of strings, and of numbers packed by two", () => {
    expect(() => core.softmax(new Tensor("int32", [1, 2]))).toThrow(/^x: expected .*, got an Int32Array$/);
    expect(() => core.softmax(new Tensor(["1", "2"]))).toThrow(/^x.data: expected a typed array, got \["1", "2"\]$/);
    const packed = new Tensor("uint4", Uint8Array.of(0x10, 0x02), [4]);
    expect(() => core.crossEntropy(x, packed)).toThrow("targets.data: expected 4 values for its shape, got 2");
  });

  it("ONNX Runtime's elsewhere than in memory, with its own advice", () => {
    const buffer = { destroy() {} };
    const onDevice = Tensor.fromGpuBuffer(buffer as Tensor.GpuBufferType, { dataType: "float32", dims: [4, 3] });
    expect(() => core.softmax(onDevice)).toThrow("The data is not on CPU. Use `getData()`");
    const disposed = new Tensor("float32", x, [4, 3]);
    disposed.dispose();
    expect(() => core.softmax(disposed)).toThrow("The tensor is disposed.");
  });
});
