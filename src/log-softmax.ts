import type { Backend } from "./backend.js";
import { checkOut } from "./out.js";
import { type LayoutOptions, layOut, type Rows, sameShape } from "./rows.js";
import { type FloatArrayLike, readFloats } from "./tensor-like.js";
import { checkOptions, wrongValue } from "./validate.js";

export interface SoftmaxOptions extends LayoutOptions {
  /** Where the result goes: float32, as long as the result. The input's own array makes it in place. */
  readonly out?: FloatArrayLike | undefined;
}

const OPTIONS = new Set(["shape", "axis", "out"]);

export function logSoftmax(backend: Backend, x: FloatArrayLike, options?: SoftmaxOptions): Float32Array {
  const { data, layout } = prepare(x, options);
  const out = checkOut(options?.out, data.length, { x: data });
  backend.logSoftmax(data, out, layout);
  return out;
}

export function softmax(backend: Backend, x: FloatArrayLike, options?: SoftmaxOptions): Float32Array {
  const { data, layout } = prepare(x, options);
  const out = checkOut(options?.out, data.length, { x: data });
  backend.softmax(data, out, layout);
  return out;
}

export function logSumExp(backend: Backend, x: FloatArrayLike, options?: SoftmaxOptions): Float32Array {
  const { data, layout } = prepare(x, options);
  const out = checkOut(options?.out, layout.rows, { x: data });
  backend.logSumExp(data, out, layout);
  return out;
}

export function logSoftmaxGrad(
  backend: Backend,
  gradOutput: FloatArrayLike,
  logProbs: FloatArrayLike,
  options?: SoftmaxOptions,
): Float32Array {
  const { gradient, data, layout } = prepareGrad(gradOutput, "logProbs", logProbs, options);
  const out = checkOut(options?.out, data.length, { gradOutput: gradient, logProbs: data });
  backend.logSoftmaxBackward(gradient, data, out, layout);
  return out;
}

export function softmaxGrad(
  backend: Backend,
  gradOutput: FloatArrayLike,
  probs: FloatArrayLike,
  options?: SoftmaxOptions,
): Float32Array {
  const { gradient, data, layout } = prepareGrad(gradOutput, "probs", probs, options);
  const out = checkOut(options?.out, data.length, { gradOutput: gradient, probs: data });
  backend.softmaxBackward(gradient, data, out, layout);
  return out;
}

/** An argument as rows of classes. */
interface Prepared {
  readonly data: Float32Array;
  readonly layout: Rows;
}

function prepare(x: FloatArrayLike, options: SoftmaxOptions | undefined): Prepared {
  checkOptions(options, OPTIONS);
  const values = readFloats("x", x);
  return { data: values.data, layout: layOut("x", values, options, () => [values.data.length]) };
}

function prepareGrad(
  gradOutput: FloatArrayLike,
  name: string,
  y: FloatArrayLike,
  options: SoftmaxOptions | undefined,
): Prepared & { readonly gradient: Float32Array } {
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
  return { gradient: gradient.data, data: values.data, layout };
}
