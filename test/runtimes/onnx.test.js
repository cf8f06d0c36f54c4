/** ONNX Runtime, in WebAssembly and native: its outputs as arguments, and its losses beside ours. */

import { deepStrictEqual, notDeepStrictEqual, strictEqual } from "node:assert/strict";
import { describe, it } from "node:test";
import * as native from "onnxruntime-node";
import * as web from "onnxruntime-web";
import { crossEntropy, crossEntropyWithGrad, logSoftmax, nllLoss } from "../../dist/index.js";
import { assertClose } from "./close.js";
import { model, node, types } from "./onnx-model.js";

const features = Float32Array.of(1, 0.5, -2, 0, 3, 1, -1, 4);
const layer = { data: Float32Array.of(1, -1, 0.5, 2, 0, 1), dims: [2, 3] };
const bias = { data: Float32Array.of(0.1, 0, -3), dims: [3] };
const classes = BigInt64Array.of(0n, 2n, -100n, 1n);

/** A layer that gives the logits of three classes, in float32 and float16, and what was left of them in float32. */
const classifier = model({
  nodes: [
    node("Gemm", ["x", "layer", "bias"], ["logits"]),
    node("Cast", ["logits"], ["halves"], { to: types.float16 }),
    node("Cast", ["halves"], ["widened"], { to: types.float32 }),
  ],
  inputs: { x: "float32" },
  outputs: { logits: "float32", halves: "float16", widened: "float32" },
  constants: { layer, bias },
});

/** A loss by its operator, weighted where there is a weight. */
const lossOf = (operator, input, outputs, attributes, constants) =>
  model({
    nodes: [node(operator, [input, "targets", ...Object.keys(constants)], Object.keys(outputs), attributes)],
    inputs: { [input]: "float32", targets: "int64" },
    outputs,
    constants,
  });

/** Logits of two images of three pixels in four classes. */
const logits = Float32Array.from({ length: 24 }, (_, i) => 5 * Math.sin(i * i) + (i % 7 === 0 ? 20 : 0));
const pixels = BigInt64Array.of(3n, 0n, 1n, 1n, -1n, 2n);
const weight = { data: Float32Array.of(1, 0.25, 3, 0), dims: [4] };

for (const [name, ort] of Object.entries({ "onnxruntime-web": web, "onnxruntime-node": native })) {
  describe(name, () => {
    const run = async (bytes, feeds) => (await ort.InferenceSession.create(bytes)).run(feeds);
    const x = new ort.Tensor("float32", features, [4, 2]);
    const targets = new ort.Tensor("int64", classes, [4]);

    it("gives logits that are taken as they are", async () => {
      const { logits } = await run(classifier, { x });
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

    it("gives logits of float16, which are taken as they are", async () => {
      const { logits, halves, widened } = await run(classifier, { x });
      strictEqual(halves.type, "float16");
      notDeepStrictEqual(widened.data, logits.data);
      deepStrictEqual(crossEntropyWithGrad(halves, targets), crossEntropyWithGrad(widened, targets));
      deepStrictEqual(logSoftmax(halves), logSoftmax(widened));
    });

    for (const reduction of ["mean", "sum", "none"]) {
      for (const ignore_index of [-100, -1, 1]) {
        for (const constants of [{}, { weight }]) {
          const title = `${reduction}, ignore_index ${ignore_index}${constants.weight ? ", weighted" : ""}`;
          const kept = pixels.map((target) => (target === -1n ? BigInt(ignore_index) : target));
          const targets = new ort.Tensor("int64", kept, [2, 3]);
          const options = { axis: 1, reduction, ignoreIndex: ignore_index, weight: constants.weight };
          const values = (loss) => (reduction === "none" ? loss : [loss]);

          it(`has our cross-entropy, ${title}`, async () => {
            const x = new ort.Tensor("float32", logits, [2, 4, 3]);
            const outputs = { loss: "float32", logProbs: "float32" };
            const bytes = lossOf("SoftmaxCrossEntropyLoss", "logits", outputs, { reduction, ignore_index }, constants);
            const { loss, logProbs } = await run(bytes, { logits: x, targets });
            assertClose(values(crossEntropy(x, targets, options)), loss.data);
            assertClose(logSoftmax(x, { axis: 1 }), logProbs.data);
          });

          it(`has our negative log-likelihood, ${title}`, async () => {
            const logProbs = new ort.Tensor("float32", logSoftmax(logits, { shape: [2, 4, 3], axis: 1 }), [2, 4, 3]);
            const outputs = { loss: "float32" };
            const bytes = lossOf(
              "NegativeLogLikelihoodLoss",
              "logProbs",
              outputs,
              { reduction, ignore_index },
              constants,
            );
            const { loss } = await run(bytes, { logProbs, targets });
            assertClose(values(nllLoss(logProbs, targets, options)), loss.data);
          });
        }
      }
    }
  });
}
