/** ONNX Runtime, in WebAssembly and native: its outputs as arguments, and its losses beside ours. */

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { describe, it } from "node:test";
import * as native from "onnxruntime-node";
import * as web from "onnxruntime-web";
import { crossEntropy, crossEntropyWithGrad, logSoftmax } from "../../dist/index.js";
import { assertClose } from "./close.js";
import { model, node, types } from "./onnx-model.js";

const features = Float32Array.of(1, 0.5, -2, 0, 3, 1, -1, 4);
const weight = { data: Float32Array.of(1, -1, 0.5, 2, 0, 1), dims: [2, 3] };
const bias = { data: Float32Array.of(0.1, 0, -3), dims: [3] };
const classes = BigInt64Array.of(0n, 2n, -100n, 1n);

/** A layer that gives the logits of three classes. */
const classifier = (type) =>
  model({
    nodes: [
      node("Gemm", ["x", "weight", "bias"], ["scores"]),
      node("Cast", ["scores"], ["logits"], { to: types[type] }),
    ],
    inputs: { x: "float32" },
    outputs: { logits: type },
    constants: { weight, bias },
  });

/** The loss by its operator. */
const lossOf = (attributes, constants) =>
  model({
    nodes: [
      node(
        "SoftmaxCrossEntropyLoss",
        ["logits", "targets", ...Object.keys(constants)],
        ["loss", "logProbs"],
        attributes,
      ),
    ],
    inputs: { logits: "float32", targets: "int64" },
    outputs: { loss: "float32", logProbs: "float32" },
    constants,
  });

/** Logits of two images of three pixels in four classes. */
const logits = Float32Array.from({ length: 24 }, (_, i) => 5 * Math.sin(i * i) + (i % 7 === 0 ? 20 : 0));
const pixels = BigInt64Array.of(3n, 0n, 1n, 1n, -1n, 2n);

for (const [name, ort] of Object.entries({ "onnxruntime-web": web, "onnxruntime-node": native })) {
  describe(name, () => {
    const run = async (bytes, feeds) => (await ort.InferenceSession.create(bytes)).run(feeds);
    const x = new ort.Tensor("float32", features, [4, 2]);
    const targets = new ort.Tensor("int64", classes, [4]);

    it("gives logits that are taken as they are", async () => {
      const { logits } = await run(classifier("float32"), { x });
      const options = { shape: [4, 3] };
      strictEqual(crossEntropy(logits, targets), crossEntropy(logits.data, classes, options));
      deepStrictEqual(
        crossEntropyWithGrad(logits, targets, { reduction: "none" }),
        crossEntropyWithGrad(logits.data, classes, { ...options, reduction: "none" }),
      );
      const expected = crossEntropyWithGrad(logits, targets).grad;
      const { grad } = crossEntropyWithGrad(logits, targets, { out: logits });
      strictEqual(grad, logits.data);
      deepStrictEqual(grad, expected);
    });

    for (const reduction of ["mean", "sum", "none"]) {
      for (const ignore_index of [-100, -1, 1]) {
        it(`has our loss, ${reduction}, with ignore_index ${ignore_index}`, async () => {
          const kept = pixels.map((target) => (target === -1n ? BigInt(ignore_index) : target));
          const feeds = {
            logits: new ort.Tensor("float32", logits, [2, 4, 3]),
            targets: new ort.Tensor("int64", kept, [2, 3]),
          };
          const { loss, logProbs } = await run(lossOf({ reduction, ignore_index }, {}), feeds);
          const ours = crossEntropy(feeds.logits, feeds.targets, { axis: 1, reduction, ignoreIndex: ignore_index });
          assertClose(reduction === "none" ? ours : [ours], loss.data);
          assertClose(logSoftmax(feeds.logits, { axis: 1 }), logProbs.data);
        });
      }
    }
  });
}
