/** ONNX Runtime, in WebAssembly and native, on models of its operators. */
import { model, node } from "../../test/runtimes/onnx-model.js";
import type { Call } from "../contenders.js";
import type { Inputs } from "../inputs.js";
import { timedAsync } from "../measure.js";
import { type Peer, type Prepared, versionOf } from "./peer.js";

/** Its packages for inference compute none: as one would write it then. */
const GRADIENT = "the gradient by Exp, Mul and ScatterElements from the loss's log-probabilities";

type Runtime = Pick<typeof import("onnxruntime-web"), "env" | "InferenceSession" | "Tensor">;

export async function openWeb(): Promise<Peer[]> {
  const runtime: Runtime = await import("onnxruntime-web");
  runtime.env.wasm.numThreads = 1;
  await load(runtime, "wasm");
  // What it gives Node for its own threads, jax-js would take for web workers, and make threads of them.
  Reflect.deleteProperty(globalThis, "Worker");
  return [
    {
      implementation: "ONNX Runtime Web",
      version: versionOf("onnxruntime-web"),
      memory: "array",
      terms: `arrays, which each call copies into its memory and out of it; ${GRADIENT}`,
      prepare: (call, inputs) => prepare(runtime, "wasm", call, inputs),
    },
  ];
}

export async function openNative(): Promise<Peer[]> {
  const runtime: Runtime = await import("onnxruntime-node");
  await load(runtime, "cpu");
  return [
    {
      implementation: "ONNX Runtime native",
      version: versionOf("onnxruntime-node"),
      memory: "array",
      terms: `arrays; ${GRADIENT}`,
      prepare: (call, inputs) => prepare(runtime, "cpu", call, inputs),
    },
  ];
}

/** The runtime itself is loaded for its first session. */
async function load(runtime: Runtime, provider: string): Promise<void> {
  const session = await openSession(runtime, provider, "softmax", 1);
  await session.release();
}

function openSession({ InferenceSession }: Runtime, provider: string, call: Call, rows: number) {
  return InferenceSession.create(modelOf(call, rows), {
    executionProviders: [provider],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
}

async function prepare(runtime: Runtime, provider: string, call: Call, inputs: Inputs): Promise<Prepared> {
  const { rows, classes, logits, targets } = inputs;
  const session = await openSession(runtime, provider, call, rows);
  const feeds = {
    logits: new runtime.Tensor("float32", logits, [rows, classes]),
    ...(session.inputNames.includes("targets") && {
      targets: new runtime.Tensor("int64", BigInt64Array.from(targets, BigInt), [rows]),
    }),
  };
  let results = await session.run(feeds);
  return {
    ...timedAsync(async () => {
      results = await session.run(feeds);
      return floats(results.loss)[0] ?? 0;
    }),
    ...(session.outputNames.includes("output") && { output: () => floats(results.output) }),
    dispose: () => void session.release(),
  };
}

function floats(tensor: { readonly data: unknown } | undefined): Float32Array {
  return tensor?.data instanceof Float32Array ? tensor.data : new Float32Array();
}

function modelOf(call: Call, rows: number): Uint8Array {
  const loss = (outputs: string[]) => node("SoftmaxCrossEntropyLoss", ["logits", "targets"], outputs);
  const logits = { logits: "float32" };
  const targets = { targets: "int64" };
  switch (call) {
    case "crossEntropy":
      return model({ nodes: [loss(["loss"])], inputs: { ...logits, ...targets }, outputs: { loss: "float32" } });
    case "crossEntropyWithGrad":
      return model({
        nodes: [
          loss(["loss", "logProbs"]),
          node("Exp", ["logProbs"], ["probs"]),
          node("Mul", ["probs", "share"], ["scaled"]),
          node("Flatten", ["targets"], ["column"]),
          node("ScatterElements", ["scaled", "column", "minusShare"], ["output"], { axis: 1, reduction: "add" }),
        ],
        inputs: { ...logits, ...targets },
        outputs: { loss: "float32", output: "float32" },
        constants: {
          share: { data: Float32Array.of(1 / rows), dims: [] },
          minusShare: { data: new Float32Array(rows).fill(-1 / rows), dims: [rows, 1] },
        },
      });
    case "logSoftmax":
    case "softmax": {
      const operator = { logSoftmax: "LogSoftmax", softmax: "Softmax" }[call];
      return model({ nodes: [node(operator, ["logits"], ["output"])], inputs: logits, outputs: { output: "float32" } });
    }
  }
}
