/** jax-js on its wasm device. Its threads are web workers; where there are none, as in Node, it has one. */
import { defaultDevice, init, jit, nn, numpy, valueAndGrad } from "@jax-js/jax";
import type { Call } from "../contenders.js";
import type { Inputs } from "../inputs.js";
import { timedAsync } from "../measure.js";
import { type Peer, type Prepared, versionOf } from "./peer.js";

type Values = numpy.Array;

/** How long each way to make a call is tried, in milliseconds. */
const TRIAL = 10;

export async function open(): Promise<Peer[]> {
  await init("wasm");
  defaultDevice("wasm");
  return [
    {
      implementation: "jax-js",
      version: versionOf("@jax-js/jax"),
      memory: "tensor",
      terms: "arrays of its own; under jit or not, whichever is faster in a trial",
      prepare,
    },
  ];
}

async function prepare(call: Call, inputs: Inputs): Promise<Prepared> {
  const { rows, classes } = inputs;
  const logits = numpy.array(inputs.logits.slice()).reshape([rows, classes]);
  const targets = numpy.array(inputs.targets.slice()).reshape([rows, 1]);

  const gathered = (x: Values, y: Values): Values =>
    nn
      .logsumexp(x.ref, -1)
      .sub(numpy.takeAlongAxis(x, y, 1).reshape([rows]))
      .mean();
  // The gradient of a gathering is a scattering, which jit does not take.
  const selected = (x: Values, y: Values): Values =>
    nn
      .logsumexp(x.ref, -1)
      .sub(numpy.where(numpy.arange(classes).equal(y), x, 0).sum(-1))
      .mean();

  let result: Values | undefined;
  const lossBy = (loss: typeof gathered) => async () => loss(logits.ref, targets.ref).item();
  const gradBy = (lossWithGrad: (x: Values, y: Values) => [Values, Values]) => async () => {
    result?.dispose();
    const [loss, grad] = lossWithGrad(logits.ref, targets.ref);
    result = await grad.blockUntilReady();
    return loss.item();
  };
  const softmaxBy = (softmax: (x: Values) => Values) => async () => {
    result?.dispose();
    result = await softmax(logits.ref).blockUntilReady();
    return 0;
  };

  const run = await fastest(
    {
      crossEntropy: [lossBy(gathered), lossBy(jit(gathered))],
      crossEntropyWithGrad: [gradBy(valueAndGrad(gathered)), gradBy(jit(valueAndGrad(selected)))],
      logSoftmax: [softmaxBy((x) => nn.logSoftmax(x)), softmaxBy(jit((x: Values) => nn.logSoftmax(x)))],
      softmax: [softmaxBy((x) => nn.softmax(x)), softmaxBy(jit((x: Values) => nn.softmax(x)))],
    }[call],
  );
  return {
    ...timedAsync(run),
    ...(call !== "crossEntropy" && { output: () => Float32Array.from(result?.ref.dataSync() ?? []) }),
    dispose() {
      logits.dispose();
      targets.dispose();
      result?.dispose();
    },
  };
}

async function fastest<R extends () => Promise<number>>(ways: readonly R[]): Promise<R> {
  let [best, least] = [ways[0] as R, Number.POSITIVE_INFINITY];
  for (const way of ways) {
    const { turn } = timedAsync(way);
    await turn(TRIAL);
    const time = await turn(TRIAL);
    if (time < least) [best, least] = [way, time];
  }
  return best;
}
