import type { Backend } from "./backend.js";
import { checkOut, checkOverlap } from "./out.js";
import { type LayoutOptions, layOut, sameShape } from "./rows.js";
import { type FloatArrayLike, readFloats } from "./tensor-like.js";
import { checkOptions, wrongValue } from "./validate.js";

export interface SoftmaxOptions extends LayoutOptions {
  /** Where the result goes: float32, as long as the result. The input's own array makes it in place. */
  readonly out?: FloatArrayLike | undefined;
}

const OPTIONS = new Set(["shape", "axis", "out"]);

export function logSoftmax(backend: Backend, x: FloatArrayLike, options?: SoftmaxOptions): Float32Array {
  const { data, rows, classes } = prepare(x, options);
  const out = checkOut(options?.out, data.length);
  checkOverlap(out, "x", data);
  backend.logSoftmax(data, out, rows, classes);
  return out;
}

export function softmax(backend: Backend, x: FloatArrayLike, options?: SoftmaxOptions): Float32Array {
  const { data, rows, classes } = prepare(x, options);
  const out = checkOut(options?.out, data.length);
  checkOverlap(out, "x", data);
  backend.softmax(data, out, rows, classes);
  return out;
}

export function logSumExp(backend: Backend, x: FloatArrayLike, options?: SoftmaxOptions): Float32Array {
  const { data, rows, classes } = prepare(x, options);
  const out = checkOut(options?.out, rows);
  checkOverlap(out, "x", data);
  backend.logSumExp(data, out, rows, classes);
  return out;
}

export function logSoftmaxGrad(
  backend: Backend,
  gradOutput: FloatArrayLike,
  logProbs: FloatArrayLike,
  options?: SoftmaxOptions,
): Float32Array {
  const { gradient, data, rows, classes } = prepareGrad(gradOutput, "logProbs", logProbs, options);
  const out = checkOut(options?.out, data.length);
  checkOverlap(out, "gradOutput", gradient);
  checkOverlap(out, "logProbs", data);
  backend.logSoftmaxBackward(gradient, data, out, rows, classes);
  return out;
}

export function softmaxGrad(
  backend: Backend,
  gradOutput: FloatArrayLike,
  probs: FloatArrayLike,
  options?: SoftmaxOptions,
): Float32Array {
  const { gradient, data, rows, classes } = prepareGrad(gradOutput, "probs", probs, options);
  const out = checkOut(options?.out, data.length);
  checkOverlap(out, "gradOutput", gradient);
  checkOverlap(out, "probs", data);
  backend.softmaxBackward(gradient, data, out, rows, classes);
  return out;
}

/** An argument as rows of classes. */
interface Prepared {
  readonly data: Float32Array;
  readonly rows: number;
  readonly classes: number;
}

function prepare(x: FloatArrayLike, options: SoftmaxOptions | undefined): Prepared {
  checkOptions(options, OPTIONS);
  const values = readFloats("x", x);
  const { rows, classes } = layOut("x", values, options, () => [values.data.length]);
  return { data: values.data, rows, classes };
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
  const { shape, rows, classes } = layOut(name, values, options, () => [values.data.length]);
  if (gradient.shape && !sameShape(gradient.shape, shape)) {
    throw wrongValue("gradOutput", `shape [${shape.join(", ")}]`, gradient.shape);
  }
  if (gradient.data.length !== values.data.length) {
    throw wrongValue("gradOutput", `${values.data.length} values, as ${name} has`, gradient.data.length);
  }
  return { gradient: gradient.data, data: values.data, rows, classes };
}
