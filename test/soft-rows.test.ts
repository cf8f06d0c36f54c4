/**
 * Soft targets of float32 rows that are long enough for the kernels of float32: within the bounds of class targets, by the
 * kernels themselves or by those of float64 that rows are left to which are far out.
 */

import { describe, expect, it, test } from "vitest";
import { type Core, createCore } from "../src/index.js";
import { describeBackends } from "./backends.js";
import { type Batch, batchOf, below, familyNames, mulberry32, normal, type Random } from "./inputs.js";
import { at, exactLoss } from "./oracle.js";
import { type Bound, expectClose, expectSameBits, float32Bounds } from "./tolerances.js";

/** The fewest classes, remainders of a vector and of sixteen, and blocks of exponentials. */
const CLASSES = [32, 33, 46, 100, 1000, 2050, 4099];
const ROWS = 14;

type Masses = (row: Float32Array, random: Random, target: number) => void;

const MASSES: Readonly<Record<string, Masses>> = {
  "one class": (row, _, target) => row.fill(0).fill(1, target, target + 1),
  "all classes": (row, random) => {
    for (let c = 0; c < row.length; c++) row[c] = random() / row.length;
  },
  "mostly one class": (row, random, target) => {
    for (let c = 0; c < row.length; c++) row[c] = 1e-9 * random();
    row[target] = 1;
  },
  "masses of either sign": (row, random) => {
    for (let c = 0; c < row.length; c++) row[c] = normal(random);
  },
  // With the smoothing that is asked for below, next to nothing.
  "what smoothing takes away": (row, random) => {
    for (let c = 0; c < row.length; c++) row[c] = (-0.1 / 0.9 / row.length) * (1 + 1e-4 * random());
  },
  "what smoothing takes away of the last": (row, random) => {
    row.fill(0.01)[row.length - 1] = (-0.1 / 0.9 / row.length) * (1 + 1e-4 * random());
  },
  none: (row) => row.fill(0),
  "few, large": (row, random) => {
    for (let k = 0; k < 3; k++) row[below(random, row.length)] = 1e6 * random();
  },
};

interface Options {
  readonly labelSmoothing?: number;
  readonly zLoss?: number;
  readonly gradOutput?: number;
}

const OPTIONS: readonly Options[] = [
  {},
  { labelSmoothing: 0.1 },
  { zLoss: 0.01, gradOutput: -3 },
  { gradOutput: 1e-36 },
];

function massesOf({ rows, classes, targets }: Batch, fill: Masses): Float32Array {
  const random = mulberry32(rows * classes);
  const masses = new Float32Array(rows * classes);
  for (let i = 0; i < rows; i++) fill(masses.subarray(i * classes, (i + 1) * classes), random, at(targets, i));
  return masses;
}

function expectExact(core: Core, batch: Batch, masses: Float32Array, options: Options): void {
  const { logits, shape, classes, name } = batch;
  const { gradOutput = 1, ...terms } = options;
  const call = { ...terms, shape, reduction: "none" } as const;
  const scaled = { ...call, gradOutput: new Float32Array(batch.rows).fill(gradOutput) };
  const given = { subject: logits, targets: masses, soft: true };
  const exact = exactLoss("crossEntropy", given, { shape, axis: 1 }, scaled);
  const largest = masses.reduce((max, mass) => Math.max(max, Math.abs(mass)), 1);
  const bounds = float32Bounds(classes * largest * Math.max(1, Math.abs(gradOutput)) * 2 ** -126);
  const tolerance = (bound: Bound, sizes: Float64Array) => (want: number, i: number) => bound(want, at(sizes, i));

  const { loss, grad } = core.crossEntropyWithGrad(logits, masses, scaled);
  expectClose(`loss ${name}`, loss, exact.loss.values, 1, tolerance(bounds.loss, exact.loss.sizes));
  expectClose(`grad ${name}`, grad, exact.grad.values, classes, tolerance(bounds.gradient, exact.grad.sizes));
  expect(core.crossEntropy(logits, masses, call)).toEqual(loss);
}

describeBackends("soft targets", (core) => {
  describe.each(Object.entries(MASSES))("of %s", (_, fill) => {
    test.each(familyNames)("are exact within tolerance, %s", (family) => {
      for (const [i, classes] of CLASSES.entries()) {
        const batch = batchOf(family, { rows: ROWS, classes });
        expectExact(core, batch, massesOf(batch, fill), OPTIONS[i % 2] ?? {});
      }
    });

    test.each(OPTIONS)("are so with %o", (options) => {
      for (const family of ["normal", "nearCertain", "tied", "spread"] as const) {
        const batch = batchOf(family, { rows: ROWS, classes: 100 });
        expectExact(core, batch, massesOf(batch, fill), options);
      }
    });
  });

  it("give what their class gives, near certainty too", () => {
    const batch = batchOf("nearCertain", { rows: ROWS, classes: 100 });
    const { logits, targets, classes } = batch;
    const masses = massesOf(batch, (row, _, target) => row.fill(1, target, target + 1));
    const soft = core.crossEntropyWithGrad({ data: logits, shape: batch.shape }, { data: masses, shape: batch.shape });
    const hard = core.crossEntropyWithGrad(logits, targets);
    expect(Math.abs(soft.loss / hard.loss - 1)).toBeLessThan(6e-7);
    expectClose("grad", soft.grad, hard.grad, classes, (want) => 1.2e-6 * Math.abs(want) + 2 ** -126);
  });

  it("may cost more than float32 has numbers for", () => {
    const logits = Float32Array.from({ length: 40 }, (_, c) => (c % 2 === 0 ? 1e30 : -1e30));
    const masses = new Float32Array(40).fill(1e20);
    expect(core.crossEntropy(logits, masses) / 4e51).toBeCloseTo(1, 6);
  });

  it("have finite gradients, though masses times what scales them are not", () => {
    const masses = new Float32Array(40).fill(1e20);
    const uniform = core.crossEntropyWithGrad(new Float32Array(40).fill(0.5), masses, { gradOutput: 4e18 });
    expect(uniform.grad.every((value) => Math.abs(value) < 1e-6 * 4e38)).toBe(true);
    const logits = Float32Array.from({ length: 40 }, (_, c) => c / 40);
    const { grad } = core.crossEntropyWithGrad(logits, masses, { gradOutput: 4e18 });
    expect(grad.every(Number.isFinite)).toBe(true);
    const signed = Float32Array.from({ length: 40 }, (_, c) => (c < 20 ? 1e20 : -1e20));
    expect(core.crossEntropyWithGrad(logits, signed, { gradOutput: 3e18 }).grad.every(Number.isFinite)).toBe(true);
  });

  it("may be of next to no mass", () => {
    const logits = Float32Array.from({ length: 40 }, (_, c) => c / 40);
    const loss = core.crossEntropy(logits, new Float32Array(40).fill(2 ** -140));
    const expected = core.crossEntropy(logits, new Float32Array(40).fill(1)) * 2 ** -140;
    expect(Math.abs(loss / expected - 1)).toBeLessThan(3e-7);
  });

  it("agree with plain TypeScript, of either sign too", () => {
    const random = mulberry32(7);
    const checked = createCore({ backend: core.backend, crossCheck: true });
    for (let i = 0; i < 400; i++) {
      const logits = Float32Array.from({ length: 100 }, () => 4 * random() - 2);
      const masses = Float32Array.from({ length: 100 }, () => random() - 0.5);
      const { loss } = checked.crossEntropyWithGrad(logits, masses);
      expect(checked.crossEntropy(logits, masses)).toBe(loss);
    }
    checked.dispose();
  });

  it("are NaN in a row of nothing else, and nowhere beside it", () => {
    const logits = new Float32Array(3 * 40);
    logits.fill(Number.NaN, 40, 80);
    const options = { shape: [3, 40], reduction: "none" } as const;
    const { loss, grad } = core.crossEntropyWithGrad(logits, new Float32Array(3 * 40).fill(1 / 40), options);
    expect(Array.from(loss, Number.isNaN)).toEqual([false, true, false]);
    expect(Array.from(grad, Number.isNaN)).toEqual(Array.from(grad, (_, i) => i >= 40 && i < 80));
  });

  it("may have their gradient in the place of the logits or of the masses, in arrays and in tensors", () => {
    const batch = batchOf("normal", { rows: 1700, classes: 333 });
    const { logits, shape } = batch;
    // More than a scratch has room for.
    const masses = massesOf(batch, (row, random) => row.set(row.map(random)));
    const { loss, grad } = core.crossEntropyWithGrad({ data: logits, shape }, masses);
    const inTensor = (values: Float32Array) => {
      const tensor = core.tensor(shape);
      tensor.data.set(values);
      return tensor;
    };
    for (const place of [(values: Float32Array) => values.slice(), inTensor]) {
      for (const isInLogits of [true, false]) {
        const [x, y] = [place(logits), place(masses)];
        const result = core.crossEntropyWithGrad(x, y, { shape, out: isInLogits ? x : y });
        expect(result.loss).toBe(loss);
        expectSameBits(`grad ${batch.name}`, result.grad, grad);
      }
    }
  });
});
