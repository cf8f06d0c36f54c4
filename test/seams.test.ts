/**
 * More rows, and longer ones, than any block takes, in every kind and by every engine: where a block ends is not to be
 * seen, nor is what stands in an ignored row.
 */

import { afterAll, expect, test } from "vitest";
import { type Core, createCore, type TensorLike } from "../src/index.js";
import { describeBackends } from "./backends.js";
import { type FloatKind, type StoredArray, stored } from "./fuzz/call.js";
import { below, mulberry32, normal, remembered, type Shape } from "./inputs.js";

const KINDS: readonly FloatKind[] = ["float32", "float64", "float16", "bfloat16"];

const MANY: Shape = { rows: 30_011, classes: 10 };
const LONG: Shape = { rows: 2, classes: 100_003 };

interface Batch extends Shape {
  readonly kind: FloatKind;
  readonly logits: StoredArray;
  readonly labels: Int32Array;
  readonly masses: StoredArray;
}

const batchOf = remembered((kind: FloatKind) => remembered((shape: Shape) => makeBatch(kind, shape)));

function makeBatch(kind: FloatKind, { rows, classes }: Shape): Batch {
  const random = mulberry32(rows);
  const values = (value: () => number): StoredArray => stored(kind, Array.from({ length: rows * classes }, value));
  return {
    kind,
    rows,
    classes,
    logits: values(() => 3 * normal(random)),
    labels: Int32Array.from({ length: rows }, () => below(random, classes)),
    masses: values(random),
  };
}

/** The rows from one to before another, as the same views of memory. */
function rowsOf(batch: Batch, first: number, end: number): Batch {
  const { classes, logits, masses, labels } = batch;
  return {
    ...batch,
    rows: end - first,
    logits: logits.subarray(first * classes, end * classes),
    masses: masses.subarray(first * classes, end * classes),
    labels: labels.subarray(first, end),
  };
}

function tensor({ kind, rows, classes }: Batch, data: StoredArray): TensorLike & { readonly dtype: string } {
  return { data, shape: [rows, classes], dtype: kind };
}

type Reduction = "none" | "mean";

/** A loss with its gradient, as bytes. */
type Run = (core: Core, batch: Batch, reduction: Reduction) => readonly [loss: Buffer, grad: Buffer];

function bytes(values: number | Float32Array | Float64Array): Buffer {
  const array = typeof values === "number" ? Float64Array.of(values) : values;
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}

const classRuns: Readonly<Record<string, Run>> = {
  classes(core, batch, reduction) {
    const { loss, grad } = core.crossEntropyWithGrad(tensor(batch, batch.logits), batch.labels, { reduction });
    return [bytes(loss), bytes(grad)];
  },
  "classes with smoothing and z-loss"(core, batch, reduction) {
    const options = { reduction, labelSmoothing: 0.1, zLoss: 0.01 };
    const { loss, grad } = core.crossEntropyWithGrad(tensor(batch, batch.logits), batch.labels, options);
    return [bytes(loss), bytes(grad)];
  },
};

const runs: Readonly<Record<string, Run>> = {
  ...classRuns,
  "soft targets"(core, batch, reduction) {
    const targets = tensor(batch, batch.masses);
    const { loss, grad } = core.crossEntropyWithGrad(tensor(batch, batch.logits), targets, { reduction });
    return [bytes(loss), bytes(grad)];
  },
  elements(core, batch, reduction) {
    const targets = tensor(batch, batch.masses);
    const { loss, grad } = core.binaryCrossEntropyWithLogitsWithGrad(tensor(batch, batch.logits), targets, {
      reduction,
    });
    return [bytes(loss), bytes(grad)];
  },
};

function withIgnored(batch: Batch, isIgnored: (row: number) => boolean): Batch {
  return { ...batch, labels: batch.labels.map((label, row) => (isIgnored(row) ? -100 : label)) };
}

describeBackends("seams", (core, backend) => {
  const checked = createCore({ backend, crossCheck: true });
  afterAll(() => checked.dispose());

  // The plain backend has no blocks.
  test.skipIf(backend === "js").each(KINDS)("of blocks are not to be seen, %s", (kind) => {
    for (const shape of [MANY, LONG]) {
      const batch = batchOf(kind)(shape);
      const seam = Math.ceil(shape.rows / 3);
      for (const [name, run] of Object.entries(runs)) {
        const whole = run(core, batch, "none");
        const [first, second] = [rowsOf(batch, 0, seam), rowsOf(batch, seam, shape.rows)];
        const [before, behind] = [run(core, first, "none"), run(core, second, "none")];
        whole.forEach((all, part) => {
          const joined = Buffer.concat([before[part], behind[part]].map((bytes) => bytes ?? Buffer.alloc(0)));
          expect(joined.equals(all), `${name} ${part === 0 ? "loss" : "grad"}`).toBe(true);
        });
      }
    }
  });

  test("of blocks are not to be seen in a sum, rows that come again among them", () => {
    for (const classes of [100, 300, 1000, 5000]) {
      const rows = Math.ceil(1e5 / classes);
      const { logits, labels } = batchOf("float32")({ rows, classes });
      const x = Float32Array.from(logits, Number);
      labels.forEach((label, row) => {
        if (row % 5 === 0) x[row * classes + label] = 140 * (row % 2) - 70;
      });
      const tensors = { x: core.tensor([rows, classes]), out: core.tensor([rows, classes]) };
      tensors.x.data.set(x);
      const options = { reduction: "sum" } as const;
      expect(core.crossEntropy(tensors.x, labels, options)).toBe(core.crossEntropy(x, labels, options));
      const { loss } = core.crossEntropyWithGrad(tensors.x, labels, { ...options, out: tensors.out });
      expect(loss).toBe(core.crossEntropyWithGrad(x, labels, options).loss);
      tensors.x.dispose();
      tensors.out.dispose();
    }
  });

  test.skipIf(backend === "js").each(KINDS)("leave the cross-check quiet, which changes no bit, %s", (kind) => {
    for (const shape of [MANY, LONG]) {
      const batch = batchOf(kind)(shape);
      for (const [name, run] of Object.entries(runs)) {
        const [got, want] = [run(checked, batch, "mean"), run(core, batch, "mean")];
        want.forEach((bytes, part) => {
          expect(got[part]?.equals(bytes), `${name} ${part === 0 ? "loss" : "grad"}`).toBe(true);
        });
      }
    }
  });

  test.each(KINDS)("ten thousand ignored rows full of NaN change no bit of the others, %s", (kind) => {
    const isIgnored = (row: number): boolean => row % 3 === 1;
    const batch = withIgnored(batchOf(kind)(MANY), isIgnored);
    const nan = stored(kind, [Number.NaN])[0];
    const logits = batch.logits.slice();
    for (let i = 0; i < logits.length; i++) if (isIgnored(Math.floor(i / 10)) && nan !== undefined) logits[i] = nan;
    for (const [name, run] of Object.entries(classRuns)) {
      for (const reduction of ["none", "mean"] as const) {
        const [got, want] = [run(core, { ...batch, logits }, reduction), run(core, batch, reduction)];
        want.forEach((bytes, part) => {
          expect(got[part]?.equals(bytes), `${name} ${reduction} ${part === 0 ? "loss" : "grad"}`).toBe(true);
        });
      }
    }
  });
});
