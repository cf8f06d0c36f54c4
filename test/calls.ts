/**
 * Every function whose result is an array, in one form, for what holds for all of them: memory, rows, agreement.
 * `input` is the argument laid out like the logits that may be computed in place; the others are fixed by the batch.
 */

import type { Core, FloatArrayLike, ResultArray } from "../src/index.js";
import { type Batch, gradientsOf, remembered } from "./inputs.js";
import { logSoftmax, softmax } from "./oracle.js";

export interface ArrayCall {
  readonly name: string;
  readonly input: (batch: Batch) => Float32Array;
  readonly resultLength: (batch: Batch) => number;
  readonly run: (core: Core, input: FloatArrayLike, batch: Batch, out?: FloatArrayLike) => Float32Array;
}

const logProbsOf = remembered(({ logits, classes }: Batch) => new Float32Array(logSoftmax(logits, classes)));
const probsOf = remembered(({ logits, classes }: Batch) => new Float32Array(softmax(logits, classes)));
const gradientOf = remembered((batch: Batch) => gradientsOf(batch));
const rowGradientOf = remembered(({ rows }: Batch) => gradientsOf({ rows, classes: 1 }));

/** A result that is float32, as those of float32 are. */
function single(result: ResultArray): Float32Array {
  if (!(result instanceof Float32Array)) throw new TypeError(`expected a Float32Array, got ${result}`);
  return result;
}

const onePerClass = ({ logits }: Batch): number => logits.length;
const onePerRow = ({ rows }: Batch): number => rows;
const logitsOf = ({ logits }: Batch): Float32Array => logits;

/** Those with a result laid out like the input, which can be computed in place. */
export const inPlaceCalls: readonly ArrayCall[] = [
  {
    name: "logSoftmax",
    input: logitsOf,
    resultLength: onePerClass,
    run: (core, x, { shape }, out) => single(core.logSoftmax(x, { shape, out })),
  },
  {
    name: "softmax",
    input: logitsOf,
    resultLength: onePerClass,
    run: (core, x, { shape }, out) => single(core.softmax(x, { shape, out })),
  },
  {
    name: "logSoftmaxGrad of gradOutput",
    input: gradientOf,
    resultLength: onePerClass,
    run: (core, x, batch, out) => single(core.logSoftmaxGrad(x, logProbsOf(batch), { shape: batch.shape, out })),
  },
  {
    name: "logSoftmaxGrad of logProbs",
    input: logProbsOf,
    resultLength: onePerClass,
    run: (core, x, batch, out) => single(core.logSoftmaxGrad(gradientOf(batch), x, { shape: batch.shape, out })),
  },
  {
    name: "softmaxGrad of gradOutput",
    input: gradientOf,
    resultLength: onePerClass,
    run: (core, x, batch, out) => single(core.softmaxGrad(x, probsOf(batch), { shape: batch.shape, out })),
  },
  {
    name: "softmaxGrad of probs",
    input: probsOf,
    resultLength: onePerClass,
    run: (core, x, batch, out) => single(core.softmaxGrad(gradientOf(batch), x, { shape: batch.shape, out })),
  },
  {
    name: "crossEntropyWithGrad by mean",
    input: logitsOf,
    resultLength: onePerClass,
    run: (core, x, { targets, shape }, out) => single(core.crossEntropyWithGrad(x, targets, { shape, out }).grad),
  },
  {
    name: "crossEntropyWithGrad by none",
    input: logitsOf,
    resultLength: onePerClass,
    run: (core, x, batch, out) =>
      single(
        core.crossEntropyWithGrad(x, batch.targets, {
          shape: batch.shape,
          reduction: "none",
          gradOutput: rowGradientOf(batch),
          out,
        }).grad,
      ),
  },
];

/** Those with one result a row, and the row losses that come beside a gradient. */
const rowCalls: readonly ArrayCall[] = [
  {
    name: "logSumExp",
    input: logitsOf,
    resultLength: onePerRow,
    run: (core, x, { shape }, out) => single(core.logSumExp(x, { shape, out })),
  },
  {
    name: "crossEntropy by none",
    input: logitsOf,
    resultLength: onePerRow,
    run: (core, x, { targets, shape }, out) => single(core.crossEntropy(x, targets, { shape, reduction: "none", out })),
  },
];

export const arrayCalls: readonly ArrayCall[] = [...inPlaceCalls, ...rowCalls];
