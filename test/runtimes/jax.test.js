/** jax-js: its arrays refused with what to pass, and its log-softmax and its gradient beside ours. */

import { throws } from "node:assert/strict";
import { before, describe, it } from "node:test";
import { defaultDevice, grad, init, nn, numpy } from "@jax-js/jax";
import { crossEntropy, crossEntropyWithGrad, logSoftmax } from "../../dist/index.js";
import { assertClose } from "./close.js";

const values = Float32Array.from({ length: 24 }, (_, i) => 4 * Math.sin(i * i));
const classes = [3, 0, 1, 1, 2, 2];
const shape = [6, 4];

/** Its exponentials and logarithms are its own polynomials: the same row in float64 is 1.5e-6 away. */
const COARSE = 6e-6;

describe("jax-js", () => {
  before(async () => {
    await init("wasm");
    defaultDevice("wasm");
  });

  const logits = () => numpy.array(values).reshape(shape);

  it("is told what to pass for an array, and that is taken", () => {
    const array = logits();
    throws(() => crossEntropy(array, classes), /pass \{ data: tensor\.dataSync\(\), shape \}$/);
    const read = { shape: array.shape, data: array.dataSync() };
    assertClose(crossEntropy(read, classes), crossEntropy(values, classes));
  });

  it("has our log-softmax, and the gradient of our loss", () => {
    assertClose(logSoftmax(values, { shape }), nn.logSoftmax(logits()).dataSync(), COARSE);
    const loss = (x) =>
      nn
        .logSoftmax(x)
        .mul(nn.oneHot(numpy.array(classes, { dtype: numpy.int32 }), 4))
        .sum()
        .mul(-1 / 6);
    assertClose(crossEntropyWithGrad(values, classes).grad, grad(loss)(logits()).dataSync(), COARSE);
  });
});
