import type { Backend, Targets, Terms } from "./backend.js";
import {
  type FloatArrayLike,
  type Floats,
  type FloatValues,
  makeResults,
  numbersOf,
  type ResultArray,
  readFloats,
} from "./floats.js";
import { checkApart, checkOut } from "./out.js";
import {
  checkGradOutput,
  checkNoOut,
  checkNormalizer,
  checkReduction,
  type GradOptions,
  type LossWithGrad,
  type Numbers,
  type Reduction,
  type ReductionOptions,
  readNumbers,
  scaleOf,
} from "./reduction.js";
import { checkRowShape, givenShape, type LayoutOptions, layOut, MOST_VALUES, type Rows, sameShape } from "./rows.js";
import { Sum } from "./sum.js";
import {
  type CheckedTargets,
  type ClassTargets,
  checkTargets,
  isSoft,
  type RawTargets,
  readTargets,
  type SoftTargets,
} from "./targets.js";
import { sizeOf } from "./tensor-like.js";
import { checkAtLeastZero, checkOptions, checkPositive, checkWhole, wrongValue } from "./validate.js";

/** What the losses of class targets have in common. */
export interface ClassLossOptions extends LayoutOptions, ReductionOptions {
  /** One weight a class: a row's loss is multiplied by its target's, and a mean is over the weights. */
  readonly weight?: Numbers | undefined;
  /** The class target that drops its row; -100 by default, and it may lie outside the classes. */
  readonly ignoreIndex?: number | undefined;
}

interface LossOptions extends ClassLossOptions {
  /** ε in [0, 1]: so much of each target is spread evenly over the classes. 0 by default. */
  readonly labelSmoothing?: number | undefined;
  /** Adds zLoss · logSumExp² to each row's loss; its mean is over the rows that are kept. 0 by default. */
  readonly zLoss?: number | undefined;
  /** Takes logits to softcap · tanh(x / softcap) first. */
  readonly softcap?: number | undefined;
}

export interface CrossEntropyOptions extends LossOptions {
  /** Where the rows' losses go, with reduction `"none"`. */
  readonly out?: FloatArrayLike | undefined;
}

export interface CrossEntropyGradOptions extends LossOptions, GradOptions {
  /** Where the gradient goes: as long as the logits, whose own array makes it in place. */
  readonly out?: FloatArrayLike | undefined;
}

const OPTIONS = new Set([
  "shape",
  "axis",
  "reduction",
  "weight",
  "ignoreIndex",
  "labelSmoothing",
  "zLoss",
  "softcap",
  "normalizer",
  "out",
]);
const GRAD_OPTIONS = new Set([...OPTIONS, "gradOutput"]);
const DEFAULT_IGNORE_INDEX = -100;

export function crossEntropy(
  backend: Backend,
  logits: FloatArrayLike,
  targets: ClassTargets | SoftTargets,
  options?: CrossEntropyOptions,
): number | ResultArray {
  if (options === undefined) {
    const loss = backend.direct?.crossEntropy(logits, targets);
    if (loss !== undefined) return loss;
  }
  checkOptions(options, OPTIONS);
  const call = prepare(backend, logits, targets, options);
  const { values, layout, reduction } = call;
  checkNoOut(options?.out, reduction);
  const losses =
    reduction === "none" ? placeResults("logits", call, call.terms.weight, layout.rows, options?.out) : undefined;
  const total = backend.crossEntropy(values, call.targets, call.terms, losses, layout);
  return losses ?? total / call.divisor;
}

export function crossEntropyWithGrad(
  backend: Backend,
  logits: FloatArrayLike,
  targets: ClassTargets | SoftTargets,
  options?: CrossEntropyGradOptions,
): LossWithGrad {
  const direct = backend.direct?.crossEntropyWithGrad(logits, targets, options);
  if (direct !== undefined) return direct;
  checkOptions(options, GRAD_OPTIONS);
  const call = prepare(backend, logits, targets, options);
  const { values, layout, reduction, divisor } = call;
  const gradOutput = checkRowGradOutput(options?.gradOutput, reduction, layout);
  const grad = placeResults("logits", call, call.terms.weight, values.data.length, options?.out, gradOutput);
  const losses = reduction === "none" ? makeResults(values.kind, layout.rows) : undefined;
  const scale = typeof gradOutput === "number" ? scaleOf(gradOutput, divisor) : gradOutput;
  const total = backend.crossEntropyBackward(values, call.targets, call.terms, scale, losses, grad, layout);
  return { loss: losses ?? total / divisor, grad };
}

/** Where results go: none of what is read while they are written may be in the way. `name` is that of the values. */
export function placeResults(
  name: string,
  { values, raw }: Pick<Call, "values" | "raw">,
  weight: Float64Array | undefined,
  length: number,
  out: FloatArrayLike | undefined,
  gradOutput?: number | ResultArray,
): ResultArray {
  const results = checkOut(out, values.kind, length);
  if (out !== undefined) {
    checkApart(results, name, values.data);
    if (ArrayBuffer.isView(raw.data)) checkApart(results, "targets", raw.data);
    if (weight) checkApart(results, "weight", weight);
    if (typeof gradOutput === "object") checkApart(results, "gradOutput", gradOutput);
  }
  return results;
}

interface Call {
  readonly values: Floats;
  readonly layout: Rows;
  /** The targets as they came, and as the backend takes them. */
  readonly raw: RawTargets | FloatValues;
  readonly targets: Targets;
  readonly terms: Terms;
  readonly reduction: Reduction;
  /** What the sum of the rows' losses is divided by. */
  readonly divisor: number;
}

function prepare(
  backend: Backend,
  logits: FloatArrayLike,
  targets: ClassTargets | SoftTargets,
  options: LossOptions | undefined,
): Call {
  const values = readFloats("logits", logits);
  const raw = readTargets(targets);
  const reduction = checkReduction(options);
  const normalizer = checkNormalizer(options, reduction);
  return isSoft(raw)
    ? prepareSoft(values, raw, reduction, normalizer, options)
    : prepareClasses(backend, values, raw, reduction, normalizer, options);
}

function prepareClasses(
  backend: Backend,
  values: FloatValues,
  raw: RawTargets,
  reduction: Reduction,
  normalizer: number | undefined,
  options: LossOptions | undefined,
): Call {
  const layout = layOutClasses("logits", values, raw.length, options);
  const terms = checkTerms(options, layout);
  const targets = checkTargets(raw, checkIgnoreIndex(options), layout, backend);
  if (reduction !== "mean" || normalizer !== undefined) {
    return { values, layout, raw, targets, terms, reduction, divisor: normalizer ?? 1 };
  }
  const { kept } = targets;
  if (terms.weight === undefined) return { values, layout, raw, targets, terms, reduction, divisor: kept };
  // The losses' mean is over the weights and that of the z terms over the rows: with this zLoss, one divisor serves both.
  const divisor = weightOfKept(targets, terms.weight);
  const zLoss = kept === 0 ? 0 : (terms.zLoss * divisor) / kept;
  return { values, layout, raw, targets, terms: { ...terms, zLoss }, reduction, divisor };
}

function prepareSoft(
  values: FloatValues,
  soft: FloatValues,
  reduction: Reduction,
  normalizer: number | undefined,
  options: LossOptions | undefined,
): Call {
  if (options?.ignoreIndex !== undefined) {
    throw wrongValue("ignoreIndex", "none with soft targets, of which none is a class to ignore", options.ignoreIndex);
  }
  const given = givenShape("logits", values.shape, options);
  const layout = layOut("logits", values, given ?? inferSoftShape(values.data.length, soft.shape), options);
  checkLikeLogits(soft, layout);
  const divisor = reduction === "mean" ? (normalizer ?? layout.rows) : 1;
  return { values, layout, raw: soft, targets: { soft }, terms: checkTerms(options, layout), reduction, divisor };
}

/** That of the targets where they have one that fits, else one row; or no row, where there is nothing. */
function inferSoftShape(length: number, shape: readonly number[] | undefined): readonly number[] {
  if (shape && sizeOf(shape) === length) return shape;
  return length === 0 ? [0, 0] : [length];
}

function checkLikeLogits(soft: FloatValues, layout: Rows): void {
  if (soft.shape && !sameShape(soft.shape, layout.shape)) {
    throw wrongValue("targets", `shape [${layout.shape.join(", ")}], that of the logits`, soft.shape);
  }
  const size = layout.rows * layout.classes;
  if (soft.data.length !== size) {
    throw wrongValue("targets", `${size} values, one a logit (soft targets; classes are integers)`, soft.data.length);
  }
}

/** As many rows as there are targets, where nothing else is said. That case, the usual one, needs no shape looked at. */
export function layOutClasses(
  name: string,
  values: FloatValues,
  targets: number,
  options: LayoutOptions | undefined,
): Rows {
  const { length } = values.data;
  const classes = length / targets;
  const isBare = values.shape === undefined && options?.shape === undefined && options?.axis === undefined;
  if (isBare && classes > 0 && Number.isInteger(classes) && length <= MOST_VALUES) {
    return { shape: [targets, classes], axis: 1, outer: targets, classes, inner: 1, rows: targets };
  }
  const shape = givenShape(name, values.shape, options) ?? inferShape(name, length, targets);
  return layOut(name, values, shape, options);
}

function inferShape(name: string, values: number, targets: number): readonly number[] {
  if (targets === 0 && values === 0) return [0, 0];
  if (targets === 0) throw wrongValue("targets", `one value a row of ${values} ${name}`, targets);
  if (values === 0 || values % targets !== 0) {
    throw wrongValue(name, `a multiple of ${targets} values, the number of targets, or a shape`, values);
  }
  return [targets, values / targets];
}

export function checkIgnoreIndex(options: ClassLossOptions | undefined): number {
  return options?.ignoreIndex === undefined ? DEFAULT_IGNORE_INDEX : checkWhole("ignoreIndex", options.ignoreIndex);
}

/** One weight a class, in float64. */
export function checkWeight(options: ClassLossOptions | undefined, { classes }: Rows): Float64Array | undefined {
  if (options?.weight === undefined) return undefined;
  const weight = readNumbers("weight", options.weight);
  if (weight.shape && !sameShape(weight.shape, [classes])) {
    throw wrongValue("weight", `shape [${classes}], the classes`, weight.shape);
  }
  if (weight.data.length !== classes) throw wrongValue("weight", `${classes} values, one a class`, weight.data.length);
  const numbers = weight.kind === "float64" ? weight.data : Float64Array.from(numbersOf(weight));
  const index = numbers.findIndex((value) => !Number.isFinite(value));
  if (index >= 0) throw wrongValue(`weight[${index}]`, "a finite number", numbers[index]);
  return numbers;
}

/** Σ w[y] over the rows that are kept. */
export function weightOfKept({ data, step, ignoreIndex }: CheckedTargets, weight: Float64Array): number {
  const sum = new Sum();
  for (let i = 0; i < data.length; i += step) {
    const target = data[i] as number;
    if (target !== ignoreIndex) sum.add(weight[target] as number);
  }
  return sum.value;
}

/** `gradOutput` as a number, or one a row. */
export function checkRowGradOutput(
  value: GradOptions["gradOutput"],
  reduction: Reduction,
  layout: Rows,
): number | ResultArray {
  const gradOutput = checkGradOutput(value, reduction, layout.rows, "a row");
  if (typeof gradOutput === "number") return gradOutput;
  if (gradOutput.shape) checkRowShape("gradOutput", gradOutput.shape, layout);
  return numbersOf(gradOutput);
}

const PLAIN: Terms = { weight: undefined, labelSmoothing: 0, zLoss: 0, softcap: undefined };

function checkTerms(options: LossOptions | undefined, layout: Rows): Terms {
  if (options === undefined) return PLAIN;
  const { labelSmoothing, zLoss, softcap } = options;
  return {
    weight: checkWeight(options, layout),
    labelSmoothing: labelSmoothing === undefined ? 0 : checkAtLeastZero("labelSmoothing", labelSmoothing, 1),
    zLoss: zLoss === undefined ? 0 : checkAtLeastZero("zLoss", zLoss),
    softcap: softcap === undefined ? undefined : checkPositive("softcap", softcap),
  };
}
