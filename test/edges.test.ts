import { expect, test } from "vitest";
import { describeBackends } from "./backends.js";
import { type Batch, batchOf, mulberry32, normal, remembered } from "./inputs.js";
import { checkLoss, checkLossAndGrad, wantedSum } from "./losses.js";
import { at, logSoftmax, logSumExp, softmax } from "./oracle.js";
import { expectClose, logProbabilities, logSums, probabilities, wordsOf } from "./tolerances.js";

const { NaN: nan, POSITIVE_INFINITY: infinity, NEGATIVE_INFINITY: masked } = Number;
const LARGEST = 2 ** 128 - 2 ** 104;

/** A vector and its tail, a pair of vectors and its tail, a block of a sum and its tail. */
const LENGTHS = [1, 2, 3, 4, 5, 7, 8, 9, 15, 17, 70, 131, 511, 513, 1030];

/** Longer than any scratch, so that it is computed in pieces. */
const LONG = 300_001;

/** NaN quiet and signalling, of both signs and with all bits: integer arithmetic on the exponent must revive none. */
const NAN_WORDS = [0x7fc00000, 0xffc00000, 0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff];

const floats = (...values: number[]): Float32Array => Float32Array.from(values);

/** Writes something special to a row, at class c where it has a place. */
type Place = (row: Float32Array, c: number) => void;

/** Ordinary rows, of which the second and the last but one are special; the target of those is their last class. */
function batchWith(place: Place, classes: number, c: number): Batch {
  // Where there are few classes, rows are taken together.
  const rows = classes <= 16 ? 19 : 3;
  const random = mulberry32(classes + c);
  const logits = Float32Array.from({ length: rows * classes }, () => normal(random));
  const targets = new Int32Array(rows);
  for (const row of new Set([1, rows - 2])) {
    place(logits.subarray(row * classes, (row + 1) * classes), c);
    targets[row] = classes - 1;
  }
  return { name: `with class ${c} special`, rows, classes, shape: [rows, classes], logits, targets };
}

/** At either end and in the middle of rows of every length. */
const batchesWith = remembered((place: Place): Batch[] =>
  LENGTHS.flatMap((classes) =>
    [...new Set([0, Math.floor(classes / 2), classes - 1])].map((c) => batchWith(place, classes, c)),
  ),
);

/** One long row, special at its end. */
const longBatchWith = remembered((place: Place): Batch => {
  const { name, logits } = batchWith(place, LONG, LONG - 1);
  const row = logits.subarray(LONG, 2 * LONG);
  return { name, rows: 1, classes: LONG, shape: [1, LONG], logits: row, targets: Int32Array.of(LONG - 1) };
});

const placeNaN = remembered(
  (word: number): Place =>
    (row, c) => {
      wordsOf(row)[c] = word;
    },
);

const wanted = remembered(({ logits, classes }: Batch) => ({
  lse: logSumExp(logits, classes),
  logProbs: logSoftmax(logits, classes),
  probs: softmax(logits, classes),
}));

const SPECIAL_ROWS: Record<string, Place> = {
  "+Infinity": (row, c) => row.fill(infinity, c, c + 1),
  "only +Infinity": (row) => row.fill(infinity),
  "only -Infinity": (row) => row.fill(masked),
  "+Infinity and -Infinity": (row, c) => row.fill(masked).fill(infinity, c, c + 1),
  "one finite logit among -Infinity": (row, c) => row.fill(masked).fill(2.5, c, c + 1),
  "a masked class": (row, c) => row.fill(masked, c, c + 1).fill(1, row.length - 1),
  "the smallest float32 for a mask": (row, c) => row.fill(-LARGEST, c, c + 1).fill(1, row.length - 1),
  "only the smallest float32": (row) => row.fill(-LARGEST),
  "only the largest float32": (row) => row.fill(LARGEST),
  "subnormal logits": (row, c) => row.fill(1e-40).fill(-3e-42, c, c + 1),
  "zeros of both signs": (row, c) => row.fill(-0).fill(0, c, c + 1),
  "a masked target": (row) => row.fill(masked, row.length - 1),
};

describeBackends("edges", (core) => {
  const checkAll = (batch: Batch): void => {
    const { logits, classes, shape, name } = batch;
    const { lse, logProbs, probs } = wanted(batch);
    expectClose(`logSumExp ${name}`, core.logSumExp(logits, { shape }), lse, 1, logSums);
    expectClose(`logSoftmax ${name}`, core.logSoftmax(logits, { shape }), logProbs, classes, logProbabilities);
    expectClose(`softmax ${name}`, core.softmax(logits, { shape }), probs, classes, probabilities);
    checkLoss(core, batch, { reduction: "sum" }, wantedSum(batch));
    checkLossAndGrad(core, batch, { reduction: "none" }, wantedSum(batch));
  };

  test.each(Object.entries(SPECIAL_ROWS))("a row with %s", (_name, place) => {
    for (const batch of batchesWith(place)) checkAll(batch);
  });

  test.each(Object.entries(SPECIAL_ROWS))("a long row with %s", (_name, place) => {
    checkAll(longBatchWith(place));
  });

  test.each(NAN_WORDS)("a row with NaN, bits %i", (word) => {
    for (const batch of batchesWith(placeNaN(word))) checkAll(batch);
  });

  test("a row with NaN beside an infinity", () => {
    for (const other of [infinity, masked]) {
      const logits = floats(1, nan, other, 1, other, nan);
      checkAll({ name: "NaN and infinity", rows: 2, classes: 3, shape: [2, 3], logits, targets: Int32Array.of(0, 1) });
      expect(core.logSumExp(logits, { shape: [2, 3] })).toEqual(floats(nan, nan));
    }
  });

  test("logSumExp of infinities is what PyTorch has", () => {
    const logits = floats(masked, masked, infinity, 1, infinity, masked, masked, 3);
    expect(core.logSumExp(logits, { shape: [4, 2] })).toEqual(floats(masked, infinity, infinity, 3));
  });

  test("a row without a softmax is NaN throughout, and its neighbours are not", () => {
    for (const row of [
      [nan, 0],
      [infinity, 0],
      [masked, masked],
    ]) {
      const logits = floats(0, 0, ...row, 0, 0);
      const shape = [3, 2];
      const inTheMiddle = [false, false, true, true, false, false];
      for (const reduction of ["mean", "sum", "none"] as const) {
        const { loss, grad } = core.crossEntropyWithGrad(logits, [0, 1, 1], { reduction });
        expect(Array.from(grad, Number.isNaN)).toEqual(inTheMiddle);
        if (typeof loss === "number") expect(loss).toBe(nan);
        else expect(Array.from(loss, Number.isNaN)).toEqual([false, true, false]);
      }
      expect(Array.from(core.softmax(logits, { shape }), Number.isNaN)).toEqual(inTheMiddle);
      expect(Array.from(core.logSoftmax(logits, { shape }), Number.isNaN)).toEqual(inTheMiddle);
    }
  });

  test("a masked class has probability 0 and gradient 0", () => {
    const logits = floats(1, masked, 1);
    expect(core.softmax(logits)[1]).toBe(0);
    expect(core.logSoftmax(logits)[1]).toBe(masked);
    expect(Math.abs(at(core.crossEntropyWithGrad(logits, [0]).grad, 1))).toBe(0);
    expect(Math.abs(at(core.softmaxGrad(floats(3, 7, 5), floats(0.5, 0, 0.5)), 1))).toBe(0);
    expect(core.logSoftmaxGrad(floats(3, 7, 5), floats(-Math.LN2, masked, -Math.LN2))[1]).toBe(7);
  });

  test("a masked target has an infinite loss, and a gradient that pulls it up with all it can", () => {
    const logits = floats(1, masked, 1, 0, 0, 0);
    const { loss, grad } = core.crossEntropyWithGrad(logits, [1, 0], { reduction: "none" });
    expect(loss[0]).toBe(infinity);
    expect(Number.isFinite(loss[1])).toBe(true);
    expect(grad[1]).toBe(-1);
    expect(core.crossEntropy(logits, [1, 0])).toBe(infinity);
    expect(core.crossEntropy(logits, [1, 0], { reduction: "sum" })).toBe(infinity);
  });

  test.each([5, 300])("with every row ignored the mean is NaN, the sum 0 and the gradient 0: %d classes", (classes) => {
    const { logits } = batchOf("normal", { rows: 3, classes });
    const targets = [-100, -100, -100];
    const zeros = new Float32Array(3 * classes);
    expect(core.crossEntropyWithGrad(logits, targets)).toEqual({ loss: nan, grad: zeros });
    expect(core.crossEntropyWithGrad(logits, targets, { reduction: "sum" })).toEqual({ loss: 0, grad: zeros });
    expect(core.crossEntropyWithGrad(logits, targets, { reduction: "none" })).toEqual({
      loss: floats(0, 0, 0),
      grad: zeros,
    });
    expect(core.crossEntropy(logits, targets)).toBe(nan);
    expect(core.crossEntropy(logits, targets, { reduction: "sum" })).toBe(0);
    expect(core.crossEntropy(logits, targets, { normalizer: 3 })).toBe(0);
  });

  test("of an empty batch the mean is NaN and the sum 0, and there is no gradient", () => {
    const nothing = new Float32Array(0);
    const shape = [0, 5];
    expect(core.crossEntropyWithGrad(nothing, [], { shape })).toEqual({ loss: nan, grad: nothing });
    expect(core.crossEntropyWithGrad(nothing, [], { shape, reduction: "sum" })).toEqual({ loss: 0, grad: nothing });
    expect(core.crossEntropy(nothing, new Int32Array(0), { shape, reduction: "none" })).toEqual(nothing);
    expect(core.crossEntropy({ data: nothing, shape }, [])).toBe(nan);
  });

  test("of a single class all is certain", () => {
    for (const x of [0, -7.25, 1e30, -LARGEST, LARGEST]) {
      const batch = { name: "alone", rows: 3, classes: 1, shape: [3, 1], targets: new Int32Array(3) } as const;
      const logits = floats(x, x, x);
      checkAll({ ...batch, logits });
      expect(core.softmax(logits, { shape: [3, 1] })).toEqual(floats(1, 1, 1));
      const { loss, grad } = core.crossEntropyWithGrad(logits, batch.targets, { reduction: "none" });
      expect(loss).toEqual(floats(0, 0, 0));
      expect(grad.map(Math.abs)).toEqual(floats(0, 0, 0));
    }
  });

  test("the ends of float32 in one row leave certainty", () => {
    const logits = floats(LARGEST, -LARGEST);
    expect(core.softmax(logits)).toEqual(floats(1, 0));
    expectClose("logSumExp", core.logSumExp(logits), [LARGEST], 1, logSums);
    expectClose("logSoftmax", core.logSoftmax(logits), [0, masked], 2, logProbabilities);
    expect(core.crossEntropy(logits, [0])).toBe(0);
  });

  test("NaN from above makes a row of a backward pass NaN, and no other", () => {
    const g = floats(1, nan, 2, 1, 0, 2);
    const probs = floats(0.25, 0.25, 0.5, 0.25, 0.25, 0.5);
    const shape = [2, 3];
    for (const grad of [
      core.softmaxGrad(g, probs, { shape }),
      core.logSoftmaxGrad(g, probs.map(Math.log), { shape }),
    ]) {
      expect(Array.from(grad, Number.isNaN)).toEqual([true, true, true, false, false, false]);
    }
  });

  test("rows of no class have no probability, and a log-sum-exp of -Infinity", () => {
    for (const [shape, axis] of [
      [[3, 0], 1],
      [[0, 0], 1],
      [[3, 0, 2], 1],
      [[2, 0, 9000], 1],
    ] as const) {
      const rows = shape.reduce((size: number, length, i) => (i === axis ? size : size * length), 1);
      const none = floats();
      expect(core.softmax(none, { shape, axis })).toEqual(none);
      expect(core.logSoftmax(none, { shape, axis })).toEqual(none);
      expect(core.logSumExp(none, { shape, axis })).toEqual(new Float32Array(rows).fill(masked));
      const targets = { data: new Int32Array(rows).fill(-100), shape: shape.filter((_, i) => i !== axis) };
      const options = { shape, axis, reduction: "sum" } as const;
      expect(core.crossEntropy(none, targets, options)).toBe(0);
      expect(core.crossEntropyWithGrad(none, targets, options)).toEqual({ loss: 0, grad: none });
    }
  });

  test("losses of one class go where the logits are", () => {
    const x = core.tensor([4, 1]);
    x.data.set([2, -3, 5, nan]);
    core.crossEntropy(x, new Int32Array(4), { reduction: "none", zLoss: 1, out: x });
    expect([...x.data]).toEqual([4, 9, 25, nan]);
    x.dispose();
  });

  // 4096 ln 2 is where a float64's exponent and sign come round again.
  test.each([
    [-4096 * Math.LN2, 0],
    [4096 * Math.LN2, 0],
    [-2048 * Math.LN2, 0],
    [2048 * Math.LN2, 0],
    [690, -511],
    [-690, 511],
    [-511, 690],
    [511, -690],
    [1e5, -1e5],
    [-1e5, 1e5],
  ])("a target of %d beside others of %d", (own, others) => {
    for (const classes of [2, 10, 600]) {
      for (const before of [0, others]) {
        // The row before says what the exponentials of both are taken relative to.
        const logits = new Float32Array(2 * classes).fill(before, 0, classes).fill(others, classes);
        logits[classes] = own;
        const apart = others - at(logits, classes);
        const odds = (classes - 1) * Math.exp(apart);
        const want = odds === infinity ? apart + Math.log(classes - 1) : Math.log1p(odds);
        const options = { shape: [2, classes], reduction: "none" } as const;
        const { loss, grad } = core.crossEntropyWithGrad(logits, [0, 0], options);
        const tolerance = 3e-7 * want + 2e-38;
        expect(Math.abs(at(loss, 1) - want)).not.toBeGreaterThan(tolerance);
        expect(Math.abs(at(core.crossEntropy(logits, [0, 0], options), 1) - want)).not.toBeGreaterThan(tolerance);
        const miss = odds === infinity ? 1 : odds / (1 + odds);
        expect(Math.abs(at(grad, classes) + miss)).not.toBeGreaterThan(6e-7 * miss + 2e-38);
        expect(Math.abs(at(grad, classes + 1) - miss / (classes - 1))).not.toBeGreaterThan(6e-7 * miss + 2e-38);
      }
    }
  });

  test.each([1e-30, 1e-36, 1e-37, 1e-40, 1e-44, 0])("an ignored row whose gradOutput is %d", (tiny) => {
    const inner = core.tensor([3, 5, 2]);
    const bystander = core.tensor([4096]);
    bystander.data.fill(7);
    for (const ignoreIndex of [-100, -2, 1e9]) {
      for (const options of [{}, { zLoss: 0.1 }, { labelSmoothing: 0.1 }]) {
        for (const [x, axis] of [
          [Float32Array.from({ length: 30 }, (_, i) => (i % 10 < 5 ? Math.sin(i) : nan)), -1],
          [inner, 1],
        ] as const) {
          inner.data.forEach((_, i) => {
            inner.data[i] = i % 2 === 0 ? Math.sin(i) : nan;
          });
          const targets = [1, ignoreIndex, 2, ignoreIndex, 3, ignoreIndex];
          const form = {
            ...options,
            ignoreIndex,
            axis,
            shape: axis === 1 ? [3, 5, 2] : [6, 5],
            reduction: "none",
          } as const;
          for (const gradOutput of [targets.map((t) => (t === ignoreIndex ? tiny : 1)), targets.map(() => tiny)]) {
            const { loss, grad } = core.crossEntropyWithGrad(x, targets, {
              ...form,
              gradOutput: Float32Array.from(gradOutput),
            });
            const want = core.crossEntropy(x, targets, form);
            const one = core.crossEntropyWithGrad(x, targets, form).grad;
            targets.forEach((target, row) => {
              if (target === ignoreIndex) expect(at(loss, row)).toBe(0);
              else expect(at(loss, row) / at(want, row)).toBeCloseTo(1, 6);
              for (let c = 0; c < 5; c++) {
                const i = axis === 1 ? ((row >> 1) * 5 + c) * 2 + (row & 1) : row * 5 + c;
                const scale = Math.fround(at(gradOutput, row));
                const dx = target === ignoreIndex ? 0 : scale * at(one, i);
                expect(Math.abs(at(grad, i) - dx)).not.toBeGreaterThan(1e-6 * Math.abs(dx) + 1e-44);
              }
            });
          }
        }
      }
    }
    expect(bystander.data.every((value) => value === 7)).toBe(true);
    for (const tensor of [inner, bystander]) tensor.dispose();
  });

  test("the gradient of an all but certain row keeps its precision", () => {
    for (const classes of [24, 600]) {
      for (const gradOutput of [1, 0.01]) {
        const logits = new Float32Array(classes).fill(-130);
        logits.set([72.5], 4);
        logits.set([-70], 13);
        logits.set([-7.5], 20);
        const { grad } = core.crossEntropyWithGrad(logits, [4], { gradOutput });
        const want = gradOutput * Math.exp(-7.5 - 72.5);
        expect(Math.abs(at(grad, 20) / want - 1)).toBeLessThan(6e-7);
        expect(Math.abs(-at(grad, 4) / want - 1)).toBeLessThan(6e-7);
      }
    }
  });
});
