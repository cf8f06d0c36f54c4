/**
 * Cross-entropy as a sum of up to three parts. With t the class of the maximum, rest = Σ_{j≠t} e^(x_j - max) and
 * lse - x_c = log1p(rest) + (max - x_c):
 *
 *     of one class    own (lse - x_y)              grad_c = own p_c,  grad_y = -own Σ_{j≠y} p_j
 *     of all classes  Σ_c a_c (lse - x_c)          grad_c = p_c Σ_{j≠c} a_j - a_c Σ_{j≠c} p_j
 *     of the sum      z lse²                       grad_c = 2 z lse p_c
 *
 * For a target class y, own = (1-ε) w_y, and where ε > 0 a_c = (ε/C) w_c. For soft targets a_c = w_c ((1-ε) y_c + ε/C),
 * and there is no part of one class. A part that is absent is not one of 0, which an infinite lse - x_c would make NaN.
 */

import { at, float, type Numbers, rowsOf, sum, type Targets } from "./arithmetic.js";
import { added, type Losses, type ReductionOptions, type RowLoss, reduced } from "./reduction.js";
import { type Exponentials, exponentials } from "./softmax.js";

export interface SoftLossOptions extends ReductionOptions {
  readonly weight?: Numbers | undefined;
  readonly labelSmoothing?: number | undefined;
  readonly zLoss?: number | undefined;
  readonly softcap?: number | undefined;
}

export interface LossOptions extends SoftLossOptions {
  readonly ignoreIndex?: number | undefined;
}

/** What a row's loss weighs; null in place of both for a row that is ignored. */
interface Masses {
  readonly one?: { readonly target: number; readonly own: number };
  readonly all?: Float64Array;
}

function lossOfOne(row: Float64Array, { max, top, others, rest }: Exponentials, target: number, own: number): RowLoss {
  const total = 1 + rest;
  const loss = own * (Math.log1p(rest) + (max - float(row, target)));
  const grad = new Float64Array(row.length);
  for (let c = 0; c < row.length; c++) grad[c] = (own * (c === top ? 1 : float(others, c))) / total;
  grad[target] = (-own * (target === top ? rest : total - float(others, target))) / total;
  return { loss, lossSize: Math.abs(loss), grad, gradSizes: grad };
}

function lossOfAll(row: Float64Array, { max, top, others, rest }: Exponentials, all: Float64Array): RowLoss {
  const total = 1 + rest;
  const log = Math.log1p(rest);
  const terms = all.map((mass, c) => mass * (log + (max - float(row, c))));
  const beside = all.map((mass, c) => (c === top ? 0 : mass));
  const [mass, besideTop, sizeBesideTop] = [sum(all), sum(beside), sum(beside.map(Math.abs))];
  const topMass = float(all, top);
  // Away from the top, p is at most 1/2, and p_c Σ_j a_j - a_c does not cancel more than the two terms above.
  const grad = all.map((own, c) => (float(others, c) / total) * mass - own);
  grad[top] = (besideTop - rest * topMass) / total;
  const gradSizes = all.map((own, c) => {
    const [power, size] = [float(others, c), Math.abs(own)];
    return (power * (sizeBesideTop - size + Math.abs(topMass)) + (total - power) * size) / total;
  });
  gradSizes[top] = (sizeBesideTop + rest * Math.abs(topMass)) / total;
  return { loss: sum(terms), lossSize: sum(terms.map(Math.abs)), grad, gradSizes };
}

function lossOfSum({ max, top, others, rest }: Exponentials, z: number): RowLoss {
  const lse = max + Math.log1p(rest);
  // Whoever takes another reference than the maximum has a logarithm of size 1 to add to it.
  const size = Math.abs(max) + Math.log1p(rest) + 1;
  const slopes = others.map((power, c) => (2 * z * (c === top ? 1 : power)) / (1 + rest));
  return {
    loss: z * lse * lse,
    lossSize: z * size * size,
    grad: slopes.map((slope) => slope * lse),
    gradSizes: slopes.map((slope) => slope * size),
  };
}

function undefinedLoss(row: Float64Array): RowLoss {
  const grad = row.map(() => Number.NaN);
  return { loss: Number.NaN, lossSize: Number.NaN, grad, gradSizes: grad };
}

function weighedLoss(row: Float64Array, { one, all }: Masses): RowLoss {
  const found = exponentials(row);
  if (!found) return undefinedLoss(row);
  const ofAll = all && lossOfAll(row, found, all);
  const ofOne = one && lossOfOne(row, found, one.target, one.own);
  return ofAll && ofOne ? together(ofOne, ofAll) : (ofOne ?? ofAll ?? undefinedLoss(row));
}

function together(a: RowLoss, b: RowLoss): RowLoss {
  return {
    loss: a.loss + b.loss,
    lossSize: a.lossSize + b.lossSize,
    grad: a.grad.map((value, c) => value + float(b.grad, c)),
    gradSizes: a.gradSizes.map((value, c) => Math.abs(value) + float(b.gradSizes, c)),
  };
}

function zLossOf(row: Float64Array, z: number): RowLoss {
  const found = exponentials(row);
  return found ? lossOfSum(found, z) : undefinedLoss(row);
}

/** Takes the gradient back through c tanh(x / c), whose slope 1 - tanh² is 1 / cosh². */
function throughCap(loss: RowLoss, row: Float64Array, cap: number): RowLoss {
  const slopes = row.map((x) => Math.cosh(x / cap) ** -2);
  const behind = (values: Float64Array): Float64Array => slopes.map((slope, c) => slope * float(values, c));
  return { ...loss, grad: behind(loss.grad), gradSizes: behind(loss.gradSizes) };
}

/** `own` is what a mean of the rows divides by, but for the z-losses, whose mean is over rows. */
function lossesOf(
  x: Numbers,
  classes: number,
  masses: readonly (Masses | null)[],
  own: number,
  options: SoftLossOptions,
): Losses {
  const { zLoss: z, softcap: cap } = options;
  const rows = rowsOf(x, classes);
  const each = (lossOf: (row: Float64Array, masses: Masses) => RowLoss): (RowLoss | null)[] =>
    masses.map((mass, i) => {
      const row = rows[i];
      if (mass === null || row === undefined) return null;
      if (cap === undefined) return lossOf(row, mass);
      const capped = row.map((value) => cap * Math.tanh(value / cap));
      return throughCap(lossOf(capped, mass), row, cap);
    });
  const losses = reduced(each(weighedLoss), classes, own, options);
  if (z === undefined) return losses;
  const zLosses = each((row) => zLossOf(row, z));
  const kept = masses.filter((mass) => mass !== null).length;
  return added(losses, reduced(zLosses, classes, kept, options));
}

function labelsOf(targets: Targets, ignoreIndex = -100): (number | null)[] {
  return Array.from(targets, Number).map((label) => (label === ignoreIndex ? null : label));
}

function weightsOf(weight: Numbers | undefined, classes: number): Float64Array {
  return weight === undefined ? new Float64Array(classes).fill(1) : Float64Array.from(weight);
}

function weightOfKept(labels: readonly (number | null)[], weight: Numbers): number {
  return sum(labels.map((label) => (label === null ? 0 : at(weight, label))));
}

/** One target class a row. */
export function crossEntropy(x: Numbers, targets: Targets, classes: number, options: LossOptions = {}): Losses {
  const { labelSmoothing: smoothing = 0, ignoreIndex } = options;
  const weight = weightsOf(options.weight, classes);
  const labels = labelsOf(targets, ignoreIndex);
  const all = smoothing > 0 ? { all: weight.map((w) => (smoothing / classes) * w) } : {};
  const masses = labels.map((target) =>
    target === null ? null : { one: { target, own: (1 - smoothing) * at(weight, target) }, ...all },
  );
  return lossesOf(x, classes, masses, weightOfKept(labels, weight), options);
}

/** A target for every class of every row, laid out like the logits. */
export function softCrossEntropy(x: Numbers, targets: Numbers, classes: number, options: SoftLossOptions = {}): Losses {
  const { labelSmoothing: smoothing = 0 } = options;
  const weight = weightsOf(options.weight, classes);
  const masses = rowsOf(targets, classes).map((row) => ({
    all: row.map((y, c) => at(weight, c) * (y * (1 - smoothing) + smoothing / classes)),
  }));
  return lossesOf(x, classes, masses, masses.length, options);
}

/**
 * -w_y lp_y of rows of log-probabilities, of which no other element counts: the gradient of the others is 0, whatever it
 * is multiplied by.
 */
export function nllLoss(logProbs: Numbers, targets: Targets, classes: number, options: LossOptions = {}): Losses {
  const weight = weightsOf(options.weight, classes);
  const labels = labelsOf(targets, options.ignoreIndex);
  const rows = rowsOf(logProbs, classes);
  const losses = labels.map((target, i) => {
    const row = rows[i];
    if (target === null || row === undefined) return null;
    const loss = -at(weight, target) * at(row, target);
    const grad = Float64Array.of(-at(weight, target));
    return { loss, lossSize: Math.abs(loss), grad, gradSizes: grad };
  });
  const { grad, sizes, ...forward } = reduced(losses, 1, weightOfKept(labels, weight), options);
  const atTargets = (derivatives: Float64Array): Float64Array => {
    const all = new Float64Array(logProbs.length);
    labels.forEach((target, i) => {
      if (target !== null) all[i * classes + target] = at(derivatives, i);
    });
    return all;
  };
  return { ...forward, grad: atTargets(grad), sizes: { ...sizes, grad: atTargets(sizes.grad) } };
}
