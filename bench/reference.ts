import type { Inputs } from "./inputs.js";

/** What every contender has to come to: the mean loss and its gradient. */
export interface Reference {
  readonly loss: number;
  readonly grad: Float64Array;
}

/**
 * In float64 throughout. The target stays out of the sum: its gradient is minus the probability of all others, to
 * full precision where that of the target itself is too close to 1 to tell.
 */
export function makeReference({ rows, classes, logits, targets }: Inputs): Reference {
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
  return { loss: total / rows, grad };
}
