import type { Backend } from "./backend.js";
import { type FloatArrayLike, type Floats, type ResultArray, readFloats } from "./floats.js";
import { checkOut } from "./out.js";
import { type LayoutOptions, layOut, type Rows, sameShape } from "./rows.js";
import { checkOptions, wrongValue } from "./validate.js";

export interface SoftmaxOptions extends LayoutOptions {
  /** Where the result goes: as long as the result, and of its kind. The input's own array makes it in place. */
  readonly out?: FloatArrayLike | undefined;
}

const OPTIONS = new Set(["shape", "axis", "out"]);

export function logSoftmax(backend: Backend, x: FloatArrayLike, options?: SoftmaxOptions): ResultArray {
  const { values, layout } = prepare(x, options);
  const out = checkOut(options?.out, values.kind, values.data.length, "x", values.data);
  backend.logSoftmax(values, out, layout);
  return out;
}

export function softmax(backend: Backend, x: FloatArrayLike, options?: SoftmaxOptions): ResultArray {
  const { values, layout } = prepare(x, options);
  const out = checkOut(options?.out, values.kind, values.data.length, "x", values.data);
  backend.softmax(values, out, layout);
  return out;
}

export function logSumExp(backend: Backend, x: FloatArrayLike, options?: SoftmaxOptions): ResultArray {
  const { values, layout } = prepare(x, options);
  const out = checkOut(options?.out, values.kind, layout.rows, "x", values.data);
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
  const out = checkOut(
    options?.out,
    values.kind,
    values.data.length,
    "gradOutput",
    gradient.data,
    "logProbs",
    values.data,
  );
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
  const out = checkOut(
    options?.out,
    values.kind,
    values.data.length,
    "gradOutput",
    gradient.data,
    "probs",
    values.data,
  );
  backend.softmaxBackward(gradient, values, out, layout);
  return out;
}

/** An argument as rows of classes. */
interface Prepared {
  readonly values: Floats;
  readonly layout: Rows;
}

function prepare(x: FloatArrayLike, options: SoftmaxOptions | undefined): Prepared {
  checkOptions(options, OPTIONS);
  const values = readFloats("x", x);
  return { values, layout: layOut("x", values, options, () => [values.data.length]) };
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
  const layout = layOut(name, shaped, options, () => [values.data.length]);
  if (gradient.shape && !sameShape(gradient.shape, layout.shape)) {
    throw wrongValue("gradOutput", `shape [${layout.shape.join(", ")}]`, gradient.shape);
  }
  if (gradient.data.length !== values.data.length) {
    throw wrongValue("gradOutput", `${values.data.length} values, as ${name} has`, gradient.data.length);
  }
  return { gradient, values, layout };
}
