/** The kinds of arguments that come from elsewhere: tensors of other libraries, arrays of other realms. */

import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { describeBackends } from "./backends.js";

const values = Float32Array.of(2, 0, -1, 0, 3, 0);

/** As transformers.js has it: accessors, and a method of the name that an ndarray has for an array. */
class MethodTensor {
  get dims(): number[] {
    return [2, 3];
  }
  get data(): Float32Array {
    return values;
  }
  stride(): number[] {
    return [3, 1];
  }
}

describeBackends("arguments", (core) => {
  const loss = core.crossEntropy(values, [0, 1]);

  test("may be tensors with accessors and a stride method", () => {
    expect(core.crossEntropy(new MethodTensor(), [0, 1])).toBe(loss);
  });

  test("may be ONNX Runtime's tensors, targets of int64 included", () => {
    const logits = { type: "float32", data: values, dims: [2, 3], size: 6 };
    const targets = { type: "int64", data: BigInt64Array.of(0n, 1n), dims: [2], size: 2 };
    expect(core.crossEntropy(logits, targets)).toBe(loss);
  });

  test("may be ndarrays, which are windows with strides", () => {
    const data = new Float32Array(8);
    data.set(values, 2);
    const ndarray = { data, shape: [2, 3], stride: [3, 1], offset: 2 };
    expect(core.crossEntropy(ndarray, [0, 1])).toBe(loss);
  });

  test("may come from another realm", () => {
    const foreign: Float32Array = runInNewContext("Float32Array.of(2, 0, -1, 0, 3, 0)");
    const targets: BigInt64Array = runInNewContext("BigInt64Array.of(0n, 1n)");
    expect(foreign).not.toBeInstanceOf(Float32Array);
    expect(core.crossEntropy(foreign, targets)).toBe(loss);
    expect(core.crossEntropy({ data: foreign, shape: [2, 3] }, [0, 1])).toBe(loss);
  });

  test.each(["Float32Array", "Float64Array", "Float16Array"])("are soft targets as a %s, of any realm", (kind) => {
    const code = `typeof ${kind} === "function" ? ${kind}.of(1, 0, 0, 0, 1, 0) : Float64Array.of(1, 0, 0, 0, 1, 0)`;
    const targets: Float32Array = runInNewContext(code);
    expect(core.crossEntropy(values, targets, { shape: [2, 3] })).toBeCloseTo(loss, 6);
  });

  test("that share a tensor's shape need it once for a gradient", () => {
    const logProbs = core.logSoftmax({ data: values, shape: [2, 3] });
    const gradOutput = { data: Float32Array.of(1, 0, 0, 0, 1, 0), shape: [2, 3] };
    expect(core.logSoftmaxGrad(gradOutput, logProbs)).toEqual(
      core.logSoftmaxGrad(gradOutput, { data: logProbs, shape: [2, 3] }),
    );
  });

  test("give log-probabilities that are never above 0", () => {
    for (let lead = 0; lead < 200; lead += 0.37) {
      for (const classes of [1, 2, 20, 300]) {
        const x = new Float32Array(classes).fill(-1.5);
        x[classes - 1] = lead - 1.5;
        expect(Math.max(...core.logSoftmax(x))).toBeLessThanOrEqual(0);
      }
    }
  });
});
