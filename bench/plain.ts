/**
 * What stands in for this package where there is none: the textbook's loops over a `Float32Array`, as one writes them
 * in JavaScript. The casts say that the indices are inside; they leave no trace in what runs.
 */

/** The mean over rows of log Σ e^x - x[target], the row's maximum taken out of the exponentials. */
export function crossEntropy(logits: Float32Array, targets: Int32Array): number {
  const rows = targets.length;
  const classes = logits.length / rows;
  let total = 0;
  for (let row = 0; row < rows; row++) {
    const first = row * classes;
    const end = first + classes;
    let max = Number.NEGATIVE_INFINITY;
    for (let i = first; i < end; i++) {
      const x = logits[i] as number;
      if (x > max) max = x;
    }
    let sum = 0;
    for (let i = first; i < end; i++) sum += Math.exp((logits[i] as number) - max);
    total += max + Math.log(sum) - (logits[first + (targets[row] as number)] as number);
  }
  return total / rows;
}

/**
 * The same, and its gradient (softmax - onehot) / rows written to `grad`. It keeps the exponentials there and scales
 * them once their sum is known: of the two usual ways this is the faster one, the other computes each of them twice.
 */
export function crossEntropyWithGrad(logits: Float32Array, targets: Int32Array, grad: Float32Array): number {
  const rows = targets.length;
  const classes = logits.length / rows;
  let total = 0;
  for (let row = 0; row < rows; row++) {
    const first = row * classes;
    const end = first + classes;
    let max = Number.NEGATIVE_INFINITY;
    for (let i = first; i < end; i++) {
      const x = logits[i] as number;
      if (x > max) max = x;
    }
    let sum = 0;
    for (let i = first; i < end; i++) {
      const e = Math.exp((logits[i] as number) - max);
      grad[i] = e;
      sum += e;
    }
    const target = first + (targets[row] as number);
    total += max + Math.log(sum) - (logits[target] as number);
    const scale = 1 / (sum * rows);
    for (let i = first; i < end; i++) grad[i] = (grad[i] as number) * scale;
    grad[target] = (grad[target] as number) - 1 / rows;
  }
  return total / rows;
}

/** x - log Σ e^x of each row, written to `logProbs`, whose first value it returns. */
export function logSoftmax(x: Float32Array, classes: number, logProbs: Float32Array): number {
  for (let first = 0; first < x.length; first += classes) {
    const end = first + classes;
    let max = Number.NEGATIVE_INFINITY;
    for (let i = first; i < end; i++) {
      const value = x[i] as number;
      if (value > max) max = value;
    }
    let sum = 0;
    for (let i = first; i < end; i++) sum += Math.exp((x[i] as number) - max);
    const lse = max + Math.log(sum);
    for (let i = first; i < end; i++) logProbs[i] = (x[i] as number) - lse;
  }
  return logProbs[0] as number;
}

/** e^x / Σ e^x of each row, written to `probs`, whose first value it returns. */
export function softmax(x: Float32Array, classes: number, probs: Float32Array): number {
  for (let first = 0; first < x.length; first += classes) {
    const end = first + classes;
    let max = Number.NEGATIVE_INFINITY;
    for (let i = first; i < end; i++) {
      const value = x[i] as number;
      if (value > max) max = value;
    }
    let sum = 0;
    for (let i = first; i < end; i++) {
      const e = Math.exp((x[i] as number) - max);
      probs[i] = e;
      sum += e;
    }
    const scale = 1 / sum;
    for (let i = first; i < end; i++) probs[i] = (probs[i] as number) * scale;
  }
  return probs[0] as number;
}
