import type { Backend } from "./backend.js";
import { type FloatArrayLike, type Floats, type ResultArray, readFloats } from "./floats.js";
import { checkApart, checkOut } from "./out.js";
import { givenShape, type LayoutOptions, layOut, type Rows, sameShape } from "./rows.js";
import { checkOptions, wrongValue } from "./validate.js";

export interface SoftmaxOptions extends LayoutOptions {
  /** Where the result goes: as long as the result, and of its kind. The input's own array makes it in place. */
  readonly out?: FloatArrayLike | undefined;
}

const OPTIONS = new Set(["shape", "axis", "out"]);

export function logSoftmax(backend: Backend, x: FloatArrayLike, options?: SoftmaxOptions): ResultArray {
  const direct = backend.direct?.logSoftmax(x, options);
  if (direct !== undefined) return direct;
  const { values, layout } = prepare(x, options);
  const out = placeResults(values, values.data.length, options?.out);
  backend.logSoftmax(values, out, layout);
  return out;
}

export function softmax(backend: Backend, x: FloatArrayLike, options?: SoftmaxOptions): ResultArray {
  const direct = backend.direct?.softmax(x, options);
  if (direct !== undefined) return direct;
  const { values, layout } = prepare(x, options);
  const out = placeResults(values, values.data.length, options?.out);
  backend.softmax(values, out, layout);
  return out;
}

export function logSumExp(backend: Backend, x: FloatArrayLike, options?: SoftmaxOptions): ResultArray {
  const direct = backend.direct?.logSumExp(x, options);
  if (direct !== undefined) return direct;
  const { values, layout } = prepare(x, options);
  const out = placeResults(values, layout.rows, options?.out);
  backend.logSumExp(values, out, layout);
  return out;
}

export function logSoftmaxGrad(
  backend: Backend,
  gradOutput: FloatArrayLike,
  logProbs: FloatArrayLike,
  options?: SoftmaxOptions,
): ResultArray {
  const { gradient, values, layout } = prepareGrad(gradOutput, "logProbs", logProbs, options);
  const out = placeGradient(gradient, "logProbs", values, options?.out);
  backend.logSoftmaxBackward(gradient, values, out, layout);
  return out;
}

export function softmaxGrad(
  backend: Backend,
  gradOutput: FloatArrayLike,
  probs: FloatArrayLike,
  options?: SoftmaxOptions,
): ResultArray {
  const { gradient, values, layout } = prepareGrad(gradOutput, "probs", probs, options);
  const out = placeGradient(gradient, "probs", values, options?.out);
  backend.softmaxBackward(gradient, values, out, layout);
  return out;
}

function placeResults({ kind, data }: Floats, length: number, out: FloatArrayLike | undefined): ResultArray {
  const results = checkOut(out, kind, length);
  if (out !== undefined) checkApart(results, "x", data);
  return results;
}

function placeGradient(
  gradient: Floats,
  name: string,
  { kind, data }: Floats,
  out: FloatArrayLike | undefined,
): ResultArray {
  const results = checkOut(out, kind, data.length);
  if (out !== undefined) {
    checkApart(results, "gradOutput", gradient.data);
    checkApart(results, name, data);
  }
  return results;
}

/** An argument as rows of classes. */
interface Prepared {
  readonly values: Floats;
  readonly layout: Rows;
}

function prepare(x: FloatArrayLike, options: SoftmaxOptions | undefined): Prepared {
  checkOptions(options, OPTIONS);
  const values = readFloats("x", x);
  const shape = givenShape("x", values.shape, options) ?? [values.data.length];
  return { values, layout: layOut("x", values, shape, options) };
}

function prepareGrad(
  gradOutput: FloatArrayLike,
  name: string,
  y: FloatArrayLike,
  options: SoftmaxOptions | undefined,
): Prepared & { readonly gradient: Floats } {
  checkOptions(options, OPTIONS);
  const gradient = readFloats("gradOutput", gradOutput);
  const values = readFloats(name, y);
  // Results are bare arrays, so that the shape is often that of the gradient alone.
  const shaped = { data: values.data, shape: values.shape ?? gradient.shape };
  const shape = givenShape(name, shaped.shape, options) ?? [values.data.length];
  const layout = layOut(name, shaped, shape, options);
  if (gradient.shape && !sameShape(gradient.shape, layout.shape)) {
    throw wrongValue("gradOutput", `shape [${layout.shape.join(", ")}]`, gradient.shape);
  }
  if (gradient.data.length !== values.data.length) {
    throw wrongValue("gradOutput", `${values.data.length} values, as ${name} has`, gradient.data.length);
  }
  return { gradient, values, layout };
}
