/** Fresh results are written as a whole, whatever their memory held before: it need not be zeroed. */

import { Buffer } from "node:buffer";
import { afterEach, expect, test, vi } from "vitest";
import type { Core, ResultArray } from "../src/index.js";
import { describeBackends } from "./backends.js";
import { batchOf } from "./inputs.js";
import { ignoring } from "./losses.js";

/** Enough rows for their losses to be of so many bytes too, and classes for the kernels of all lengths. */
const SHAPES = [
  { rows: 20011, classes: 3 },
  { rows: 70, classes: 515 },
];

/** Everything that makes an array of fresh memory, of float32 and of float64. */
function resultsOf(core: Core, { rows, classes }: (typeof SHAPES)[number]): ResultArray[] {
  const batch = ignoring(batchOf("normal", { rows, classes }), -100);
  const { targets, shape } = batch;
  const none = { shape, reduction: "none" } as const;
  return [batch.logits, Float64Array.from(batch.logits)].flatMap((logits) => {
    const logProbs = core.logSoftmax(logits, { shape });
    const probs = core.softmax(logits, { shape });
    const masses = probs.slice();
    return [
      logProbs,
      probs,
      core.logSumExp(logits, { shape }),
      core.logSoftmaxGrad(logits, logProbs, { shape }),
      core.softmaxGrad(logits, probs, { shape }),
      core.crossEntropy(logits, targets, none),
      core.crossEntropyWithGrad(logits, targets, { shape }).grad,
      core.crossEntropyWithGrad(logits, targets, { shape, labelSmoothing: 0.1, softcap: 9 }).grad,
      ...Object.values(core.crossEntropyWithGrad(logits, masses, none)),
      core.crossEntropyWithGrad(
        logits,
        targets.map(() => -100),
        { shape },
      ).grad,
      core.softmax(logits, { shape: [1, classes, rows], axis: 1 }),
      core.logSoftmax(logits, { shape: [1, classes, rows], axis: 1 }),
      core.crossEntropyWithGrad(logits, targets, { shape: [1, classes, rows], axis: 1 }).grad,
      core.nllLoss(logProbs, targets, none),
      core.nllLossWithGrad(logProbs, targets, { shape }).grad,
      ...Object.values(core.binaryCrossEntropyWithGrad(probs, masses, none)),
      ...Object.values(core.binaryCrossEntropyWithLogitsWithGrad(logits, masses, none)),
      ...Object.values(core.klDivergenceWithGrad(logProbs, masses, none)),
    ];
  });
}

const bytesOf = (result: ResultArray = new Float32Array()): Buffer =>
  Buffer.from(result.buffer, result.byteOffset, result.byteLength);

/** NaN, as float32 and as float64. */
const DIRT = 0xff;

afterEach(() => {
  vi.restoreAllMocks();
});

describeBackends("fresh results", (core) => {
  test.each(SHAPES)("are written as a whole: $rows × $classes", (shape) => {
    const allocate = vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation((size) => Buffer.alloc(size, DIRT));
    const dirty = resultsOf(core, shape);
    expect(allocate).toHaveBeenCalled();
    allocate.mockImplementation((size) => Buffer.from(new ArrayBuffer(size)));
    const clean = resultsOf(core, shape);
    const differing = dirty.flatMap((result, i) => (bytesOf(result).equals(bytesOf(clean[i])) ? [] : [i]));
    expect(differing).toEqual([]);
  });

  test("are no part of somebody else's memory", () => {
    const pool = new ArrayBuffer(1 << 20);
    vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation((size) => Buffer.from(pool, 8, size));
    const { buffer } = core.softmax(new Float32Array(1 << 15));
    expect(buffer).not.toBe(pool);
    expect(buffer.byteLength).toBe(1 << 17);
  });

  test("need no Buffer", () => {
    vi.stubGlobal("Buffer", undefined);
    const probs = core.softmax(new Float32Array(1 << 15));
    vi.unstubAllGlobals();
    expect(probs[0]).toBe(2 ** -15);
  });
});
