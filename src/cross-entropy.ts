import type { Backend } from "./backend.js";
import { checkOut, checkOverlap } from "./out.js";
import { type LayoutOptions, layOut, type Rows } from "./rows.js";
import { type CheckedTargets, type ClassTargets, checkTargets, readTargets } from "./targets.js";
import { type FloatArrayLike, readFloats } from "./tensor-like.js";
import { checkChoice, checkOptions, checkPositive, checkWhole, wrongKind, wrongValue } from "./validate.js";

export type Reduction = "mean" | "sum" | "none";

/** A reduced loss is a number; `"none"` gives one value a row. */
export type Loss<R extends Reduction> = R extends "none" ? Float32Array : number;

interface LossOptions<R extends Reduction> extends LayoutOptions {
  /** `"mean"` over the rows that are kept, `"sum"`, or `"none"` for the rows' own losses. */
  readonly reduction?: R | undefined;
  /** The target that drops its row; -100 by default, and it may lie outside the classes. */
  readonly ignoreIndex?: number | undefined;
  /** What a `"mean"` divides by in place of the number of rows that are kept. */
  readonly normalizer?: number | undefined;
}

export interface CrossEntropyOptions<R extends Reduction = Reduction> extends LossOptions<R> {
  /** Where the rows' losses go, with reduction `"none"`. */
  readonly out?: FloatArrayLike | undefined;
}

export interface CrossEntropyGradOptions<R extends Reduction = Reduction> extends LossOptions<R> {
  /** What the gradient is multiplied by: a number, or with reduction `"none"` one number a row. 1 by default. */
  readonly gradOutput?: number | readonly number[] | FloatArrayLike | undefined;
  /** Where the gradient goes: float32, as long as the logits, whose own array makes it in place. */
  readonly out?: FloatArrayLike | undefined;
}

export interface LossWithGrad<R extends Reduction = Reduction> {
  readonly loss: Loss<R>;
  /** d loss / d logits, laid out like the logits. */
  readonly grad: Float32Array;
}

const OPTIONS = new Set(["shape", "axis", "reduction", "ignoreIndex", "normalizer", "out"]);
const GRAD_OPTIONS = new Set([...OPTIONS, "gradOutput"]);
const REDUCTIONS = ["mean", "sum", "none"] as const;
const DEFAULT_IGNORE_INDEX = -100;

export function crossEntropy<R extends Reduction = "mean">(
  backend: Backend,
  logits: FloatArrayLike,
  targets: ClassTargets,
  options?: CrossEntropyOptions<R>,
): Loss<R> {
  checkOptions(options, OPTIONS);
  const call = prepare(logits, targets, options);
  if (options?.out !== undefined && call.reduction !== "none") {
    throw wrongValue("out", `reduction "none", which has an array for a result`, call.reduction);
  }
  const { data, layout, checked } = call;
  let losses: Float32Array | undefined;
  if (call.reduction === "none") {
    losses = checkOut(options?.out, layout.rows);
    if (options?.out !== undefined) {
      checkOverlap(losses, "logits", data);
      checkOverlap(losses, "targets", call.targets);
    }
  }
  const total = backend.crossEntropy(data, checked, losses, layout);
  return lossOf<R>(losses, total, call);
}

export function crossEntropyWithGrad<R extends Reduction = "mean">(
  backend: Backend,
  logits: FloatArrayLike,
  targets: ClassTargets,
  options?: CrossEntropyGradOptions<R>,
): LossWithGrad<R> {
  checkOptions(options, GRAD_OPTIONS);
  const call = prepare(logits, targets, options);
  const { data, layout, checked } = call;
  const gradOutput = checkGradOutput(options?.gradOutput, call.reduction, layout.rows);
  const losses = call.reduction === "none" ? new Float32Array(layout.rows) : undefined;
  const grad = checkOut(options?.out, data.length);
  if (options?.out !== undefined) {
    checkOverlap(grad, "logits", data);
    checkOverlap(grad, "targets", call.targets);
    checkOverlap(grad, "gradOutput", gradOutput);
  }
  const scale = typeof gradOutput === "number" ? gradOutput / call.denominator : gradOutput;
  const total = backend.crossEntropyBackward(data, checked, scale, losses, grad, layout);
  return { loss: lossOf<R>(losses, total, call), grad };
}

interface Call {
  readonly data: Float32Array;
  readonly layout: Rows;
  /** The targets as they came, and as the backend takes them. */
  readonly targets: unknown;
  readonly checked: CheckedTargets;
  readonly reduction: Reduction;
  /** What the sum of the rows' losses is divided by. */
  readonly denominator: number;
}

function prepare(logits: FloatArrayLike, targets: ClassTargets, options: LossOptions<Reduction> | undefined): Call {
  const values = readFloats("logits", logits);
  const raw = readTargets(targets);
  const reduction = checkChoice("reduction", options?.reduction, REDUCTIONS);
  const ignoreIndex =
    options?.ignoreIndex === undefined ? DEFAULT_IGNORE_INDEX : checkWhole("ignoreIndex", options.ignoreIndex);
  const normalizer = options?.normalizer === undefined ? undefined : checkPositive("normalizer", options.normalizer);
  if (normalizer !== undefined && reduction !== "mean") {
    throw wrongValue("normalizer", `reduction "mean", which divides by it`, reduction);
  }
  const layout = layOut("logits", values, options, () => inferShape(values.data.length, raw.data.length));
  const checked = checkTargets(raw, ignoreIndex, layout);
  const denominator = reduction === "mean" ? (normalizer ?? checked.kept) : 1;
  return { data: values.data, layout, targets: raw.data, checked, reduction, denominator };
}

function inferShape(logits: number, targets: number): readonly number[] {
  if (targets === 0 && logits === 0) return [0, 0];
  if (targets === 0 || logits % targets !== 0) {
    throw wrongValue("logits", `a multiple of ${targets} values, the number of targets, or a shape`, logits);
  }
  return [targets, logits / targets];
}

function checkGradOutput(
  value: CrossEntropyGradOptions["gradOutput"],
  reduction: Reduction,
  rows: number,
): number | ArrayLike<number> {
  if (value === undefined) return 1;
  if (typeof value === "number") return value;
  if (reduction !== "none") throw wrongKind("gradOutput", `a number for reduction "${reduction}"`, value);
  const scales = isNumbers(value) ? value : readFloats("gradOutput", value).data;
  if (scales.length !== rows) throw wrongValue("gradOutput", `${rows} values, one a row`, scales.length);
  return scales;
}

function isNumbers(value: unknown): value is readonly number[] {
  if (!Array.isArray(value)) return false;
  value.forEach((scale, row) => {
    if (typeof scale !== "number") throw wrongKind(`gradOutput[${row}]`, "a number", scale);
  });
  return true;
}

function lossOf<R extends Reduction>(losses: Float32Array | undefined, total: number, { denominator }: Call): Loss<R> {
  // There are losses where R is "none" and nowhere else, which the type system cannot follow from a value to R.
  return (losses ?? total / denominator) as Loss<R>;
}
