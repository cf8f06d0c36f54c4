/**
 * Fits the two polynomials of assembly/wide and prints their coefficients and largest errors (`npm run fit`).
 *
 * e^r = 1 + 2 r / (2 + t q(t) - r) with t = r² on |r| ≤ 1.0001 · ln 2 / 2, and log(1 + f) = s (2 + z p(z)) with
 * s = f / (2 + f), z = s², for 1 + f in [√½, √2]. Both have less error than a float64 can tell, so that the fitting is done in fixed
 * point. Relative errors are what is made smallest, by a Remez exchange; each coefficient is rounded to
 * float64 in turn, the most significant first, and the rest are fitted anew.
 */
import { divide, exact, exp, float, multiply, ONE, size } from "./fixed-point.js";

const GRID = 3000;

/** What Σ c_j φ_j is to come near to, both divided by what the error is relative to. */
interface Problem {
  readonly name: string;
  readonly low: bigint;
  readonly high: bigint;
  readonly degree: number;
  readonly at: (x: bigint) => { readonly powers: readonly bigint[]; readonly want: bigint };
}

function powersOf(x: bigint, first: bigint, count: number): bigint[] {
  const powers = [first];
  while (powers.length < count) powers.push(multiply(powers[powers.length - 1] ?? 0n, x));
  return powers;
}

/** √x, by Newton's method from float64's. */
function root(x: bigint): bigint {
  let y = exact(Math.sqrt(float(x)));
  for (let i = 0; i < 4; i++) y = (y + divide(x, y)) / 2n;
  return y;
}

const HALF_LN2 = exact(1.0001 * (Math.LN2 / 2));

// R = 2 + t q(t) = r (e^r + 1) / (e^r - 1). An error of R is 2 r / (R² - t) of it in e^r.
const exponential: Problem = {
  name: "q(t), e^r = 1 + 2 r / (2 + t q(t) - r)",
  low: ONE >> 40n,
  high: multiply(HALF_LN2, HALF_LN2),
  degree: 4,
  at: (t) => {
    const r = root(t);
    const e = exp(r);
    const exactly = divide(multiply(r, e + ONE), e - ONE);
    const weight = divide(2n * r, multiply(exactly, exactly) - t);
    return { powers: powersOf(t, multiply(t, weight), 5), want: multiply(exactly - 2n * ONE, weight) };
  },
};

const logarithm: Problem = {
  name: "p(z), log(1 + f) = s (2 + z p(z))",
  low: ONE >> 40n,
  high: exact(1.0001 * (Math.SQRT2 - 1) ** 4),
  degree: 6,
  at: (z) => {
    // 2 artanh(s) / s = 2 Σ z^k / (2k + 1)
    let series = 0n;
    let power = ONE;
    for (let k = 0n; power !== 0n; k++, power = multiply(power, z)) series += (2n * power) / (2n * k + 1n);
    return { powers: powersOf(z, divide(z, series), 7), want: divide(series - 2n * ONE, series) };
  },
};

/** Gaussian elimination with pivoting; the right-hand sides stand in the last column. */
function solve(rows: bigint[][]): bigint[] {
  const at = (row: number, column: number): bigint => rows[row]?.[column] ?? 0n;
  const n = rows.length;
  for (let i = 0; i < n; i++) {
    rows.splice(i, n, ...rows.slice(i).sort((a, b) => (size(a[i] ?? 0n) < size(b[i] ?? 0n) ? 1 : -1)));
    for (let j = i + 1; j < n; j++) {
      const factor = divide(at(j, i), at(i, i));
      rows[j] = Array.from({ length: n + 1 }, (_, k) => at(j, k) - multiply(factor, at(i, k)));
    }
  }
  const x: bigint[] = Array(n).fill(0n);
  for (let i = n - 1; i >= 0; i--) {
    const rest = x.reduce((left, value, k) => (k > i ? left - multiply(at(i, k), value) : left), at(i, n));
    x[i] = divide(rest, at(i, i));
  }
  return x;
}

type Sample = ReturnType<Problem["at"]>;

function errorOf(coefficients: readonly bigint[], { powers, want }: Sample): bigint {
  return coefficients.reduce((sum, c, j) => sum + multiply(c, powers[j] ?? 0n), -want);
}

/** Remez's exchange with the lowest coefficients given, over samples of the interval. */
function remez(given: readonly bigint[], degree: number, samples: readonly Sample[]): bigint[] {
  const free = degree + 1 - given.length;
  const last = samples.length - 1;
  let nodes = Array.from({ length: free + 1 }, (_, i) => {
    const place = Math.round((last / 2) * (1 - Math.cos((Math.PI * (i + 0.5)) / (free + 1))));
    return samples[place];
  }).filter((sample) => sample !== undefined);
  let coefficients: bigint[] = [];
  for (let round = 0; round < 20; round++) {
    const solution = solve(
      nodes.map((node, i) => [
        ...node.powers.slice(given.length),
        i % 2 === 0 ? ONE >> 40n : -(ONE >> 40n),
        -errorOf(given, node),
      ]),
    );
    coefficients = [...given, ...solution.slice(0, free)];
    const extrema: Sample[] = [];
    let largest = 0n;
    let positive: boolean | undefined;
    for (const sample of samples) {
      const error = errorOf(coefficients, sample);
      if (error > 0n !== positive) {
        positive = error > 0n;
        largest = -1n;
        extrema.push(sample);
      }
      if (size(error) > largest) {
        largest = size(error);
        extrema[extrema.length - 1] = sample;
      }
    }
    if (extrema.length < free + 1) break;
    nodes = extrema.slice(0, free + 1);
  }
  return coefficients;
}

for (const { name, low, high, degree, at } of [exponential, logarithm]) {
  const samples = Array.from({ length: GRID + 1 }, (_, i) => at(low + ((high - low) * BigInt(i)) / BigInt(GRID)));
  const largest = (coefficients: readonly bigint[]): string => {
    const errors = samples.map((sample) => float(size(errorOf(coefficients, sample))));
    return Math.max(...errors).toExponential(2);
  };
  const rounded: number[] = [];
  while (rounded.length <= degree) {
    rounded.push(float(remez(rounded.map(exact), degree, samples)[rounded.length] ?? 0n));
  }
  console.log(`${name} of degree ${degree}`);
  for (const coefficient of rounded) console.log(`  ${coefficient.toPrecision(17)}`);
  console.log(
    `  largest relative error ${largest(rounded.map(exact))}, unrounded ${largest(remez([], degree, samples))}`,
  );
}
