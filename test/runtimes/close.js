import { ok, strictEqual } from "node:assert/strict";

/**
 * Compares numbers, or arrays of them, within the float32 rounding of the other side, which takes differences of
 * numbers near 1; NaN is equal to NaN alone.
 */
export function assertClose(actual, expected, tolerance = 2e-6) {
  if (typeof expected === "number") return assertEach([actual], [expected], tolerance);
  strictEqual(actual.length, expected.length);
  assertEach(actual, expected, tolerance);
}

function assertEach(actual, expected, tolerance) {
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i], expected[i]];
    const close = Object.is(a, e) || Math.abs(a - e) <= tolerance * Math.max(0.5, Math.abs(e));
    ok(close, `[${i}]: ${a}, expected ${e}`);
  }
}
