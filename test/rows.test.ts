import { expect, test } from "vitest";
import { describeBackends } from "./backends.js";
import { type ArrayCall, arrayCalls } from "./calls.js";
import { type Batch, batchOf, type Shape } from "./inputs.js";
import { ignoring } from "./losses.js";
import { expectSameBits } from "./tolerances.js";

/** Rows that are taken together, and rows that are taken by themselves. */
const SHAPES: readonly Shape[] = [
  ...[1, 2, 3, 4, 5, 8, 13, 16, 31, 64, 67, 128, 129].map((classes) => ({ rows: 21, classes })),
  { rows: 7, classes: 1000 },
  { rows: 7, classes: 4099 },
];

/** A row with nothing in common with its neighbours that a kernel could get away with. */
const DISTURBANCES = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e30, -1e4];

/** The part of an array, of `values` per row, that belongs to one row. */
function rowOf(array: Float32Array, row: number, { rows }: Shape): Float32Array {
  const length = array.length / rows;
  return array.subarray(row * length, (row + 1) * length);
}

/** A copy with every row but one overwritten. */
function disturbed(input: Float32Array, spared: number, value: number, batch: Batch): Float32Array {
  const copy = new Float32Array(input.length).fill(value);
  rowOf(copy, spared, batch).set(rowOf(input, spared, batch));
  return copy;
}

describeBackends("rows", (core) => {
  test.each(arrayCalls)("do not see what stands in their neighbours: $name", ({ name, input, run }: ArrayCall) => {
    for (const shape of SHAPES) {
      const batch = batchOf("peaked", shape);
      const want = run(core, input(batch), batch);
      for (const row of [0, 3, shape.rows - 1]) {
        for (const value of DISTURBANCES) {
          const got = run(core, disturbed(input(batch), row, value, batch), batch);
          expectSameBits(`${name} ${batch.name} row ${row}`, rowOf(got, row, batch), rowOf(want, row, batch));
        }
      }
    }
  });

  test("come to the same bits alone as in a batch", () => {
    for (const shape of SHAPES) {
      const batch = batchOf("peaked", shape);
      const { logits, targets, classes } = batch;
      const together = core.crossEntropyWithGrad(logits, targets, { reduction: "none" });
      const logProbs = core.logSoftmax(logits, { shape: batch.shape });
      for (let row = 0; row < batch.rows; row++) {
        const own = rowOf(logits, row, batch);
        const alone = core.crossEntropyWithGrad(own, targets.subarray(row, row + 1), { reduction: "none" });
        expectSameBits(`loss ${batch.name}`, alone.loss, together.loss.subarray(row, row + 1));
        expectSameBits(`grad ${batch.name}`, alone.grad, rowOf(together.grad, row, batch));
        expectSameBits(`logProbs ${batch.name}`, core.logSoftmax(own), rowOf(logProbs, row, batch));
        expect(alone.grad.length).toBe(classes);
      }
    }
  });

  // Where x log2 e lies halfway between two integers, or is rounded to there, either is right: which one is chosen must not
  // depend on what the exponentials are taken relative to.
  test("come to the same bits in any company where their exponents tie", () => {
    const differing: number[] = [];
    for (let n = 4; n < 600; n++) {
      const tie = (n + 0.5) * Math.LN2;
      for (const ulps of [-1, 0, 1]) {
        const x = Math.fround(Math.fround(tie) * (1 + ulps * 2 ** -23));
        for (const classes of [3, 600]) {
          const row = new Float32Array(classes).fill(Number.NEGATIVE_INFINITY);
          row.set([x + 0.3, x, x - 1]);
          const alone = core.crossEntropy(row, [0]);
          const { loss } = core.crossEntropyWithGrad(row, [0]);
          // With others near by, and so far off that the row comes again by itself.
          for (const apart of [0.7, -40]) {
            const others = new Float32Array(classes).fill(Math.fround(x + apart));
            const company = Float32Array.of(...others, ...row);
            const [, after] = core.crossEntropy(company, [0, 0], { reduction: "none" });
            if (Math.fround(alone) !== after || Math.fround(loss) !== after) differing.push(n);
          }
        }
      }
    }
    expect(differing).toEqual([]);
  });

  test.each(DISTURBANCES)("that are ignored change nothing, filled with %s", (value) => {
    for (const shape of SHAPES) {
      const batch = ignoring(batchOf("peaked", shape), -100);
      const filled = batch.logits.slice();
      batch.targets.forEach((target, row) => {
        if (target === -100) rowOf(filled, row, batch).fill(value);
      });
      for (const reduction of ["mean", "sum"] as const) {
        const want = core.crossEntropyWithGrad(batch.logits, batch.targets, { reduction });
        const got = core.crossEntropyWithGrad(filled, batch.targets, { reduction });
        expect(got.loss).toBe(want.loss);
        expectSameBits(`grad ${batch.name}`, got.grad, want.grad);
        expect(core.crossEntropy(filled, batch.targets, { reduction })).toBe(
          core.crossEntropy(batch.logits, batch.targets, { reduction }),
        );
      }
    }
  });

  test("that are ignored have loss 0 and gradient 0, whatever their gradOutput", () => {
    const batch = ignoring(batchOf("normal", { rows: 7, classes: 9 }), -100);
    const gradOutput = Float32Array.from(batch.targets, (target) => (target === -100 ? Number.NaN : 1));
    const { loss, grad } = core.crossEntropyWithGrad(batch.logits, batch.targets, { reduction: "none", gradOutput });
    batch.targets.forEach((target, row) => {
      if (target !== -100) return;
      expect(loss[row]).toBe(0);
      expect(rowOf(grad, row, batch)).toEqual(new Float32Array(9));
    });
  });
});
