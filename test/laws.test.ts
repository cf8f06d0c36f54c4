import { expect, test } from "vitest";
import { describeBackends } from "./backends.js";
import { type Batch, batchOf, everyClassCount, familyNames, mulberry32, normal, type Shape } from "./inputs.js";
import { at, crossEntropy, logSumExp, softmax, sum } from "./oracle.js";
import {
  expectClose,
  expectCloseNumber,
  logProbabilities,
  logSums,
  lossGradients,
  probabilities,
  rowLosses,
  type Tolerance,
} from "./tolerances.js";

const SHAPES: readonly Shape[] = [...everyClassCount, { rows: 3, classes: 1000 }, { rows: 2, classes: 32000 }];

/** Logits of few bits, to which a whole number can be added without rounding. */
function coarse({ rows, classes }: Shape): Batch {
  const random = mulberry32(rows + classes);
  const logits = Float32Array.from({ length: rows * classes }, () => Math.round(64 * normal(random)) / 64);
  const targets = Int32Array.from({ length: rows }, () => Math.floor(random() * classes));
  return { name: `coarse ${rows}x${classes}`, rows, classes, shape: [rows, classes], logits, targets };
}

/** Where both sides of a law are results: each may be off by the tolerance. */
const twice =
  (tolerance: Tolerance): Tolerance =>
  (want, index) =>
    2 * tolerance(want, index);

function rowsOf(values: Float32Array, classes: number): Float32Array[] {
  return Array.from({ length: values.length / classes }, (_, i) => values.subarray(i * classes, (i + 1) * classes));
}

describeBackends("laws", (core) => {
  test("a constant added to a row changes logSumExp by itself, and nothing else", () => {
    for (const shape of SHAPES) {
      const { logits, targets, classes, shape: given, name } = coarse(shape);
      for (const constant of [1, -17, 100, -1000, 4096]) {
        const shifted = logits.map((x) => x + constant);
        const what = `${name} + ${constant}`;
        const options = { shape: given };
        const moved = Float64Array.from(core.logSumExp(logits, options), (lse) => lse + constant);
        expectClose(what, core.logSumExp(shifted, options), moved, 1, (want, i) => logSums(want, i) + 1e-6);
        expectClose(
          what,
          core.logSoftmax(shifted, options),
          core.logSoftmax(logits, options),
          classes,
          twice(logProbabilities),
        );
        expectClose(what, core.softmax(shifted, options), core.softmax(logits, options), classes, twice(probabilities));
        const want = core.crossEntropyWithGrad(logits, targets);
        const got = core.crossEntropyWithGrad(shifted, targets);
        expectCloseNumber(what, got.loss, want.loss, twice(rowLosses(classes)));
        expectClose(what, got.grad, want.grad, classes, twice(lossGradients(1)));
      }
    }
  });

  test.each(familyNames)("the probabilities of a row sum to 1, %s", (family) => {
    for (const shape of SHAPES) {
      const { logits, classes, name } = batchOf(family, shape);
      const probs = core.softmax(logits, { shape: [shape.rows, classes] });
      for (const row of rowsOf(probs, classes)) expectCloseNumber(name, sum(row), 1, () => 6e-7);
    }
  });

  test.each(familyNames)("log-softmax is the logarithm of softmax, and x less logSumExp, %s", (family) => {
    for (const shape of SHAPES) {
      const { logits, classes, shape: given, name } = batchOf(family, shape);
      const logProbs = core.logSoftmax(logits, { shape: given });
      const exponentials = Float64Array.from(logProbs, Math.exp);
      // e^y multiplies an absolute error of y into a relative one.
      const tolerance: Tolerance = (want, i) => logProbabilities(at(logProbs, i), i) * want + probabilities(want, i);
      expectClose(name, core.softmax(logits, { shape: given }), exponentials, classes, tolerance);
    }
  });

  test.each(familyNames)("a row loss is the log-probability of the target, negated, %s", (family) => {
    for (const shape of SHAPES) {
      const { logits, targets, classes, shape: given, name } = batchOf(family, shape);
      const logProbs = core.logSoftmax(logits, { shape: given });
      const negated = Float32Array.from(targets, (target, row) => -at(logProbs, row * classes + target));
      const losses = core.crossEntropy(logits, targets, { reduction: "none" });
      expectClose(name, losses, negated, 1, twice(logProbabilities));
    }
  });

  test.each(familyNames)("a loss is at least 0, and at least the logit's distance from the maximum, %s", (family) => {
    for (const shape of SHAPES) {
      const { logits, targets, classes, name } = batchOf(family, shape);
      const losses = core.crossEntropy(logits, targets, { reduction: "none" });
      const short = rowsOf(logits, classes).map((row, i) => {
        const max = row.reduce((a, b) => Math.max(a, b));
        const distance = max - at(row, at(targets, i));
        return at(losses, i) - distance * (1 - 3e-7);
      });
      expect(Math.min(...losses), name).toBeGreaterThanOrEqual(0);
      expect(Math.min(...short), name).toBeGreaterThanOrEqual(0);
    }
  });

  test.each(familyNames)("the gradient of a row sums to 0, %s", (family) => {
    for (const shape of SHAPES) {
      const { logits, targets, classes, name } = batchOf(family, shape);
      const { grad } = core.crossEntropyWithGrad(logits, targets, { reduction: "sum" });
      // Σ|dx| is 2 (1 - p_y), and each of its terms is off by the tolerance of a gradient.
      for (const row of rowsOf(grad, classes)) {
        const size = sum(row.map(Math.abs));
        expectCloseNumber(name, sum(row), 0, () => 6e-7 * size + classes * 2 ** -126);
      }
    }
  });

  test("the gradient is that of finite differences of the exact loss", () => {
    const step = 1e-4;
    for (const family of ["normal", "peaked", "tied", "flat"] as const) {
      for (const classes of [2, 3, 5, 16, 33]) {
        const { logits, targets, name } = batchOf(family, { rows: 3, classes });
        const exact = (i: number, by: number): number => {
          const moved = Float64Array.from(logits);
          moved[i] = at(logits, i) + by;
          return crossEntropy(moved, targets, classes).loss;
        };
        const differences = Float64Array.from(logits, (_, i) => (exact(i, step) - exact(i, -step)) / (2 * step));
        // The third derivative is below 1 / (6 √3), so that the difference is off by less than step² / 60.
        const { grad } = core.crossEntropyWithGrad(logits, targets);
        expectClose(name, grad, differences, classes, (want) => 6e-7 * Math.abs(want) + step ** 2);
      }
    }
  });

  test("the backward passes are those of finite differences of the exact functions", () => {
    const step = 1e-4;
    for (const classes of [2, 3, 5, 16, 33]) {
      const random = mulberry32(classes);
      const x = Float32Array.from({ length: classes }, () => normal(random));
      const g = Float32Array.from({ length: classes }, () => normal(random));
      const size = sum(g.map(Math.abs));
      const slope = (of: (moved: Float64Array) => number): Float64Array =>
        Float64Array.from(x, (_, i) => {
          const at2 = (by: number): number => of(Float64Array.from(x, (value, j) => (i === j ? value + by : value)));
          return (at2(step) - at2(-step)) / (2 * step);
        });
      const dotSoftmax = (moved: Float64Array): number => sum(softmax(moved, classes).map((p, c) => p * at(g, c)));
      const dotLogSoftmax = (moved: Float64Array): number =>
        sum(moved.map((value, c) => (value - at(logSumExp(moved, classes), 0)) * at(g, c)));
      const tolerance: Tolerance = () => size * (1e-6 + step ** 2);
      expectClose("softmaxGrad", core.softmaxGrad(g, core.softmax(x)), slope(dotSoftmax), classes, tolerance);
      expectClose(
        "logSoftmaxGrad",
        core.logSoftmaxGrad(g, core.logSoftmax(x)),
        slope(dotLogSoftmax),
        classes,
        tolerance,
      );
    }
  });

  test("the gradient of the loss is the backward pass of log-softmax, given minus one at the target", () => {
    for (const shape of SHAPES) {
      const { logits, targets, classes, shape: given, name } = batchOf("normal", shape);
      const g = new Float32Array(logits.length);
      targets.forEach((target, row) => {
        g[row * classes + target] = -1;
      });
      const got = core.logSoftmaxGrad(g, core.logSoftmax(logits, { shape: given }), { shape: given });
      const { grad } = core.crossEntropyWithGrad(logits, targets, { reduction: "sum" });
      // g - e^lp · Σg has terms of size 1, and e^lp the error of lp.
      expectClose(name, got, grad, classes, () => 4e-6);
    }
  });

  test("the loss expected under a distribution is at least its entropy, and that for the model's own", () => {
    for (const classes of [2, 3, 7, 16, 33]) {
      const random = mulberry32(classes);
      const row = Float32Array.from({ length: classes }, () => 2 * normal(random));
      const logits = Float32Array.from({ length: classes * classes }, (_, i) => at(row, i % classes));
      const losses = core.crossEntropy(logits, Int32Array.from(row.keys()), { reduction: "none" });
      const expected = (q: Float64Array): number => sum(q.map((p, c) => p * at(losses, c)));
      const entropy = (q: Float64Array): number => -sum(q.map((p) => p * Math.log(p)));
      const own = softmax(row, classes);
      expectCloseNumber(`${classes} classes`, expected(own), entropy(own), rowLosses(classes));
      for (let trial = 0; trial < 10; trial++) {
        const q = softmax(
          row.map((x) => x + normal(random)),
          classes,
        );
        expect(expected(q)).toBeGreaterThan(entropy(q));
      }
    }
  });

  test("classes in another order have their results in that order", () => {
    for (const shape of SHAPES) {
      const { rows, classes, logits, targets, shape: given, name } = batchOf("normal", shape);
      const reversed = Float32Array.from(logits, (_, i) => {
        const row = Math.floor(i / classes);
        return at(logits, (row + 1) * classes - 1 - (i - row * classes));
      });
      const want = core.softmax(logits, { shape: given });
      const got = core.softmax(reversed, { shape: given });
      for (let row = 0; row < rows; row++) {
        const mirrored = got.slice(row * classes, (row + 1) * classes).reverse();
        expectClose(name, mirrored, want.subarray(row * classes, (row + 1) * classes), classes, twice(probabilities));
      }
      const loss = core.crossEntropy(
        reversed,
        targets.map((target) => classes - 1 - target),
      );
      expectCloseNumber(name, loss, core.crossEntropy(logits, targets), twice(rowLosses(classes)));
    }
  });
});
