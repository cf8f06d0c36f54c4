import type { Backend, ElementwiseLoss, Layout, Targets, Terms } from "./backend.js";
import { type Floats, numbersOf, type ResultArray } from "./floats.js";

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
/** Both backends compute in float64, and differ by tens of roundings at most. */
const DOUBLE: Tolerance = { relative: 1e-13, absolute: 1e-290 };
const DOUBLE_LOGARITHM: Tolerance = { relative: 1e-13, absolute: 1e-13 };
/** How much of their terms' size differences in float64 are good to. */
const CANCELLATION = 1e-13;

/** A backend that computes everything on `reference` too, and throws a `CrossCheckError` where the two differ. */
export function crossChecked(backend: Backend, reference: Backend): Backend {
  /**
   * The losses by the masses' sizes: what they are sums of, where soft targets are of both signs and cancel. Of others the
   * losses themselves.
   */
  const sizesOfLosses = (
    logits: Floats,
    targets: Targets,
    terms: Terms,
    expected: ResultArray | undefined,
    expectedTotal: number,
    layout: Layout,
  ): readonly [ArrayLike<number> | undefined, number] => {
    if (!("soft" in targets)) return [expected, expectedTotal];
    const masses = numbersOf(targets.soft);
    if (masses.every((mass) => !(mass < 0))) return [expected, expectedTotal];
    const soft: Floats = { kind: "float64", data: Float64Array.from(masses, Math.abs) };
    const sizes = expected && fresh(expected);
    return [sizes, reference.crossEntropy(logits, { soft }, terms, sizes, layout)];
  };

  // The reference goes first: in place, the backend overwrites its input.
  return {
    name: backend.name,

    logSumExp(x, lse, layout) {
      const expected = fresh(lse);
      reference.logSumExp(x, expected, layout);
      backend.logSumExp(x, lse, layout);
      compare("logSumExp", lse, expected, isDouble(lse) ? DOUBLE_LOGARITHM : LOGARITHM);
    },

    logSoftmax(x, logProbs, layout) {
      const expected = fresh(logProbs);
      reference.logSoftmax(x, expected, layout);
      backend.logSoftmax(x, logProbs, layout);
      compare("logSoftmax", logProbs, expected, isDouble(logProbs) ? DOUBLE_LOGARITHM : LOGARITHM);
    },

    softmax(x, probs, layout) {
      const expected = fresh(probs);
      reference.softmax(x, expected, layout);
      backend.softmax(x, probs, layout);
      compare("softmax", probs, expected, exponential(probs));
    },

    logSoftmaxBackward(gradOutput, logProbs, grad, layout) {
      const expected = fresh(grad);
      reference.logSoftmaxBackward(gradOutput, logProbs, expected, layout);
      const terms = numbersOf(gradOutput).map((g, i) => Math.abs(g) + Math.abs(g - Number(expected[i])));
      backend.logSoftmaxBackward(gradOutput, logProbs, grad, layout);
      compare("logSoftmaxGrad", grad, expected, exponential(grad), terms);
    },

    softmaxBackward(gradOutput, probs, grad, layout) {
      const expected = fresh(grad);
      reference.softmaxBackward(gradOutput, probs, expected, layout);
      const g = numbersOf(gradOutput);
      const terms = numbersOf(probs).map((p, i) => {
        const term = p * Number(g[i]);
        return Math.abs(term) + Math.abs(term - Number(expected[i]));
      });
      backend.softmaxBackward(gradOutput, probs, grad, layout);
      compare("softmaxGrad", grad, expected, exponential(grad), terms);
    },

    crossEntropy(logits, targets, terms, losses, layout) {
      const expected = losses && fresh(losses);
      const expectedTotal = reference.crossEntropy(logits, targets, terms, expected, layout);
      const [sizes, size] = sizesOfLosses(logits, targets, terms, expected, expectedTotal, layout);
      const tolerance = capped(logits.kind === "float64" ? DOUBLE : EXPONENTIAL, logits, terms);
      const total = backend.crossEntropy(logits, targets, terms, losses, layout);
      if (losses && expected) compare("crossEntropy", losses, expected, tolerance, sizes);
      else compare("crossEntropy", [total], [expectedTotal], tolerance, [size]);
      return total;
    },

    crossEntropyBackward(logits, targets, terms, scales, losses, grad, layout) {
      const expected = losses && fresh(losses);
      const expectedGrad = fresh(grad);
      const scale = (typeof scales === "number" ? Math.abs(scales) : largest(scales)) * massOf(targets, terms);
      const tolerance = capped(exponential(grad), logits, terms);
      const expectedTotal = reference.crossEntropyBackward(
        logits,
        targets,
        terms,
        scales,
        expected,
        expectedGrad,
        layout,
      );
      const [sizes, size] = sizesOfLosses(logits, targets, terms, expected, expectedTotal, layout);
      const total = backend.crossEntropyBackward(logits, targets, terms, scales, losses, grad, layout);
      if (losses && expected) compare("crossEntropyWithGrad", losses, expected, tolerance, sizes);
      else compare("crossEntropyWithGrad", [total], [expectedTotal], tolerance, [size]);
      // What is lost of a probability below the normal numbers is multiplied by the scale; a mass that is spread over
      // the classes is taken off the probabilities.
      const spreads = "soft" in targets || terms.labelSmoothing > 0 || terms.zLoss > 0;
      const absolute = Math.max(1, scale) * (spreads ? tolerance.relative : tolerance.absolute);
      compare("crossEntropyWithGrad", grad, expectedGrad, { ...tolerance, absolute });
      return total;
    },

    elementwise(loss, operands, gradient) {
      const name = gradient ? `${functionOf(loss)}WithGrad` : functionOf(loss);
      const { losses, input, targets } = operands;
      const expected = losses && fresh(losses);
      const expectedGradient = gradient && { ...gradient, grad: fresh(gradient.grad) };
      const expectedTotal = reference.elementwise(loss, { ...operands, losses: expected }, expectedGradient);
      const sizes = largest(numbersOf(input)) * largest(numbersOf(targets)) * factorOf(operands.weight);
      const scale = gradient && largest(numbersOf(gradient.scale)) * factorOf(operands.weight);
      const total = backend.elementwise(loss, operands, gradient);
      const { relative } = losses ? exponential(losses) : DOUBLE;
      const absolute = CANCELLATION * Math.max(1, sizes);
      if (losses && expected) compare(name, losses, expected, { relative, absolute });
      else compare(name, [total], [expectedTotal], { relative, absolute: absolute * input.data.length });
      if (gradient && expectedGradient && scale !== undefined) {
        const tolerance = exponential(gradient.grad);
        const floor = CANCELLATION * scale * factorOf(operands.posWeight);
        compare(name, gradient.grad, expectedGradient.grad, { ...tolerance, absolute: tolerance.absolute + floor });
      }
      return total;
    },

    keptTargets: (targets, classes, ignoreIndex) => backend.keptTargets(targets, classes, ignoreIndex),
    allocate: (length) => backend.allocate(length),
  };
}

function functionOf(loss: ElementwiseLoss): string {
  return loss === "klDivergenceOfLogs" ? "klDivergence" : loss;
}

function fresh(results: ResultArray): ResultArray {
  return isDouble(results) ? new Float64Array(results.length) : new Float32Array(results.length);
}

function isDouble(results: ResultArray): boolean {
  return results.BYTES_PER_ELEMENT === 8;
}

function exponential(results: ResultArray): Tolerance {
  return isDouble(results) ? DOUBLE : EXPONENTIAL;
}

/** Capped logits are rounded to their own size, and that is what exponentials and losses are off by. */
function capped(tolerance: Tolerance, logits: Floats, { softcap }: Terms): Tolerance {
  if (softcap === undefined) return tolerance;
  const rounding = 8 * Number.EPSILON * Math.min(softcap, largest(numbersOf(logits)));
  return { relative: tolerance.relative + rounding, absolute: tolerance.absolute + rounding };
}

function largest(values: ArrayLike<number>): number {
  let max = 0;
  for (let i = 0; i < values.length; i++)
    if (Number.isFinite(values[i])) max = Math.max(max, Math.abs(Number(values[i])));
  return max;
}

function factorOf(operand: Floats | undefined): number {
  return operand ? Math.max(1, largest(numbersOf(operand))) : 1;
}

/** The largest mass that a class may have. */
function massOf(targets: Targets, { weight, zLoss }: Terms): number {
  const soft = "soft" in targets ? Math.max(1, largest(numbersOf(targets.soft))) : 1;
  return soft * (weight ? Math.max(1, largest(weight)) : 1) * Math.max(1, zLoss);
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
