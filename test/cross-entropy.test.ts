import { expect, test } from "vitest";
import { describeBackends } from "./backends.js";
import { batchOf, everyClassCount, everyRowCount, familyNames, largeCases } from "./inputs.js";
import { checkLoss, ignoring, wantedSum } from "./losses.js";

const bigints = (values: ArrayLike<number>): bigint[] => Array.from(values, BigInt);

const TARGET_KINDS = {
  Int8Array: (values: ArrayLike<number>) => Int8Array.from(values),
  Uint8Array: (values: ArrayLike<number>) => Uint8Array.from(values),
  Int16Array: (values: ArrayLike<number>) => Int16Array.from(values),
  Uint16Array: (values: ArrayLike<number>) => Uint16Array.from(values),
  Int32Array: (values: ArrayLike<number>) => Int32Array.from(values),
  Uint32Array: (values: ArrayLike<number>) => Uint32Array.from(values),
  BigInt64Array: (values: ArrayLike<number>) => BigInt64Array.from(bigints(values)),
  BigUint64Array: (values: ArrayLike<number>) => BigUint64Array.from(bigints(values)),
};

describeBackends("crossEntropy", (core) => {
  test.each(familyNames)("is exact within tolerance for every class count, %s", (family) => {
    for (const shape of everyClassCount) {
      const batch = batchOf(family, shape);
      checkLoss(core, batch);
      checkLoss(core, batch, { reduction: "none" });
    }
  });

  test("is exact within tolerance for small and odd class counts in every number of rows", () => {
    for (const shape of everyRowCount) checkLoss(core, batchOf("normal", shape), { reduction: "none" });
  });

  test.each(largeCases)("is exact within tolerance for long rows and many, $family", ({ family, shapes }) => {
    for (const shape of shapes) {
      const batch = batchOf(family, shape);
      checkLoss(core, batch, { reduction: "sum" }, wantedSum(batch));
      checkLoss(core, batch, { reduction: "none" }, wantedSum(batch));
    }
  });

  test("is exact for a single near-certain row, which no other hides in a mean", () => {
    for (const classes of [2, 3, 4, 5, 17, 1000]) {
      const { logits, targets, shape } = batchOf("nearCertain", { rows: 21, classes });
      targets.forEach((target, i) => {
        const row = logits.subarray(i * classes, (i + 1) * classes);
        const name = `nearCertain row ${i} of ${shape}`;
        checkLoss(core, { name, rows: 1, classes, shape: [1, classes], logits: row, targets: Int32Array.of(target) });
      });
    }
  });

  test.each(["mean", "sum", "none"] as const)("reduces by %s", (reduction) => {
    for (const classes of [1, 2, 7, 64, 1000]) {
      for (const rows of [1, 2, 13]) checkLoss(core, batchOf("normal", { rows, classes }), { reduction });
    }
  });

  test.each(["mean", "sum", "none"] as const)("leaves out the rows of ignoreIndex, reducing by %s", (reduction) => {
    const batch = batchOf("normal", { rows: 16, classes: 9 });
    checkLoss(core, ignoring(batch, -100), { reduction });
    for (const ignoreIndex of [-1, 0, 3, 8, 9, 255, 2 ** 31 - 1, -(2 ** 31)]) {
      checkLoss(core, ignoring(batch, ignoreIndex), { reduction, ignoreIndex });
    }
  });

  test("takes the default ignoreIndex for a class no more once another is given", () => {
    const batch = batchOf("normal", { rows: 16, classes: 9 });
    checkLoss(core, batch, { ignoreIndex: 12345 });
    checkLoss(core, batch, { ignoreIndex: 2 ** 40 });
  });

  test("divides a mean by the normalizer in place of the rows kept", () => {
    const batch = ignoring(batchOf("normal", { rows: 16, classes: 9 }), -100);
    for (const normalizer of [1, 16, 1000, 0.125]) checkLoss(core, batch, { normalizer });
  });

  test.each(Object.entries(TARGET_KINDS))("takes targets of kind %s, bare and in a tensor", (_kind, from) => {
    const { logits, targets, shape } = batchOf("normal", { rows: 12, classes: 9 });
    const want = core.crossEntropy(logits, targets, { shape });
    const data = from(targets);
    expect(core.crossEntropy(logits, data)).toBe(want);
    expect(core.crossEntropy(logits, { data, shape: [12] })).toBe(want);
    expect(core.crossEntropy(logits, { data, dims: [12] })).toBe(want);
  });

  test("takes targets as plain numbers", () => {
    const { logits, targets } = batchOf("normal", { rows: 12, classes: 9 });
    expect(core.crossEntropy(logits, Array.from(targets))).toBe(core.crossEntropy(logits, targets));
  });

  test.each(Object.entries(TARGET_KINDS))("ignores rows by targets of kind %s", (_kind, from) => {
    const { logits, targets } = ignoring(batchOf("normal", { rows: 12, classes: 9 }), 100);
    const want = core.crossEntropy(logits, targets, { ignoreIndex: 100 });
    expect(core.crossEntropy(logits, from(targets), { ignoreIndex: 100 })).toBe(want);
  });

  test.each([
    ["Int8Array", -128],
    ["Uint8Array", 2 ** 8 - 1],
    ["Int16Array", -(2 ** 15)],
    ["Uint16Array", 2 ** 16 - 1],
    ["Int32Array", -(2 ** 31)],
    ["Uint32Array", 2 ** 32 - 1],
    ["BigInt64Array", Number.MIN_SAFE_INTEGER],
    ["BigUint64Array", Number.MAX_SAFE_INTEGER],
  ] as const)("ignores rows by the outermost value of kind %s", (kind, ignoreIndex) => {
    const { logits, targets } = ignoring(batchOf("normal", { rows: 12, classes: 9 }), -100);
    const marked = Array.from(targets, (target) => (target === -100 ? ignoreIndex : target));
    expect(core.crossEntropy(logits, TARGET_KINDS[kind](marked), { ignoreIndex })).toBe(
      core.crossEntropy(logits, targets),
    );
  });

  test("takes any rank with the classes last, as options or as a tensor's shape or dims", () => {
    const { logits, targets } = batchOf("normal", { rows: 24, classes: 5 });
    const want = core.crossEntropy(logits, targets, { shape: [24, 5] });
    expect(core.crossEntropy(logits, targets)).toBe(want);
    expect(core.crossEntropy(logits, targets, { shape: [2, 3, 4, 5], axis: 3 })).toBe(want);
    expect(core.crossEntropy(logits, targets, { shape: [2, 12, 5], axis: -1 })).toBe(want);
    expect(core.crossEntropy({ data: logits, shape: [4, 6, 5] }, { data: targets, shape: [4, 6] })).toBe(want);
    expect(core.crossEntropy({ data: logits, dims: [4, 6, 5] }, targets)).toBe(want);
    const oneRow = logits.subarray(0, 5);
    expect(core.crossEntropy({ data: oneRow, shape: [5] }, targets.subarray(0, 1))).toBe(
      core.crossEntropy(oneRow, targets.subarray(0, 1)),
    );
  });
});
