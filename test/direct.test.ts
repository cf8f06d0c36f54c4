/**
 * Plain calls of few values go a way of their own: to the same bits as the way of all others, which any option of the loss
 * leads to, and whatever is not plain about a call it is taken as there.
 */

import { describe, expect, it, vi } from "vitest";
import { type Core, createCore, type Tensor } from "../src/index.js";
import { availableBackends, describeBackends } from "./backends.js";
import { below, mulberry32, normal } from "./inputs.js";
import { expectSameBits } from "./tolerances.js";

/** One value and few, loops' ends, as many targets as the kernels look at, and the last of a block and one more. */
const SHAPES = [
  [1, 1],
  [1, 10],
  [3, 7],
  [2, 31],
  [31, 1],
  [32, 10],
  [63, 5],
  [64, 5],
  [8192, 4],
  [8193, 4],
  [1, 32_768],
  [1, 32_769],
  [32, 1024],
] as const;

/** On the way of all others. */
const MEAN = { reduction: "mean" } as const;

describeBackends("a plain call", (core) => {
  it.each(SHAPES)("comes to the same as any other, %i × %i", (rows, classes) => {
    const random = mulberry32(rows * classes);
    const logits = Float32Array.from({ length: rows * classes }, () => 4 * normal(random));
    const targets = Int32Array.from({ length: rows }, () => below(random, classes));
    const expected = core.crossEntropyWithGrad(logits, targets, MEAN);

    const given = new Float32Array(logits.length);
    const inPlace = logits.slice();
    const x = tensorOf(core, rows, classes, logits);
    const apart = core.tensor([rows, classes]);
    for (const { loss, grad } of [
      core.crossEntropyWithGrad(logits, targets),
      core.crossEntropyWithGrad(logits, targets, { out: given }),
      core.crossEntropyWithGrad(inPlace, targets, { out: inPlace }),
      core.crossEntropyWithGrad(x, targets),
      core.crossEntropyWithGrad(x, targets, { out: apart }),
      core.crossEntropyWithGrad(logits, targets, { out: apart }),
      core.crossEntropyWithGrad(x, targets, { out: given }),
      core.crossEntropyWithGrad(x, targets, { out: x }),
    ]) {
      expect(loss).toBe(expected.loss);
      expectSameBits(`${rows} × ${classes}`, grad, expected.grad);
    }
    x.data.set(logits);
    expect(core.crossEntropy(logits, targets)).toBe(core.crossEntropy(logits, targets, MEAN));
    expect(core.crossEntropy(x, targets)).toBe(core.crossEntropy(logits, targets, MEAN));
    x.dispose();
    apart.dispose();
  });

  it.each(SHAPES)("of a softmax does as well, %i × %i", (rows, classes) => {
    const random = mulberry32(rows + classes);
    const shape = [rows, classes];
    const logits = Float32Array.from({ length: rows * classes }, () => 4 * normal(random));
    const x = tensorOf(core, rows, classes, logits);
    const apart = core.tensor(shape);
    for (const f of [core.softmax, core.logSoftmax]) {
      const expected = f(logits, { shape, axis: 1 });
      const inPlace = logits.slice();
      for (const result of [
        f(logits, { shape }),
        f(logits, { shape, out: new Float32Array(logits.length) }),
        f(logits, { shape, out: apart }),
        f(inPlace, { shape, out: inPlace }),
        f(x),
        f(x, { out: apart }),
        f(x, { out: x }),
      ]) {
        expectSameBits(`${rows} × ${classes}`, result, expected);
      }
      x.data.set(logits);
      expectSameBits("one row", f(logits), f(logits, { shape: [1, logits.length], axis: 1 }));
    }
    x.dispose();
    apart.dispose();
  });

  it.each(SHAPES)("of log-sum-exp does as well, %i × %i", (rows, classes) => {
    const random = mulberry32(rows - classes);
    const shape = [rows, classes];
    const logits = Float32Array.from({ length: rows * classes }, () => 4 * normal(random));
    const x = tensorOf(core, rows, classes, logits);
    const apart = core.tensor([rows]);
    const expected = core.logSumExp(logits, { shape, axis: 1 });
    for (const result of [
      core.logSumExp(logits, { shape }),
      core.logSumExp(logits, { shape, out: new Float32Array(rows) }),
      core.logSumExp(logits, { shape, out: apart }),
      core.logSumExp(x),
      core.logSumExp(x, { out: apart }),
    ]) {
      expectSameBits(`${rows} × ${classes}`, result, expected);
    }
    expectSameBits("one row", core.logSumExp(logits), core.logSumExp(logits, { shape: [1, logits.length], axis: 1 }));
    x.dispose();
    apart.dispose();
  });

  it("of log-sum-exp may have a row's only logit for its place, and no part of more", () => {
    const single = Float32Array.of(1, 2, 3);
    expect(core.logSumExp(single, { shape: [3, 1], out: single })).toBe(single);
    expect(single.every((lse, i) => Math.abs(lse - (i + 1)) <= 2 ** -21)).toBe(true);
    const x = Float32Array.of(1, 2, 3, 4);
    for (const part of [x.subarray(0, 2), x.subarray(2)]) {
      expect(() => core.logSumExp(x, { shape: [2, 2], out: part })).toThrow("memory apart");
    }
    expect(x).toEqual(Float32Array.of(1, 2, 3, 4));
  });

  it.each([[[2, 4]], [[0.5, 12]], [[-2, -3]], [[2, "3"]], [[0, 6]], ["23"], [null]])(
    "of a softmax is refused as any other with the shape %o",
    (shape) => {
      const x = Float32Array.of(1, 2, 3, 4, 5, 6);
      const refusalOf = (options: object): unknown => {
        try {
          return core.softmax(x, options);
        } catch (error) {
          return String(error);
        }
      };
      const refusal = refusalOf({ shape, axis: 1 });
      expect(refusal).toMatch(/^(Type|Range)Error: /);
      expect(refusalOf({ shape })).toBe(refusal);
    },
  );

  it.each([
    ["a row is ignored", Int32Array.of(-100, 1)],
    ["all rows are", Int32Array.of(-100, -100)],
    ["targets are bytes", Uint8Array.of(2, 1)],
  ])("is one of the others where %s", (_, targets) => {
    const logits = Float32Array.of(1, 2, 3, 4, 5, 6);
    const { loss, grad } = core.crossEntropyWithGrad(logits, targets);
    const expected = core.crossEntropyWithGrad(logits, targets, MEAN);
    expect(loss).toBe(expected.loss);
    expect(core.crossEntropy(logits, targets)).toBe(expected.loss);
    expect(grad).toEqual(expected.grad);
  });

  it("takes a tensor as it lies", () => {
    const x = tensorOf(core, 2, 3, Float32Array.of(1, 2, 3, 4, 5, 6));
    expect(() => core.crossEntropy(x, Int32Array.of(0, 1, 1))).toThrow("targets: expected 2 values");
    expect(core.crossEntropy(x, Int32Array.of(0, 1))).toBe(core.crossEntropy(x.data, Int32Array.of(0, 1)));
    x.dispose();
  });

  it.each([
    ["targets[1]: expected a class in [0, 3) or ignoreIndex -100, got 3", Int32Array.of(0, 3), undefined],
    ["targets[0]: expected a class in [0, 3) or ignoreIndex -100, got -1", Int32Array.of(-1, 0), undefined],
    ["logits: expected a multiple of 4 values", new Int32Array(4), undefined],
    ["out: expected 6 values, got 5", Int32Array.of(0, 1), { out: new Float32Array(5) }],
    ["options: expected an object, got null", Int32Array.of(0, 1), null],
  ])("is refused as any other: %s", (message, targets, options) => {
    const logits = Float32Array.of(1, 2, 3, 4, 5, 6);
    expect(() => core.crossEntropyWithGrad(logits, targets, options as undefined)).toThrow(message);
  });

  it("reads options that an object has of its class", () => {
    const logits = Float32Array.of(1, 2, 3, 4, 5, 6);
    const alongColumns = new (class {
      get shape(): number[] {
        return [2, 3];
      }
      get axis(): number {
        return 0;
      }
    })();
    expect(core.softmax(logits, alongColumns)).toEqual(core.softmax(logits, { shape: [2, 3], axis: 0 }));
    const ofEachRow = new (class {
      get reduction(): "none" {
        return "none";
      }
    })();
    expect(core.crossEntropyWithGrad(logits, Int32Array.of(0, 1), ofEachRow).loss).toHaveLength(2);
  });

  it("writes nothing where targets are in the way, or are no classes", () => {
    const memory = new ArrayBuffer(64);
    const out = new Float32Array(memory, 0, 6);
    const logits = new Float32Array(6);
    expect(() => core.crossEntropyWithGrad(logits, new Int32Array(memory, 0, 2), { out })).toThrow("memory apart");
    expect(() => core.crossEntropyWithGrad(logits, new Int32Array(memory, 20, 2), { out })).toThrow("memory apart");
    expect(() => core.crossEntropyWithGrad(new Float32Array(memory, 4, 6), Int32Array.of(0, 1), { out })).toThrow();
    expect(() => core.crossEntropyWithGrad(logits, Int32Array.of(0, 9), { out })).toThrow("targets[1]");
    expect(out).toEqual(new Float32Array(6));
  });
});

describe.each(availableBackends)("a core that checks %s", (backend) => {
  it("checks plain calls too", () => {
    const core = createCore({ backend, crossCheck: true });
    const exp = vi.spyOn(Math, "exp");
    core.crossEntropy(Float32Array.of(1, 2), Int32Array.of(0));
    expect(exp).toHaveBeenCalled();
    exp.mockRestore();
    core.dispose();
  });
});

function tensorOf(core: Core, rows: number, classes: number, values: Float32Array): Tensor {
  const tensor = core.tensor([rows, classes]);
  tensor.data.set(values);
  return tensor;
}
