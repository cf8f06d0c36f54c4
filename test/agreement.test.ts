import { afterAll, describe, expect, test } from "vitest";
import { crossChecked } from "../src/cross-check.js";
import type { Floats } from "../src/floats.js";
import { type Core, CrossCheckError, createCore } from "../src/index.js";
import { scalarBackend } from "../src/scalar.js";
import { availableBackends, describeBackends } from "./backends.js";
import { type ArrayCall, arrayCalls, inPlaceCalls } from "./calls.js";
import { batchOf, everyClassCount, familyNames, longRows, manyRows, type Shape } from "./inputs.js";
import { ignoring } from "./losses.js";
import { sum } from "./oracle.js";
import { expectCloseNumber, expectSameBits, rowLosses } from "./tolerances.js";

/** A number as a message shows it. */
const NUMBER = "(?:NaN|-?Infinity|-?\\d[\\d.e+-]*)";

const LARGE: readonly Shape[] = [...longRows, ...manyRows];

describeBackends("agreement", (core, backend) => {
  const checked = createCore({ backend, crossCheck: true });
  afterAll(() => checked.dispose());

  test.each(arrayCalls)("the cross-check is quiet over all families and changes no bit: $name", (call: ArrayCall) => {
    for (const family of familyNames) {
      for (const shape of everyClassCount) {
        const batch = batchOf(family, shape);
        const got = call.run(checked, call.input(batch), batch);
        expectSameBits(`${call.name} ${batch.name}`, got, call.run(core, call.input(batch), batch));
      }
    }
  });

  test("the cross-check is quiet for large shapes", () => {
    for (const shape of LARGE) {
      const { logits, targets } = batchOf("peaked", shape);
      expect(checked.crossEntropyWithGrad(logits, targets).loss).toBe(core.crossEntropyWithGrad(logits, targets).loss);
    }
  });

  test.each(inPlaceCalls)("the cross-check sees the input before it is overwritten: $name", (call: ArrayCall) => {
    const batch = batchOf("normal", { rows: 7, classes: 67 });
    const own = call.input(batch).slice();
    expectSameBits(call.name, call.run(checked, own, batch, own), call.run(core, call.input(batch), batch));
  });

  test("the cross-check is quiet where results are NaN, infinite or ignored", () => {
    const logits = new Float32Array([
      1,
      Number.NaN,
      2,
      -Infinity,
      -Infinity,
      -Infinity,
      0,
      Infinity,
      1,
      1,
      -Infinity,
      2,
    ]);
    const options = { shape: [4, 3] };
    for (const targets of [
      [0, 0, 0, 1],
      [-100, -100, -100, -100],
    ]) {
      for (const reduction of ["mean", "sum", "none"] as const) {
        expect(checked.crossEntropyWithGrad(logits, targets, { reduction })).toEqual(
          core.crossEntropyWithGrad(logits, targets, { reduction }),
        );
      }
    }
    expect(checked.logSoftmax(logits, options)).toEqual(core.logSoftmax(logits, options));
    expect(checked.softmax(logits, options)).toEqual(core.softmax(logits, options));
    expect(checked.logSumExp(logits, options)).toEqual(core.logSumExp(logits, options));
  });

  test.each(familyNames)("mean and sum are those of the rows' own losses, %s", (family) => {
    for (const shape of [...everyClassCount, { rows: 20011, classes: 10 }]) {
      const batch = ignoring(batchOf(family, shape), -100);
      const { logits, targets, name } = batch;
      const rows = core.crossEntropy(logits, targets, { reduction: "none" });
      const kept = targets.filter((target) => target !== -100).length;
      const tolerance = rowLosses(logits.length);
      expectCloseNumber(`sum ${name}`, core.crossEntropy(logits, targets, { reduction: "sum" }), sum(rows), tolerance);
      expectCloseNumber(`mean ${name}`, core.crossEntropy(logits, targets), sum(rows) / kept, tolerance);
    }
  });

  test.each(familyNames)("the loss beside a gradient is the loss alone, %s", (family) => {
    for (const shape of everyClassCount) {
      const { logits, targets, name } = batchOf(family, shape);
      const alone = core.crossEntropy(logits, targets);
      const { loss } = core.crossEntropyWithGrad(logits, targets);
      expectCloseNumber(name, loss, alone, rowLosses(logits.length));
    }
  });
});

describe.each(availableBackends.filter((backend) => backend !== "js"))("the cross-check of %s", (backend) => {
  const { logits, targets, shape } = batchOf("normal", { rows: 7, classes: 19 });
  const logProbs = createCore({ backend: "js" }).logSoftmax(logits, { shape });

  const calls: Record<string, (core: Core) => unknown> = {
    logSumExp: (core) => core.logSumExp(logits, { shape }),
    logSoftmax: (core) => core.logSoftmax(logits, { shape }),
    softmax: (core) => core.softmax(logits, { shape }),
    logSoftmaxGrad: (core) => core.logSoftmaxGrad(logits, logProbs, { shape }),
    crossEntropy: (core) => core.crossEntropy(logits, targets),
    crossEntropyWithGrad: (core) => core.crossEntropyWithGrad(logits, targets),
  };

  test.each(Object.entries(calls))("finds a fault in %s, and names function, index and both values", (name, call) => {
    const core = createCore({ backend, crossCheck: true });
    expect(() => call(core)).not.toThrow();
    // The kernels' constants lie in their memory, which a tensor lets us reach: those of ordinary size become wrong.
    const memory = new Float32Array(core.tensor([1]).data.buffer);
    memory.forEach((value, i) => {
      if (value > 0.1 && value < 200) memory[i] = value * (i % 2 === 0 ? 1.01 : 0.98);
    });
    expect(() => call(core)).toThrow(CrossCheckError);
    expect(() => call(core)).toThrow(new RegExp(`${name}\\W+\\d+\\W.*\\s${NUMBER}.*\\s${NUMBER}`));
    core.dispose();
  });
});

describe("a cross-check of a backend that errs", () => {
  const js = scalarBackend();
  const plain = { weight: undefined, labelSmoothing: 0, zLoss: 0, softcap: undefined };
  const floats = (data: Float32Array): Floats => ({ kind: "float32", data });
  const layout = { outer: 1, classes: 3, inner: 1 };
  const logits = Float32Array.of(1, 1, -Infinity);

  test("finds a finite value where an infinite one belongs", () => {
    const wrong = crossChecked({ ...js, logSoftmax: (x, out) => out.set(x.data) }, js);
    expect(() => wrong.logSoftmax(floats(logits), new Float32Array(3), layout)).toThrow(CrossCheckError);
    const finite = crossChecked({ ...js, crossEntropy: () => 5 }, js);
    const targets = { data: Int32Array.of(2), step: 1, ignoreIndex: -100 };
    expect(() => finite.crossEntropy(floats(logits), targets, plain, undefined, layout)).toThrow(
      new CrossCheckError("crossEntropy", 0, 5, Number.POSITIVE_INFINITY),
    );
  });

  test("names the row whose loss is wrong", () => {
    const wrong = crossChecked(
      {
        ...js,
        crossEntropy(x, targets, terms, losses, rows) {
          const total = js.crossEntropy(x, targets, terms, losses, rows);
          if (losses) losses[1] = 7;
          return total + 1;
        },
      },
      js,
    );
    const targets = { data: Int32Array.of(0, 0), step: 1, ignoreIndex: -100 };
    const rows = { outer: 2, classes: 3, inner: 1 };
    expect(() => wrong.crossEntropy(floats(new Float32Array(6)), targets, plain, new Float32Array(2), rows)).toThrow(
      /^crossEntropy\[1\]: /,
    );
  });
});
