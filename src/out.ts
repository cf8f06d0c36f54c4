import {
  type FloatArrayLike,
  type FloatKind,
  makeResults,
  type ResultArray,
  readFloats,
  resultKind,
} from "./floats.js";
import { isTypedArray, kindOf } from "./tensor-like.js";
import { wrongKind, wrongValue } from "./validate.js";

/**
 * Where `length` results of numbers of this kind go: a fresh array, or `out`, which may be one of the inputs but not a
 * part of it. These come as names and arrays in turn: a record of them would take a small call a tenth of its time.
 */
export function checkOut(
  out: FloatArrayLike | undefined,
  kind: FloatKind,
  length: number,
  ...inputs: readonly unknown[]
): ResultArray {
  if (out === undefined) return makeResults(kind, length);
  if (Array.isArray(out)) throw wrongKind("out", expectedFor(kind), out);
  const floats = readFloats("out", out);
  if (floats.kind !== resultKind(kind)) throw wrongKind("out", expectedFor(kind), floats.data);
  if (floats.data.length !== length) throw wrongValue("out", `${length} values`, floats.data.length);
  for (let i = 0; i < inputs.length; i += 2) checkOverlap(floats.data, inputs[i], inputs[i + 1]);
  return floats.data;
}

function expectedFor(kind: FloatKind): string {
  return `a ${resultKind(kind) === "float64" ? "Float64Array" : "Float32Array"} for ${kind} input`;
}

/** In place is value on value; from any other overlap, values would be read after they were overwritten. */
function checkOverlap(out: ResultArray, name: unknown, input: unknown): void {
  if (input === out || typeof input !== "object" || !isTypedArray(input) || input.buffer !== out.buffer) return;
  const inPlace =
    input.byteOffset === out.byteOffset && input.byteLength === out.byteLength && kindOf(input) === kindOf(out);
  const apart =
    input.byteOffset + input.byteLength <= out.byteOffset || out.byteOffset + out.byteLength <= input.byteOffset;
  if (!inPlace && !apart) {
    throw new RangeError(`out: expected ${name} as a whole or memory apart from it, got a part of it`);
  }
}
