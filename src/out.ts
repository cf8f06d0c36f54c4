import { type FloatArrayLike, type FloatKind, makeResults, type ResultArray, readFloats } from "./floats.js";
import { isTypedArray, kindOf } from "./tensor-like.js";
import { wrongKind, wrongValue } from "./validate.js";

/**
 * Where `length` results of numbers of this kind go: a fresh array, or `out`, which may be one of the inputs but not a
 * part of it.
 */
export function checkOut(
  out: FloatArrayLike | undefined,
  kind: FloatKind,
  length: number,
  inputs: Readonly<Record<string, unknown>>,
): ResultArray {
  if (out === undefined) return makeResults(kind, length);
  const isDouble = kind === "float64";
  const expected = `a ${isDouble ? "Float64Array" : "Float32Array"} for ${kind} input`;
  if (Array.isArray(out)) throw wrongKind("out", expected, out);
  const floats = readFloats("out", out);
  if (floats.kind !== (isDouble ? "float64" : "float32")) throw wrongKind("out", expected, floats.data);
  if (floats.data.length !== length) throw wrongValue("out", `${length} values`, floats.data.length);
  for (const name in inputs) checkOverlap(floats.data, name, inputs[name]);
  return floats.data;
}

/** In place is value on value; from any other overlap, values would be read after they were overwritten. */
function checkOverlap(out: ResultArray, name: string, input: unknown): void {
  if (input === out || !isTypedArray(input) || input.buffer !== out.buffer) return;
  const inPlace =
    input.byteOffset === out.byteOffset && input.byteLength === out.byteLength && kindOf(input) === kindOf(out);
  const apart =
    input.byteOffset + input.byteLength <= out.byteOffset || out.byteOffset + out.byteLength <= input.byteOffset;
  if (!inPlace && !apart) {
    throw new RangeError(`out: expected ${name} as a whole or memory apart from it, got a part of it`);
  }
}
