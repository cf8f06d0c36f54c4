/** The class axis anywhere: what comes out is that of the array with its classes moved to the end, moved back. */

import { expect, test } from "vitest";
import type { Core } from "../src/index.js";
import { describeBackends } from "./backends.js";
import { type Batch, batchOf, familyNames, gradientsOf } from "./inputs.js";
import * as oracle from "./oracle.js";
import {
  expectClose,
  expectCloseNumber,
  expectSameBits,
  logProbabilities,
  logSoftmaxGradients,
  logSums,
  lossGradients,
  probabilities,
  reducedLoss,
  rowLosses,
  softmaxGradients,
} from "./tolerances.js";

interface Layout {
  readonly shape: readonly number[];
  readonly axis: number;
}

/**
 * Positions that are fewer than a tile, one tile, several and a rest; classes through a chunk; a block's and a
 * scratch's seam.
 */
const layouts: readonly Layout[] = [
  { shape: [7, 3], axis: 0 },
  { shape: [5, 16], axis: 0 },
  { shape: [3, 1, 20], axis: 1 },
  { shape: [2, 10, 15], axis: 1 },
  { shape: [3, 4, 17], axis: 1 },
  { shape: [2, 21, 5, 10], axis: 1 },
  { shape: [2, 3, 4, 5], axis: 2 },
  { shape: [2, 3, 4, 5], axis: -4 },
  { shape: [1, 255, 18], axis: 1 },
  { shape: [2, 256, 33], axis: -2 },
  { shape: [1, 257, 16], axis: 1 },
  { shape: [1, 600, 35], axis: 1 },
];

const largeLayouts: readonly Layout[] = [
  { shape: [2, 3, 9001], axis: 1 },
  { shape: [1, 40, 9001], axis: 1 },
  { shape: [1, 5000, 101], axis: 1 },
  { shape: [2, 40_000, 18], axis: 1 },
];

function sizes({ shape, axis }: Layout) {
  const at = axis < 0 ? axis + shape.length : axis;
  const product = (values: readonly number[]): number => values.reduce((a, b) => a * b, 1);
  const outer = product(shape.slice(0, at));
  const inner = product(shape.slice(at + 1));
  return { outer, classes: Number(shape[at]), inner, rows: outer * inner };
}

/** Takes rows of classes to the layout. */
function moved(rows: Float32Array, layout: Layout): Float32Array {
  const { classes, inner } = sizes(layout);
  return rows.map((_, i, all) => {
    const block = Math.floor(i / (classes * inner));
    const c = Math.floor(i / inner) % classes;
    return Number(all[(block * inner + (i % inner)) * classes + c]);
  });
}

/** Takes an array of the layout to rows of classes. */
function movedBack(array: Float32Array, layout: Layout): Float32Array {
  const { classes, inner } = sizes(layout);
  return array.map((_, i, all) => {
    const row = Math.floor(i / classes);
    return Number(all[(Math.floor(row / inner) * classes + (i % classes)) * inner + (row % inner)]);
  });
}

function checkForward(core: Core, batch: Batch, layout: Layout): void {
  const { classes } = batch;
  const name = `${batch.name} as ${JSON.stringify(layout)}`;
  const x = moved(batch.logits, layout);
  const { logSoftmax, logSumExp, softmax } = oracle;
  const got = (call: "logSoftmax" | "softmax") => movedBack(core[call](x, layout), layout);
  expectClose(`logSoftmax ${name}`, got("logSoftmax"), logSoftmax(batch.logits, classes), classes, logProbabilities);
  expectClose(`softmax ${name}`, got("softmax"), softmax(batch.logits, classes), classes, probabilities);
  expectClose(`logSumExp ${name}`, core.logSumExp(x, layout), logSumExp(batch.logits, classes), 1, logSums);
}

function checkBackward(core: Core, batch: Batch, layout: Layout): void {
  const { classes } = batch;
  const name = `${batch.name} as ${JSON.stringify(layout)}`;
  const g = gradientsOf(batch);
  const gradOutput = moved(g, layout);
  const logProbs = Float32Array.from(oracle.logSoftmax(batch.logits, classes));
  const probs = Float32Array.from(oracle.softmax(batch.logits, classes));
  expectClose(
    `logSoftmaxGrad ${name}`,
    movedBack(core.logSoftmaxGrad(gradOutput, moved(logProbs, layout), layout), layout),
    oracle.logSoftmaxGrad(g, logProbs, classes),
    classes,
    logSoftmaxGradients(g, logProbs, classes),
  );
  expectClose(
    `softmaxGrad ${name}`,
    movedBack(core.softmaxGrad(gradOutput, moved(probs, layout), layout), layout),
    oracle.softmaxGrad(g, probs, classes),
    classes,
    softmaxGradients(g, probs, classes),
  );
}

function checkLoss(core: Core, batch: Batch, layout: Layout): void {
  const { rows, classes, logits } = batch;
  const name = `crossEntropy ${batch.name} as ${JSON.stringify(layout)}`;
  const x = moved(logits, layout);
  const targets = batch.targets.map((target, row) => (row % 5 === 2 ? -100 : target));
  const want = oracle.crossEntropy(logits, targets, classes, {});
  const { loss, grad } = core.crossEntropyWithGrad(x, targets, layout);
  expectCloseNumber(name, core.crossEntropy(x, targets, layout), want.loss, reducedLoss(rows * classes));
  expectCloseNumber(name, loss, want.loss, reducedLoss(rows * classes));
  expectClose(`grad of ${name}`, movedBack(grad, layout), want.grad, classes, lossGradients(1));
  const losses = core.crossEntropy(x, targets, { ...layout, reduction: "none" });
  expectClose(`rows of ${name}`, losses, want.rows, 1, rowLosses(classes));
  const tensors = { x: core.tensor(layout.shape), grad: core.tensor(layout.shape) };
  tensors.x.data.set(x);
  const { axis } = layout;
  // A sum of losses is one of logarithms of products, which begin anew where a block does.
  const again = core.crossEntropyWithGrad(tensors.x, targets, { axis, out: tensors.grad }).loss;
  expectCloseNumber(`tensors, ${name}`, again, loss, (want) => 1e-9 * want + Number.MIN_VALUE);
  expectSameBits(`tensors, ${name}`, tensors.grad.data, grad);
  expectSameBits(`the tensor of ${name}`, tensors.x.data, x);
  core.crossEntropyWithGrad(tensors.x, targets, { axis, out: tensors.x });
  expectSameBits(`in place, ${name}`, tensors.x.data, grad);
  tensors.x.dispose();
  tensors.grad.dispose();
}

describeBackends("the class axis", (core) => {
  test.each(familyNames)("may be any, %s", (family) => {
    for (const layout of layouts) {
      const batch = batchOf(family, sizes(layout));
      checkForward(core, batch, layout);
      checkBackward(core, batch, layout);
      checkLoss(core, batch, layout);
    }
  });

  test.each(largeLayouts)("may be any of large arrays, $shape", (layout) => {
    const batch = batchOf("peaked", sizes(layout));
    checkForward(core, batch, layout);
    checkBackward(core, batch, layout);
    checkLoss(core, batch, layout);
  });

  test("may be longer than the scratch and not the last", () => {
    const layout: Layout = { shape: [1, 262_145, 2], axis: 1 };
    const batch = batchOf("peaked", sizes(layout));
    checkForward(core, batch, layout);
    checkBackward(core, batch, layout);
  });

  test("may be longer than the scratch in the core's memory, for rows far from each other", () => {
    const layout: Layout = { shape: [600_000, 2], axis: 0 };
    const { classes, rows } = sizes(layout);
    const { logits, targets } = batchOf("peaked", { rows, classes });
    const far = logits.map((x, i) => x + 1000 * (1 + Math.floor(i / classes)));
    const want = oracle.crossEntropy(far, targets, classes, {});
    const x = core.tensor(layout.shape);
    x.data.set(moved(far, layout));
    const { loss, grad } = core.crossEntropyWithGrad(x, targets, { axis: 0, out: x });
    expectCloseNumber("loss", loss, want.loss, reducedLoss(rows * classes));
    expectClose("grad", movedBack(grad, layout), want.grad, classes, lossGradients(1));
    x.dispose();
  });

  test("may be any where some arrays lie in the core's memory and others do not", () => {
    const layout: Layout = { shape: [1, 40, 9001], axis: 1 };
    const x = moved(batchOf("normal", sizes(layout)).logits, layout);
    const want = core.softmax(x, layout);
    const inside = core.tensor(layout.shape);
    inside.data.set(x);
    expectSameBits("from a tensor to an array", core.softmax(inside, { axis: 1 }), want);
    core.softmax(x, { ...layout, out: inside });
    expectSameBits("from an array to a tensor", inside.data, want);
    inside.dispose();
  });

  test("takes targets in the logits' shape without it", () => {
    const logits = { data: batchOf("normal", { rows: 30, classes: 4 }).logits, dims: [2, 4, 3, 5] };
    const data = Int32Array.from({ length: 30 }, (_, i) => i % 4);
    const want = core.crossEntropy(logits, data, { axis: 1 });
    expect(core.crossEntropy(logits, { data, dims: [2, 3, 5] }, { axis: 1 })).toBe(want);
    expect(core.crossEntropy(logits, { data, dims: [2, 3, 5] }, { axis: -3 })).toBe(want);
  });
});
