/** The specification that logSoftmaxGrad and softmaxGrad share: a gradient from above, and the forward pass's result. */

import { expect, test } from "vitest";
import type { Core } from "../src/index.js";
import { describeBackends } from "./backends.js";
import {
  type Batch,
  batchOf,
  everyClassCount,
  everyRowCount,
  familyNames,
  gradientsOf,
  largeCases,
  remembered,
} from "./inputs.js";
import type { Numbers } from "./oracle.js";
import { expectClose, type Tolerance } from "./tolerances.js";

interface Backward {
  readonly name: "logSoftmaxGrad" | "softmaxGrad";
  /** The exact forward pass, whose float32 rounding the function is given. */
  readonly forward: (x: Numbers, classes: number) => Float64Array;
  readonly exact: (gradOutput: Numbers, y: Numbers, classes: number) => Float64Array;
  readonly tolerance: (gradOutput: Numbers, y: Numbers, classes: number) => Tolerance;
}

export function describeBackward({ name, forward, exact, tolerance }: Backward): void {
  const prepared = remembered((batch: Batch) => {
    const { logits, classes } = batch;
    const gradOutput = gradientsOf(batch);
    const y = new Float32Array(forward(logits, classes));
    return { gradOutput, y, want: exact(gradOutput, y, classes), allowed: tolerance(gradOutput, y, classes) };
  });

  const check = (core: Core, batch: Batch): void => {
    const { name: batchName, classes, shape } = batch;
    const { gradOutput, y, want, allowed } = prepared(batch);
    expectClose(`${name} ${batchName}`, core[name](gradOutput, y, { shape }), want, classes, allowed);
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

    test("takes any rank with the classes last, as options or as a tensor's shape or dims", () => {
      const { gradOutput, y } = prepared(batchOf("normal", { rows: 24, classes: 5 }));
      const want = core[name](gradOutput, y, { shape: [24, 5] });
      expect(core[name](gradOutput, y, { shape: [2, 3, 4, 5], axis: 3 })).toEqual(want);
      expect(core[name](gradOutput, { data: y, shape: [6, 4, 5] })).toEqual(want);
      expect(core[name]({ data: gradOutput, dims: [4, 6, 5] }, { data: y, dims: [4, 6, 5] })).toEqual(want);
    });

    test("gives nothing for no rows", () => {
      const nothing = new Float32Array(0);
      expect(core[name](nothing, nothing, { shape: [0, 7] })).toEqual(nothing);
    });
  });
}
