/** Arithmetic of far more digits than float64 has: a bigint counts 2^-BITS. */
const BITS = 240n;
export const ONE = 1n << BITS;

/** A float64 as it is, down to 2^-240. */
export function exact(value: number): bigint {
  let exponent = 0n;
  while (!Number.isInteger(value)) {
    value *= 2;
    exponent++;
  }
  return (BigInt(value) << BITS) >> exponent;
}

export const multiply = (a: bigint, b: bigint): bigint => (a * b) >> BITS;
export const divide = (a: bigint, b: bigint): bigint => (a << BITS) / b;
export const size = (a: bigint): bigint => (a < 0n ? -a : a);

/** The nearest float64. */
export function float(a: bigint): number {
  return Number(a) / 2 ** Number(BITS);
}

/** e^x, by the series of x / 2^10, squared ten times. */
export function exp(x: bigint): bigint {
  let sum = 0n;
  for (let k = 1n, term = ONE; term !== 0n && term !== -1n; k++) {
    sum += term;
    term = multiply(term, x >> 10n) / k;
  }
  for (let i = 0; i < 10; i++) sum = multiply(sum, sum);
  return sum;
}

/** log y for y > 0: float64's, bettered by Newton's method, each step of which trebles the digits. */
export function log(y: bigint): bigint {
  let x = exact(Math.log(float(y)));
  for (let i = 0; i < 2; i++) {
    const e = exp(x);
    x += divide(2n * (y - e), y + e);
  }
  return x;
}
