/** Tensors as other libraries make them: read where they lie, or refused with what to pass instead. */

import * as tf from "@tensorflow/tfjs-core";
import ndarray from "ndarray";
import { Tensor } from "onnxruntime-common";
import { describe, expect, it } from "vitest";
import { type ClassTargets, type Core, createCore, type FloatArrayLike } from "../src/index.js";
import { describeBackends } from "./backends.js";

/** Two images of two pixels in three channels, which are the classes. */
const SHAPE = [2, 3, 2];
const ROWS = [2, 2];
const AXIS = 1;

const x = Float32Array.of(2, 0, -1, 0.5, 0, 3, -0.25, 8, 2 ** -14, 0, 1, -7);
const gradOutput = Float32Array.of(1, 0, -2, 0.5, 0, 0.25, 4, 1, -1, 0, 3, 2);
const rowGradOutput = Float32Array.of(1, -2, 0.5, 3);
const classes = [0, 2, 1, -100];

/** How one library holds an array. */
interface Form {
  readonly floats: (values: Float32Array, shape: readonly number[]) => FloatArrayLike;
  readonly classes: (values: readonly number[], shape: readonly number[]) => ClassTargets;
}

const bare: Form = { floats: (values) => values.slice(), classes: (values) => Int32Array.from(values) };

const argumentsIn = (form: Form) => ({
  x: form.floats(x, SHAPE),
  gradOutput: form.floats(gradOutput, SHAPE),
  rowGradOutput: form.floats(rowGradOutput, ROWS),
  targets: form.classes(classes, ROWS),
});

interface Layout {
  readonly axis: number;
  readonly shape?: readonly number[];
}

/** Every function, with all of its arrays in one form. */
const calls: Readonly<Record<string, (core: Core, given: ReturnType<typeof argumentsIn>, layout: Layout) => unknown>> =
  {
    logSoftmax: (core, given, layout) => core.logSoftmax(given.x, layout),
    softmax: (core, given, layout) => core.softmax(given.x, layout),
    logSumExp: (core, given, layout) => core.logSumExp(given.x, layout),
    logSoftmaxGrad: (core, given, layout) => core.logSoftmaxGrad(given.gradOutput, given.x, layout),
    softmaxGrad: (core, given, layout) => core.softmaxGrad(given.gradOutput, given.x, layout),
    crossEntropy: (core, given, layout) => core.crossEntropy(given.x, given.targets, layout),
    "crossEntropy by none": (core, given, layout) =>
      core.crossEntropy(given.x, given.targets, { ...layout, reduction: "none" }),
    crossEntropyWithGrad: (core, given, layout) => core.crossEntropyWithGrad(given.x, given.targets, layout),
    "crossEntropyWithGrad by none": (core, given, layout) =>
      core.crossEntropyWithGrad(given.x, given.targets, {
        ...layout,
        reduction: "none",
        gradOutput: given.rowGradOutput,
      }),
  };

/** A window into a larger ndarray, beyond which lies what would spoil a result. */
function window<T extends Float32Array | Int32Array>(data: T, values: ArrayLike<number>, shape: readonly number[]) {
  const [first = 0, ...rest] = shape;
  data.fill(99);
  data.set(values, values.length / first);
  return ndarray(data, [first + 2, ...rest])
    .lo(1)
    .hi(first);
}

const forms: Readonly<Record<string, Form>> = {
  "onnxruntime-common, targets of int64": {
    floats: (values, shape) => new Tensor("float32", values.slice(), shape),
    classes: (values, shape) => new Tensor("int64", BigInt64Array.from(values, BigInt), shape),
  },
  "onnxruntime-common, targets of int32": {
    floats: (values, shape) => new Tensor(values.slice(), shape),
    classes: (values, shape) => new Tensor(Int32Array.from(values), shape),
  },
  ndarray: {
    floats: (values, shape) => ndarray(values.slice(), [...shape]),
    classes: (values, shape) => ndarray(Int16Array.from(values), [...shape]),
  },
  "ndarray's windows": {
    floats: (values, shape) => window(new Float32Array(2 * values.length), values, shape),
    classes: (values, shape) => window(new Int32Array(2 * values.length), values, shape),
  },
};

describeBackends("tensors", (core) => {
  describe.each(Object.entries(forms))("of %s", (_, form) => {
    it.each(Object.entries(calls))("are to %s what their arrays are", (_, call) => {
      const expected = call(core, argumentsIn(bare), { axis: AXIS, shape: SHAPE });
      expect(call(core, argumentsIn(form), { axis: AXIS })).toEqual(expected);
    });

    it("take a result, and in place", () => {
      const expected = core.softmax(x, { axis: AXIS, shape: SHAPE });
      const out = form.floats(new Float32Array(x.length), SHAPE);
      const result = core.softmax(form.floats(x, SHAPE), { axis: AXIS, out });
      expect(result).toEqual(expected);
      expect(core.logSumExp(out, { axis: AXIS })).toEqual(core.logSumExp(expected, { axis: AXIS, shape: SHAPE }));
      const inPlace = form.floats(x, SHAPE);
      expect(core.softmax(inPlace, { axis: AXIS, out: inPlace })).toEqual(expected);
    });
  });
});

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
