/** transformers.js: its tensors as arguments, and its log-softmax beside ours. */

import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { describe, it } from "node:test";
import { log_softmax, softmax as softmaxOfArray, Tensor } from "@huggingface/transformers";
import { crossEntropy, crossEntropyWithGrad, logSoftmax, softmax } from "../../dist/index.js";
import { assertClose } from "./close.js";

const values = Float32Array.from({ length: 24 }, (_, i) => 4 * Math.sin(i * i));
const classes = BigInt64Array.of(3n, 0n, -100n, 1n, 2n, 2n);

describe("a tensor of transformers.js", () => {
  const logits = () => new Tensor("float32", values.slice(), [2, 3, 4]);
  const targets = new Tensor("int64", classes, [2, 3]);

  it("is taken as it is", () => {
    const shape = [2, 3, 4];
    strictEqual(crossEntropy(logits(), targets), crossEntropy(values, classes, { shape }));
    const expected = crossEntropyWithGrad(values, classes, { shape });
    deepStrictEqual(crossEntropyWithGrad(logits(), targets), expected);
    const out = logits();
    strictEqual(crossEntropyWithGrad(out, targets, { out }).grad, out.data);
    deepStrictEqual(out.data, expected.grad);
  });

  it("is taken after its own slicing and transposing, which copy", () => {
    const last = logits().slice(null, -1);
    deepStrictEqual(last.dims, [2, 4]);
    deepStrictEqual(
      softmax(last),
      softmax(Float32Array.of(...values.subarray(8, 12), ...values.subarray(20)), { shape: [2, 4] }),
    );
    const transposed = logits().permute(0, 2, 1);
    strictEqual(crossEntropy(transposed, targets, { axis: 1 }), crossEntropy(logits(), targets));
  });

  it("has its library's log-softmax", () => {
    const row = logits().slice(0, 0);
    assertClose(logSoftmax(row), log_softmax(row.data));
    assertClose(softmax(row), softmaxOfArray(row.data));
  });

  it("is refused where it is of integers, by name", () => {
    throws(() => softmax(targets), /^TypeError: x: expected .*, got a BigInt64Array$/);
  });
});
