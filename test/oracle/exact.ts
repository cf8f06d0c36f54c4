/** Numbers with 600 bits behind the point, in which the formulas may be written down as they stand in a book. */

const BITS = 600n;
const ONE = 1n << BITS;

const words = new DataView(new ArrayBuffer(8));

/** The exact value of a finite float64 that has no bits below 2^-600. */
export function fixed(value: number): bigint {
  words.setFloat64(0, value);
  const bits = words.getBigUint64(0);
  const exponent = (bits >> 52n) & 0x7ffn;
  const fraction = bits & ((1n << 52n) - 1n);
  const mantissa = exponent === 0n ? fraction : fraction | (1n << 52n);
  const shift = (exponent === 0n ? 1n : exponent) - 1075n + BITS;
  const size = shift >= 0n ? mantissa << shift : mantissa >> -shift;
  return bits >> 63n === 1n ? -size : size;
}

/** The nearest float64, but for a rounding beyond the 64 leading bits. */
export function toNumber(value: bigint): number {
  const size = value < 0n ? -value : value;
  const excess = BigInt(Math.max(size.toString(16).length * 4 - 64, 0));
  return Number(value >> excess) * 2 ** Number(excess - BITS);
}

export function times(a: bigint, b: bigint): bigint {
  return (a * b) >> BITS;
}

export function over(a: bigint, b: bigint): bigint {
  return (a << BITS) / b;
}

/** Taylor's series of e^(x / 2^16), squared sixteen times: good to some 570 bits, for an x of less than a thousand. */
export function exp(x: bigint): bigint {
  if (x < -1000n * ONE) return 0n;
  const small = x >> 16n;
  let [power, term] = [ONE, ONE];
  for (let n = 1n; term !== 0n && term !== -1n; n++) {
    term = times(term, small) / n;
    power += term;
  }
  for (let i = 0; i < 16; i++) power = times(power, power);
  return power;
}

/** Halley's iteration y + 2 (x - e^y) / (x + e^y), whose digits triple with each step. */
export function log(x: bigint): bigint {
  let y = fixed(Math.log(toNumber(x)));
  for (let step = 0; step < 4; step++) {
    const power = exp(y);
    y += 2n * over(x - power, x + power);
  }
  return y;
}

export function tanh(x: bigint): bigint {
  const power = exp(2n * x);
  return over(power - ONE, power + ONE);
}

export const one = ONE;
