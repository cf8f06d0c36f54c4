import { expect, test } from "vitest";
import { describeBackends } from "./backends.js";
import { batchOf, everyClassCount, everyRowCount, familyNames, gradientsOf, largeCases } from "./inputs.js";
import { checkLossAndGrad, ignoring, wantedSum } from "./losses.js";

const REDUCTIONS = ["mean", "sum", "none"] as const;

describeBackends("crossEntropyWithGrad", (core) => {
  test.each(familyNames)("is exact within tolerance for every class count, %s", (family) => {
    for (const shape of everyClassCount) checkLossAndGrad(core, batchOf(family, shape), { reduction: "none" });
  });

  test("is exact within tolerance for small and odd class counts in every number of rows", () => {
    for (const shape of everyRowCount) checkLossAndGrad(core, batchOf("normal", shape));
  });

  test.each(largeCases)("is exact within tolerance for long rows and many, $family", ({ family, shapes }) => {
    for (const shape of shapes) {
      const batch = batchOf(family, shape);
      checkLossAndGrad(core, batch, { reduction: "sum" }, wantedSum(batch));
    }
  });

  test("finds the target wherever it stands in a long row", () => {
    const batch = batchOf("peaked", { rows: 1, classes: 300001 });
    for (const target of [0, 2 ** 16 - 1, 2 ** 16, 2 ** 18 - 1, 2 ** 18, 300000]) {
      checkLossAndGrad(core, { ...batch, targets: Int32Array.of(target) });
    }
  });

  test.each(REDUCTIONS)("reduces by %s", (reduction) => {
    for (const classes of [1, 2, 7, 64, 1000]) {
      for (const rows of [1, 2, 13]) checkLossAndGrad(core, batchOf("normal", { rows, classes }), { reduction });
    }
  });

  test.each(REDUCTIONS)("leaves out the rows of ignoreIndex, reducing by %s", (reduction) => {
    const batch = batchOf("normal", { rows: 16, classes: 9 });
    checkLossAndGrad(core, ignoring(batch, -100), { reduction });
    for (const ignoreIndex of [-1, 0, 3, 8, 9, 255, 2 ** 31 - 1, -(2 ** 31)]) {
      checkLossAndGrad(core, ignoring(batch, ignoreIndex), { reduction, ignoreIndex });
    }
  });

  test.each(REDUCTIONS)("multiplies the gradient, and not the loss, by gradOutput, reducing by %s", (reduction) => {
    const batch = ignoring(batchOf("normal", { rows: 16, classes: 9 }), -100);
    for (const gradOutput of [1, 0, -2.5, 65536, 1e-6]) checkLossAndGrad(core, batch, { reduction, gradOutput });
  });

  test("multiplies each row's gradient by its own gradOutput", () => {
    for (const classes of [1, 5, 64, 4099]) {
      const batch = ignoring(batchOf("normal", { rows: 13, classes }), -100);
      const gradOutput = gradientsOf({ rows: 13, classes: 1 });
      checkLossAndGrad(core, batch, { reduction: "none", gradOutput });
    }
    const many = { rows: 20011, classes: 10 };
    checkLossAndGrad(core, batchOf("normal", many), {
      reduction: "none",
      gradOutput: gradientsOf({ rows: many.rows, classes: 1 }),
    });
  });

  test("takes a row's gradOutput from plain numbers and from a tensor too", () => {
    const { logits, targets } = batchOf("normal", { rows: 6, classes: 5 });
    const gradOutput = gradientsOf({ rows: 6, classes: 1 });
    const want = core.crossEntropyWithGrad(logits, targets, { reduction: "none", gradOutput });
    for (const given of [Array.from(gradOutput), { data: gradOutput, shape: [6] }]) {
      expect(core.crossEntropyWithGrad(logits, targets, { reduction: "none", gradOutput: given })).toEqual(want);
    }
  });

  test("divides loss and gradient of a mean by the normalizer in place of the rows kept", () => {
    const batch = ignoring(batchOf("normal", { rows: 16, classes: 9 }), -100);
    for (const normalizer of [1, 16, 1000, 0.125]) {
      checkLossAndGrad(core, batch, { normalizer });
      checkLossAndGrad(core, batch, { normalizer, gradOutput: 3 });
    }
  });

  test("lays the gradient out like the logits", () => {
    const { logits, targets } = batchOf("normal", { rows: 24, classes: 5 });
    const want = core.crossEntropyWithGrad(logits, targets);
    expect(want.grad.length).toBe(120);
    expect(core.crossEntropyWithGrad(logits, targets, { shape: [2, 3, 4, 5] })).toEqual(want);
    expect(core.crossEntropyWithGrad({ data: logits, dims: [4, 6, 5] }, { data: targets, shape: [4, 6] })).toEqual(
      want,
    );
    expect(core.crossEntropyWithGrad(logits, BigInt64Array.from(Array.from(targets, BigInt)))).toEqual(want);
  });
});
