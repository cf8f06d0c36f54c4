import type { Backend, Elementwise, ElementwiseLoss } from "./backend.js";
import { type FloatArrayLike, type FloatValues, makeResults, type ResultArray, readFloats } from "./floats.js";
import { checkApart, checkOut } from "./out.js";
import {
  checkGradOutput,
  checkNoOut,
  type GradOptions,
  type LossWithGrad,
  type Numbers,
  readNumbers,
  scaleOf,
} from "./reduction.js";
import { checkLength, sameShape } from "./rows.js";
import { checkShape, wrongValue } from "./validate.js";

/** A loss of single elements: what it is called with, checked. */
export interface ElementwiseCall {
  readonly loss: ElementwiseLoss;
  /** What the function calls its two arrays, the input first. */
  readonly names: readonly [string, string];
  readonly input: FloatValues;
  readonly targets: FloatValues;
  readonly weight: FloatValues | undefined;
  readonly posWeight: FloatValues | undefined;
  readonly reduction: string;
  /** What the sum of the losses is divided by. */
  readonly divisor: number;
}

/** A call's losses: reduced to a number, or one by one. */
export function elementwiseLoss(
  backend: Backend,
  call: ElementwiseCall,
  out: FloatArrayLike | undefined,
): number | ResultArray {
  checkNoOut(out, call.reduction);
  const losses = call.reduction === "none" ? placeResults(call, out) : undefined;
  const total = backend.elementwise(call.loss, operandsOf(call, losses), undefined);
  return losses ?? total / call.divisor;
}

/** The same, and the gradient with respect to the input. */
export function elementwiseLossWithGrad(
  backend: Backend,
  call: ElementwiseCall,
  gradOutput: GradOptions["gradOutput"],
  out: FloatArrayLike | undefined,
): LossWithGrad {
  const { input, reduction, divisor } = call;
  const given = checkGradOutput(gradOutput, reduction, input.data.length, "an element");
  if (typeof given !== "number" && given.shape && input.shape && !sameShape(given.shape, input.shape)) {
    throw wrongValue("gradOutput", `shape [${input.shape.join(", ")}]`, given.shape);
  }
  const scale = typeof given === "number" ? oneNumber(scaleOf(given, divisor)) : given;
  const grad = placeResults(call, out, scale.data);
  const losses = reduction === "none" ? makeResults(input.kind, input.data.length) : undefined;
  const total = backend.elementwise(call.loss, operandsOf(call, losses), { scale, grad });
  return { loss: losses ?? total / divisor, grad };
}

function operandsOf(
  { input, targets, weight, posWeight }: ElementwiseCall,
  losses: ResultArray | undefined,
): Elementwise {
  return { input, targets, weight, posWeight, losses };
}

/** Where results go: none of what is read while they are written may be in the way. */
function placeResults(
  { names, input, targets, weight, posWeight }: ElementwiseCall,
  out: FloatArrayLike | undefined,
  gradOutput?: FloatValues["data"],
): ResultArray {
  const results = checkOut(out, input.kind, input.data.length);
  if (out !== undefined) {
    checkApart(results, names[0], input.data);
    checkApart(results, names[1], targets.data);
    if (weight) checkApart(results, "weight", weight.data);
    if (posWeight) checkApart(results, "posWeight", posWeight.data);
    if (gradOutput) checkApart(results, "gradOutput", gradOutput);
  }
  return results;
}

/** The input and the targets, of one shape. */
export function readPair(
  inputName: string,
  input: unknown,
  targetName: string,
  targets: unknown,
  options: { readonly shape?: readonly number[] | undefined } | undefined,
): Pick<ElementwiseCall, "names" | "input" | "targets"> {
  const first = readFloats(inputName, input);
  const second = readFloats(targetName, targets);
  const given = options?.shape === undefined ? undefined : checkShape("shape", options.shape);
  if (given && first.shape && !sameShape(given, first.shape)) {
    throw wrongValue("shape", `[${first.shape.join(", ")}], the shape of ${inputName}`, given);
  }
  const shape = first.shape ?? given ?? second.shape ?? [first.data.length];
  checkLength(inputName, first.data.length, shape);
  if (second.shape && !sameShape(second.shape, shape)) {
    throw wrongValue(targetName, `shape [${shape.join(", ")}]`, second.shape);
  }
  if (second.data.length !== first.data.length) {
    throw wrongValue(targetName, `${first.data.length} values, as ${inputName} has`, second.data.length);
  }
  return { names: [inputName, targetName], input: { ...first, shape }, targets: second };
}

/** One number, one for each of the last axis, or one for each element. */
export function checkFactors(
  name: string,
  value: number | Numbers | undefined,
  { data, shape }: FloatValues,
): FloatValues | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "number") {
    if (Number.isNaN(value)) throw wrongValue(name, "a number", value);
    return oneNumber(value);
  }
  const factors = readNumbers(name, value, true);
  const last = Number(shape?.at(-1) ?? data.length);
  const { length } = factors.data;
  if (length === 1) return factors;
  if (length !== data.length && length !== last) {
    throw wrongValue(name, `one number, ${last} for the last axis or ${data.length} for all elements`, length);
  }
  if (shape && factors.shape && !sameShape(factors.shape, shape) && !sameShape(factors.shape, [last])) {
    throw wrongValue(name, `shape [${last}] or [${shape.join(", ")}]`, factors.shape);
  }
  return factors;
}

function oneNumber(value: number): FloatValues {
  return { kind: "float64", data: Float64Array.of(value), shape: undefined };
}
