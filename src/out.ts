import {
  type FloatArrayLike,
  type FloatKind,
  makeResults,
  type ResultArray,
  readFloats,
  resultKind,
} from "./floats.js";
import { kindOf, type TypedArray } from "./tensor-like.js";
import { wrongKind, wrongValue } from "./validate.js";

/** Where `length` results of numbers of this kind go: a fresh array, or `out`. */
export function checkOut(out: FloatArrayLike | undefined, kind: FloatKind, length: number): ResultArray {
  return out === undefined ? makeResults(kind, length) : checkGivenOut(out, kind, length);
}

function checkGivenOut(out: FloatArrayLike, kind: FloatKind, length: number): ResultArray {
  if (Array.isArray(out)) throw wrongKind("out", expectedFor(kind), out);
  const floats = readFloats("out", out);
  if (floats.kind !== resultKind(kind)) throw wrongKind("out", expectedFor(kind), floats.data);
  if (floats.data.length !== length) throw wrongValue("out", `${length} values`, floats.data.length);
  return floats.data;
}

function expectedFor(kind: FloatKind): string {
  return `a ${resultKind(kind) === "float64" ? "Float64Array" : "Float32Array"} for ${kind} input`;
}

/**
 * Refuses results that go to a part of an input. In place is value on value; from any other overlap, values would be read
 * after they were overwritten. The buffers, which take longest to ask for, come last.
 */
export function checkApart(out: ResultArray, name: string, input: TypedArray): void {
  if (input === out) return;
  const { byteOffset, byteLength } = input;
  if (byteOffset + byteLength <= out.byteOffset || out.byteOffset + out.byteLength <= byteOffset) return;
  if (byteOffset === out.byteOffset && byteLength === out.byteLength && kindOf(input) === kindOf(out)) return;
  if (input.buffer === out.buffer) {
    throw new RangeError(`out: expected ${name} as a whole or memory apart from it, got a part of it`);
  }
}
