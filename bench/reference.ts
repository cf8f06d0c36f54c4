import type { Call } from "./contenders.js";
import type { Inputs } from "./inputs.js";

/** What every contender has to come to. */
export interface Reference {
  /** The mean loss, of a call that has one. */
  readonly loss?: number;
  /** The array that the call writes. */
  readonly output: Float64Array;
}

export function makeReference(call: Call, inputs: Inputs): Reference {
  switch (call) {
    case "crossEntropy":
    case "crossEntropyWithGrad":
      return makeLoss(inputs);
    case "logSoftmax":
      return { output: eachRow(inputs, (x, max, sum) => x - max - Math.log(sum)) };
    case "softmax":
      return { output: eachRow(inputs, (x, max, sum) => Math.exp(x - max) / sum) };
  }
}

/**
 * In float64 throughout. The target stays out of the sum: its gradient is minus the probability of all others, to
 * full precision where that of the target itself is too close to 1 to tell.
 */
function makeLoss({ rows, classes, logits, targets }: Inputs): Reference {
  const grad = new Float64Array(logits.length);
  let total = 0;
  targets.forEach((target, row) => {
    const first = row * classes;
    const x = logits.subarray(first, first + classes);
    const probs = grad.subarray(first, first + classes);
    const max = x.reduce((a, b) => Math.max(a, b));
    let others = 0;
    x.forEach((value, c) => {
      const e = Math.exp(value - max);
      probs[c] = e;
      if (c !== target) others += e;
    });
    const own = probs[target] as number;
    const sum = own + others;
    total += own === 1 ? Math.log1p(others) : Math.log(sum) + max - (x[target] as number);
    probs.forEach((e, c) => {
      probs[c] = e / sum / rows;
    });
    probs[target] = -others / sum / rows;
  });
  return { loss: total / rows, output: grad };
}

/** A value for each logit, of its row's maximum and the sum of e^(x - maximum). */
function eachRow({ classes, logits }: Inputs, value: (x: number, max: number, sum: number) => number): Float64Array {
  const output = new Float64Array(logits.length);
  for (let first = 0; first < logits.length; first += classes) {
    const row = logits.subarray(first, first + classes);
    const max = row.reduce((a, b) => Math.max(a, b));
    const sum = row.reduce((total, x) => total + Math.exp(x - max), 0);
    row.forEach((x, c) => {
      output[first + c] = value(x, max, sum);
    });
  }
  return output;
}
