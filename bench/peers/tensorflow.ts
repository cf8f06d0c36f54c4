/** TensorFlow.js, on its wasm backend without threads and on its plain JavaScript one. */
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import type { Call } from "../contenders.js";
import type { Inputs } from "../inputs.js";
import { timed } from "../measure.js";
import { type Peer, type Prepared, versionOf } from "./peer.js";

const BACKENDS = ["wasm", "cpu"] as const;

export async function open(): Promise<Peer[]> {
  tf.enableProdMode();
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  for (const backend of BACKENDS) await tf.setBackend(backend);
  return BACKENDS.map((backend) => ({
    implementation: `TensorFlow.js ${backend}`,
    version: versionOf("@tensorflow/tfjs"),
    memory: "tensor",
    terms: "tensors; targets as one-hot rows, as its loss takes them",
    prepare: (call, inputs) => prepare(backend, call, inputs),
  }));
}

async function prepare(backend: string, call: Call, { rows, classes, ...inputs }: Inputs): Promise<Prepared> {
  await tf.setBackend(backend);
  const logits = tf.tensor2d(inputs.logits, [rows, classes]);
  // Not by a type that oneHot is asked for: on wasm its float32 holds an integer's bits.
  const labels = tf.tidy(() => tf.oneHot(tf.tensor1d(inputs.targets, "int32"), classes).toFloat());

  const lossOf = (x: tf.Tensor): tf.Scalar => tf.losses.softmaxCrossEntropy(labels, x);
  const lossWithGrad = tf.valueAndGrad(lossOf);
  let result: tf.Tensor | undefined;
  const { run, turn } = timed(
    {
      crossEntropy: () => take(tf.tidy(() => lossOf(logits))),
      crossEntropyWithGrad: () => {
        result?.dispose();
        const { value, grad } = lossWithGrad(logits);
        result = grad;
        return take(value);
      },
      logSoftmax: () => {
        result?.dispose();
        result = tf.logSoftmax(logits);
        return 0;
      },
      softmax: () => {
        result?.dispose();
        result = tf.softmax(logits);
        return 0;
      },
    }[call],
  );

  return {
    async run() {
      await tf.setBackend(backend);
      return run();
    },
    async turn(milliseconds) {
      await tf.setBackend(backend);
      return turn(milliseconds);
    },
    ...(call !== "crossEntropy" && { output: () => Float32Array.from(result?.dataSync() ?? []) }),
    dispose() {
      tf.dispose([logits, labels]);
      result?.dispose();
    },
  };
}

/** A scalar's value; the scalar is gone then. */
function take(scalar: tf.Scalar): number {
  const [value] = scalar.dataSync();
  scalar.dispose();
  return value ?? Number.NaN;
}
