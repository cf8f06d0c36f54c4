import { type FloatArrayLike, readFloats } from "./tensor-like.js";
import { wrongValue } from "./validate.js";

/**
 * Where a result of `length` values goes: a fresh array, or `out`, which may be one of the inputs but not a part of it.
 */
export function checkOut(
  out: FloatArrayLike | undefined,
  length: number,
  inputs: Readonly<Record<string, unknown>>,
): Float32Array {
  if (out === undefined) return new Float32Array(length);
  const { data } = readFloats("out", out);
  if (data.length !== length) throw wrongValue("out", `${length} values`, data.length);
  for (const name in inputs) checkOverlap(data, name, inputs[name]);
  return data;
}

/** In place is value on value; from any other overlap, values would be read after they were overwritten. */
function checkOverlap(out: Float32Array, name: string, input: unknown): void {
  if (input === out || !ArrayBuffer.isView(input) || input.buffer !== out.buffer) return;
  const inPlace =
    input instanceof Float32Array && input.byteOffset === out.byteOffset && input.byteLength === out.byteLength;
  const apart =
    input.byteOffset + input.byteLength <= out.byteOffset || out.byteOffset + out.byteLength <= input.byteOffset;
  if (!inPlace && !apart) {
    throw new RangeError(`out: expected ${name} as a whole or memory apart from it, got a part of it`);
  }
}
