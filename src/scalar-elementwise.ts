import type { Elementwise, ElementwiseGradient, ElementwiseLoss } from "./backend.js";
import { type Floats, numbersOf } from "./floats.js";
import { Sum } from "./sum.js";

/** The losses of single elements: their formulas, and the derivative with respect to the input x. */
interface Formula {
  readonly loss: (x: number, y: number, posWeight: number) => number;
  readonly slope: (x: number, y: number, posWeight: number) => number;
}

/** PyTorch's float32 of 1e-12. */
const SMALLEST_VARIANCE = Math.fround(1e-12);

const FORMULAS: Readonly<Record<ElementwiseLoss, Formula>> = {
  // PyTorch clamps each logarithm from below, and the denominator of the derivative.
  binaryCrossEntropy: {
    loss: (p, y) => -(y * Math.max(Math.log(p), -100) + (1 - y) * Math.max(Math.log1p(-p), -100)),
    slope: (p, y) => (p - y) / Math.max((1 - p) * p, SMALLEST_VARIANCE),
  },

  binaryCrossEntropyWithLogits: {
    loss(x, y, posWeight) {
      // At infinite logits the terms are PyTorch's, with their 0 · Infinity.
      if (!Number.isFinite(x)) {
        return (1 - y) * x + (1 + (posWeight - 1) * y) * (Math.log1p(Math.exp(-Math.abs(x))) + Math.max(-x, 0));
      }
      return posWeight * y * softplus(-x) + (1 - y) * softplus(x);
    },
    slope: (x, y, posWeight) => (1 - y) * sigmoid(x) - posWeight * y * sigmoid(-x),
  },

  klDivergence: {
    loss: (logQ, p) => (p === 0 ? 0 : p * Math.log(p)) - p * logQ,
    slope: (_logQ, p) => 0 - p,
  },

  klDivergenceOfLogs: {
    loss: (logQ, logP) => Math.exp(logP) * (logP - logQ),
    slope: (_logQ, logP) => 0 - Math.exp(logP),
  },
};

export function elementwise(
  name: ElementwiseLoss,
  { input, targets, weight, posWeight, losses }: Elementwise,
  gradient: ElementwiseGradient | undefined,
): number {
  const formula = FORMULAS[name];
  const x = numbersOf(input);
  const y = numbersOf(targets);
  const weightOf = repeated(weight);
  const posWeightOf = repeated(posWeight);
  const scaleOf = repeated(gradient?.scale);
  const total = new Sum();
  for (let i = 0; i < x.length; i++) {
    const [xi, yi, w, pw] = [x[i] as number, y[i] as number, weightOf(i), posWeightOf(i)];
    const s = scaleOf(i);
    const loss = w * formula.loss(xi, yi, pw);
    if (losses) losses[i] = loss;
    if (gradient) gradient.grad[i] = s * w * formula.slope(xi, yi, pw);
    total.add(loss);
  }
  return total.value;
}

/** The values of an operand, from the first again after the last; 1 where there is none. */
function repeated(operand: Floats | undefined): (i: number) => number {
  if (operand === undefined) return () => 1;
  const values = numbersOf(operand);
  return (i) => values[i % values.length] as number;
}

/** log(1 + e^x) */
function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** 1 / (1 + e^-x) */
function sigmoid(x: number): number {
  return x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x));
}
