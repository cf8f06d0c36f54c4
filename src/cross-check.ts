import type { Backend } from "./backend.js";

/**
 * Two backends that differ by more than their rounding: one of them, or the machine, is wrong. It is found after the
 * results were written.
 */
export class CrossCheckError extends Error {
  override readonly name = "CrossCheckError";

  constructor(
    /** The function whose results differ. */
    readonly functionName: string,
    /** Where in the result; 0 for a reduced loss. */
    readonly index: number,
    /** The value of the backend in use; of a mean, the sum that it is made of. */
    readonly value: number,
    /** The value of the pure-TypeScript backend. */
    readonly expected: number,
  ) {
    super(`${functionName}[${index}]: expected ${expected} as on the js backend, got ${value}`);
  }
}

interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
}

/** Exponentials are good to 6e-7 of their size down to float32's smallest normal number, and the reference to 2e-7. */
const EXPONENTIAL: Tolerance = { relative: 8e-7, absolute: 1.2e-38 };
/** Logarithms are good to two units in the last place, or near 0 to what the logits' own rounding leaves. */
const LOGARITHM: Tolerance = { relative: 2 ** -22, absolute: 1e-6 };

/** A backend that computes everything on `reference` too, and throws a `CrossCheckError` where the two differ. */
export function crossChecked(backend: Backend, reference: Backend): Backend {
  // The reference goes first: in place, the backend overwrites its input.
  return {
    name: backend.name,

    logSumExp(logits, lse, layout) {
      const expected = new Float32Array(lse.length);
      reference.logSumExp(logits, expected, layout);
      backend.logSumExp(logits, lse, layout);
      compare("logSumExp", lse, expected, LOGARITHM);
    },

    logSoftmax(logits, logProbs, layout) {
      const expected = new Float32Array(logProbs.length);
      reference.logSoftmax(logits, expected, layout);
      backend.logSoftmax(logits, logProbs, layout);
      compare("logSoftmax", logProbs, expected, LOGARITHM);
    },

    softmax(logits, probs, layout) {
      const expected = new Float32Array(probs.length);
      reference.softmax(logits, expected, layout);
      backend.softmax(logits, probs, layout);
      compare("softmax", probs, expected, EXPONENTIAL);
    },

    logSoftmaxBackward(gradOutput, logProbs, grad, layout) {
      const expected = new Float32Array(grad.length);
      reference.logSoftmaxBackward(gradOutput, logProbs, expected, layout);
      const terms = gradOutput.map((g, i) => Math.abs(g) + Math.abs(g - Number(expected[i])));
      backend.logSoftmaxBackward(gradOutput, logProbs, grad, layout);
      compare("logSoftmaxGrad", grad, expected, EXPONENTIAL, terms);
    },

    softmaxBackward(gradOutput, probs, grad, layout) {
      const expected = new Float32Array(grad.length);
      reference.softmaxBackward(gradOutput, probs, expected, layout);
      const terms = probs.map((p, i) => {
        const term = p * Number(gradOutput[i]);
        return Math.abs(term) + Math.abs(term - Number(expected[i]));
      });
      backend.softmaxBackward(gradOutput, probs, grad, layout);
      compare("softmaxGrad", grad, expected, EXPONENTIAL, terms);
    },

    crossEntropy(logits, targets, losses, layout) {
      const expected = losses && new Float32Array(losses.length);
      const expectedTotal = reference.crossEntropy(logits, targets, expected, layout);
      const total = backend.crossEntropy(logits, targets, losses, layout);
      if (losses && expected) compare("crossEntropy", losses, expected, EXPONENTIAL);
      else compare("crossEntropy", [total], [expectedTotal], EXPONENTIAL);
      return total;
    },

    crossEntropyBackward(logits, targets, scales, losses, grad, layout) {
      const expected = losses && new Float32Array(losses.length);
      const expectedGrad = new Float32Array(grad.length);
      const expectedTotal = reference.crossEntropyBackward(logits, targets, scales, expected, expectedGrad, layout);
      const total = backend.crossEntropyBackward(logits, targets, scales, losses, grad, layout);
      if (losses && expected) compare("crossEntropyWithGrad", losses, expected, EXPONENTIAL);
      else compare("crossEntropyWithGrad", [total], [expectedTotal], EXPONENTIAL);
      // What is lost of a probability below the normal numbers is multiplied by the scale.
      const scale = typeof scales === "number" ? Math.abs(scales) : largest(scales);
      const absolute = EXPONENTIAL.absolute * Math.max(1, scale);
      compare("crossEntropyWithGrad", grad, expectedGrad, { ...EXPONENTIAL, absolute });
      return total;
    },

    allocate: (length) => backend.allocate(length),
  };
}

function largest(values: ArrayLike<number>): number {
  let max = 0;
  for (let i = 0; i < values.length; i++) max = Math.max(max, Math.abs(Number(values[i])));
  return max;
}

/** `sizes` are what the relative tolerance is relative to: where terms cancel, they, and not their difference. */
function compare(
  functionName: string,
  values: ArrayLike<number>,
  expected: ArrayLike<number>,
  { relative, absolute }: Tolerance,
  sizes: ArrayLike<number> = expected,
): void {
  for (let i = 0; i < values.length; i++) {
    const value = Number(values[i]);
    const want = Number(expected[i]);
    const size = Math.abs(Number(sizes[i]));
    const allowed = Number.isFinite(size) ? Math.max(absolute, relative * size) : 0;
    if (!Object.is(value, want) && !(Math.abs(value - want) <= allowed)) {
      throw new CrossCheckError(functionName, i, value, want);
    }
  }
}
