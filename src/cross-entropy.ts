import type { Backend } from "./backend.js";
import { checkOut } from "./out.js";
import { checkRowShape, type LayoutOptions, layOut, type Rows } from "./rows.js";
import { type CheckedTargets, type ClassTargets, checkTargets, readTargets } from "./targets.js";
import { type FloatArrayLike, readFloats } from "./tensor-like.js";
import { checkChoice, checkOptions, checkPositive, checkWhole, wrongKind, wrongValue } from "./validate.js";

export type Reduction = "mean" | "sum" | "none";

interface LossOptions extends LayoutOptions {
  /** `"mean"` over the rows that are kept, `"sum"`, or `"none"` for the rows' own losses. */
  readonly reduction?: Reduction | undefined;
  /** The target that drops its row; -100 by default, and it may lie outside the classes. */
  readonly ignoreIndex?: number | undefined;
  /** What a `"mean"` divides by in place of the number of rows that are kept. */
  readonly normalizer?: number | undefined;
}

export interface CrossEntropyOptions extends LossOptions {
  /** Where the rows' losses go, with reduction `"none"`. */
  readonly out?: FloatArrayLike | undefined;
}

export interface CrossEntropyGradOptions extends LossOptions {
  /** What the gradient is multiplied by: a number, or with reduction `"none"` one number a row. 1 by default. */
  readonly gradOutput?: number | readonly number[] | FloatArrayLike | undefined;
  /** Where the gradient goes: float32, as long as the logits, whose own array makes it in place. */
  readonly out?: FloatArrayLike | undefined;
}

/** Row losses are asked for. */
export interface Unreduced {
  readonly reduction: "none";
}

/** A reduced loss is asked for, or none in particular. */
export interface Reduced {
  readonly reduction?: "mean" | "sum" | undefined;
}

export interface LossWithGrad<Loss = number | Float32Array> {
  readonly loss: Loss;
  /** d loss / d logits, laid out like the logits. */
  readonly grad: Float32Array;
}

const OPTIONS = new Set(["shape", "axis", "reduction", "ignoreIndex", "normalizer", "out"]);
const GRAD_OPTIONS = new Set([...OPTIONS, "gradOutput"]);
const REDUCTIONS = ["mean", "sum", "none"] as const;
const DEFAULT_IGNORE_INDEX = -100;

export function crossEntropy(
  backend: Backend,
  logits: FloatArrayLike,
  targets: ClassTargets,
  options?: CrossEntropyOptions,
): number | Float32Array {
  checkOptions(options, OPTIONS);
  const call = prepare(logits, targets, options);
  if (options?.out !== undefined && call.reduction !== "none") {
    throw wrongValue("out", `reduction "none", which has an array for a result`, call.reduction);
  }
  const { data, layout, checked } = call;
  const losses =
    call.reduction === "none"
      ? checkOut(options?.out, layout.rows, { logits: data, targets: call.targets })
      : undefined;
  const total = backend.crossEntropy(data, checked, losses, layout);
  return losses ?? total / call.denominator;
}

export function crossEntropyWithGrad(
  backend: Backend,
  logits: FloatArrayLike,
  targets: ClassTargets,
  options?: CrossEntropyGradOptions,
): LossWithGrad {
  checkOptions(options, GRAD_OPTIONS);
  const call = prepare(logits, targets, options);
  const { data, layout, checked } = call;
  const gradOutput = checkGradOutput(options?.gradOutput, call.reduction, layout);
  const losses = call.reduction === "none" ? new Float32Array(layout.rows) : undefined;
  const grad = checkOut(options?.out, data.length, { logits: data, targets: call.targets, gradOutput });
  const scale = typeof gradOutput === "number" ? gradOutput / call.denominator : gradOutput;
  const total = backend.crossEntropyBackward(data, checked, scale, losses, grad, layout);
  return { loss: losses ?? total / call.denominator, grad };
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

function prepare(logits: FloatArrayLike, targets: ClassTargets, options: LossOptions | undefined): Call {
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

/** As many rows as there are targets. */
function inferShape(logits: number, targets: number): readonly number[] {
  if (targets === 0 && logits === 0) return [0, 0];
  if (targets === 0) throw wrongValue("targets", `one value a row of ${logits} logits`, targets);
  if (logits === 0 || logits % targets !== 0) {
    throw wrongValue("logits", `a multiple of ${targets} values, the number of targets, or a shape`, logits);
  }
  return [targets, logits / targets];
}

function checkGradOutput(
  value: CrossEntropyGradOptions["gradOutput"],
  reduction: Reduction,
  layout: Rows,
): number | ArrayLike<number> {
  if (value === undefined) return 1;
  if (typeof value === "number") return value;
  if (reduction !== "none") throw wrongKind("gradOutput", `a number for reduction "${reduction}"`, value);
  const { data, shape } = isNumbers(value) ? { data: value, shape: undefined } : readFloats("gradOutput", value);
  if (shape) checkRowShape("gradOutput", shape, layout);
  if (data.length !== layout.rows) throw wrongValue("gradOutput", `${layout.rows} values, one a row`, data.length);
  return data;
}

function isNumbers(value: unknown): value is readonly number[] {
  if (!Array.isArray(value)) return false;
  value.forEach((scale, row) => {
    if (typeof scale !== "number") throw wrongKind(`gradOutput[${row}]`, "a number", scale);
  });
  return true;
}
