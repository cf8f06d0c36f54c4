/** The specification that logSumExp, logSoftmax and softmax share: one row of logits, one function of it. */

import { expect, test } from "vitest";
import type { Core } from "../src/index.js";
import { describeBackends } from "./backends.js";
import { type Batch, batchOf, everyClassCount, everyRowCount, familyNames, largeCases, remembered } from "./inputs.js";
import type { Numbers } from "./oracle.js";
import { expectClose, type Tolerance } from "./tolerances.js";

interface Forward {
  readonly name: "logSumExp" | "logSoftmax" | "softmax";
  readonly exact: (x: Numbers, classes: number) => Float64Array;
  readonly tolerance: Tolerance;
  /** How many results a row of this many classes has. */
  readonly perRow: (classes: number) => number;
}

export function describeForward({ name, exact, tolerance, perRow }: Forward): void {
  const wanted = remembered(({ logits, classes }: Batch) => exact(logits, classes));
  const check = (core: Core, batch: Batch): void => {
    expectClose(
      `${name} ${batch.name}`,
      core[name](batch.logits, { shape: batch.shape }),
      wanted(batch),
      perRow(batch.classes),
      tolerance,
    );
  };

  describeBackends(name, (core) => {
    test.each(familyNames)("is exact within tolerance for every class count, %s", (family) => {
      for (const shape of everyClassCount) check(core, batchOf(family, shape));
    });

    test("is exact within tolerance for small and odd class counts in every number of rows", () => {
      for (const shape of everyRowCount) check(core, batchOf("normal", shape));
    });

    test.each(largeCases)("is exact within tolerance for long rows and many, $family", ({ family, shapes }) => {
      for (const shape of shapes) check(core, batchOf(family, shape));
    });

    test("takes a bare array for one row", () => {
      const { logits } = batchOf("normal", { rows: 6, classes: 11 });
      expect(core[name](logits)).toEqual(core[name](logits, { shape: [1, 66] }));
    });

    test("takes any rank with the classes last, as options or as a tensor's shape or dims", () => {
      const { logits } = batchOf("normal", { rows: 24, classes: 5 });
      const want = core[name](logits, { shape: [24, 5] });
      expect(core[name](logits, { shape: [2, 3, 4, 5] })).toEqual(want);
      expect(core[name](logits, { shape: [2, 3, 4, 5], axis: 3 })).toEqual(want);
      expect(core[name](logits, { shape: [2, 12, 5], axis: -1 })).toEqual(want);
      expect(core[name]({ data: logits, shape: [4, 6, 5] })).toEqual(want);
      expect(core[name]({ data: logits, dims: [24, 5] })).toEqual(want);
      expect(core[name]({ data: logits, dims: [120] })).toEqual(core[name](logits));
    });

    test("takes an ndarray, whose data may be a window into more", () => {
      const { logits } = batchOf("normal", { rows: 24, classes: 5 });
      const data = new Float32Array(130).fill(Number.NaN);
      data.set(logits, 3);
      const ndarray = { data, shape: [6, 4, 5], stride: [20, 5, 1], offset: 3 };
      expect(core[name](ndarray)).toEqual(core[name](logits, { shape: [24, 5] }));
    });

    test("gives nothing for no rows", () => {
      expect(core[name](new Float32Array(0), { shape: [0, 7] })).toEqual(new Float32Array(0));
    });
  });
}
