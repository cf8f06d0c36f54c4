/** TensorFlow.js on its cpu backend: its tensors refused with what to pass, and its losses beside ours. */

import { deepStrictEqual, throws } from "node:assert/strict";
import { before, describe, it } from "node:test";
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import {
  binaryCrossEntropy,
  binaryCrossEntropyWithLogits,
  crossEntropy,
  crossEntropyWithGrad,
  logSoftmax,
  logSumExp,
  softmax,
} from "../../dist/index.js";
import { assertClose } from "./close.js";

const values = Float32Array.from({ length: 24 }, (_, i) => 4 * Math.sin(i * i));
const classes = Int32Array.of(3, 0, 1, 1, 2, 2);
const shape = [6, 4];
const probabilities = Float32Array.from({ length: 24 }, (_, i) => (i + 1) / 32);

describe("TensorFlow.js", () => {
  before(() => {
    tf.enableProdMode(); // silent about its native twin
    return tf.setBackend("cpu");
  });

  const read = (tensor) => ({ data: tensor.dataSync(), shape: tensor.shape });

  it("is told what to pass for a tensor, and that is taken", () => {
    const logits = tf.tensor(values, shape);
    const targets = tf.tensor(classes, [6], "int32");
    const advice = /got a tensor whose data is a function; pass \{ data: tensor\.dataSync\(\), shape \}$/;
    throws(() => crossEntropy(logits, classes), advice);
    throws(() => crossEntropy(values, targets), advice);
    deepStrictEqual(crossEntropyWithGrad(read(logits), read(targets)), crossEntropyWithGrad(values, classes));
  });

  it("has our loss and gradient where the targets are one-hot", () => {
    const logits = tf.tensor(values, shape);
    const oneHot = tf.oneHot(tf.tensor(classes, [6], "int32"), 4);
    const rows = (x) => tf.losses.softmaxCrossEntropy(oneHot, x, undefined, 0, tf.Reduction.NONE);
    assertClose(crossEntropy(values, classes), tf.losses.softmaxCrossEntropy(oneHot, logits).dataSync()[0]);
    const { loss, grad } = crossEntropyWithGrad(values, classes, { reduction: "none" });
    assertClose(loss, rows(logits).dataSync());
    assertClose(
      grad,
      tf
        .grad(rows)(logits, tf.ones([6]))
        .dataSync(),
    );
  });

  it("has our loss and gradient of soft targets that sum to 1, smoothed or not", () => {
    const masses = softmax(values.map(Math.cos), { shape });
    const [logits, targets] = [tf.tensor(values, shape), tf.tensor(masses, shape)];
    for (const labelSmoothing of [0, 0.1]) {
      const rows = (x) => tf.losses.softmaxCrossEntropy(targets, x, undefined, labelSmoothing, tf.Reduction.NONE);
      const options = { shape, labelSmoothing, reduction: "none" };
      const { loss, grad } = crossEntropyWithGrad(values, masses, options);
      assertClose(loss, rows(logits).dataSync());
      assertClose(
        grad,
        tf
          .grad(rows)(logits, tf.ones([6]))
          .dataSync(),
      );
      const mean = tf.losses.softmaxCrossEntropy(targets, logits, undefined, labelSmoothing);
      assertClose(crossEntropy(values, masses, { shape, labelSmoothing }), mean.dataSync()[0]);
    }
  });

  it("has our binary cross-entropies, weighted or not", () => {
    const [labels, factors] = [probabilities.map((p) => 1 - p), probabilities.map((p) => 2 * p)];
    const [logits, targets, probs, weights] = [values, labels, probabilities, factors].map((each) => tf.tensor(each));
    for (const [weight, theirs] of [
      [undefined, undefined],
      [factors, weights],
    ]) {
      const reduced = tf.losses.sigmoidCrossEntropy(targets, logits, theirs, 0, tf.Reduction.MEAN);
      const each = tf.losses.sigmoidCrossEntropy(targets, logits, theirs, 0, tf.Reduction.NONE);
      const normalizer = weight?.reduce((sum, each) => sum + each, 0);
      assertClose(binaryCrossEntropyWithLogits(values, labels, { weight, normalizer }), reduced.dataSync()[0]);
      assertClose(binaryCrossEntropyWithLogits(values, labels, { weight, reduction: "none" }), each.dataSync());
      const logLoss = tf.losses.logLoss(targets, probs, theirs, 0, tf.Reduction.NONE);
      assertClose(binaryCrossEntropy(probabilities, labels, { weight, reduction: "none" }), logLoss.dataSync());
    }
  });

  it("has our softmax, log-softmax and log-sum-exp", () => {
    const logits = tf.tensor(values, shape);
    assertClose(softmax(values, { shape }), tf.softmax(logits).dataSync());
    assertClose(logSoftmax(values, { shape }), tf.logSoftmax(logits).dataSync());
    assertClose(logSumExp(values, { shape }), tf.logSumExp(logits, 1).dataSync());
  });
});
