/**
 * Fits the two polynomials of assembly/wide.ts and prints their coefficients and largest errors (`npm run fit`): they
 * agree with their functions at the zeros of a Chebyshev polynomial, which is within a small factor of the best.
 */

/** A polynomial p in x from `low` to `high`, for which `whole(x, p(x))` is to come near to `exact(x)`. */
interface Problem {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  readonly degree: number;
  /** What p is to be. */
  readonly wanted: (x: number) => number;
  readonly whole: (x: number, p: number) => number;
  readonly exact: (x: number) => number;
}

const TERMS = 40;

/** Σ x^k / divisor(k) */
const series = (x: number, divisor: (k: number) => number): number => {
  let sum = 0;
  for (let k = TERMS; k >= 0; k--) sum += x ** k / divisor(k);
  return sum;
};

const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));

const HALF_LN2 = 1.0000001 * (Math.LN2 / 2);
const exponential: Problem = {
  name: "p(r), e^r = 1 + r + r² p(r)",
  low: -HALF_LN2,
  high: HALF_LN2,
  degree: 5,
  wanted: (r) => series(r, (k) => factorial(k + 2)),
  whole: (r, p) => 1 + r + r * r * p,
  exact: Math.exp,
};

const logarithm: Problem = {
  name: "p(z), artanh s = s + s z p(z), z = s²",
  low: 0,
  high: 1.00001 * (Math.SQRT2 - 1) ** 4,
  degree: 3,
  wanted: (z) => series(z, (k) => 2 * k + 3),
  whole: (z, p) => 1 + z * p,
  exact: (z) => series(z, (k) => 2 * k + 1),
};

/** The coefficients of the polynomial through some points, by Newton's divided differences. */
function interpolate(xs: readonly number[], ys: readonly number[]): number[] {
  const differences = [...ys];
  for (let k = 1; k < xs.length; k++) {
    for (let i = xs.length - 1; i >= k; i--) {
      const rise = Number(differences[i]) - Number(differences[i - 1]);
      differences[i] = rise / (Number(xs[i]) - Number(xs[i - k]));
    }
  }
  let coefficients: number[] = [];
  for (let i = xs.length - 1; i >= 0; i--) {
    const shifted = [0, ...coefficients];
    coefficients.forEach((c, k) => {
      shifted[k] = Number(shifted[k]) - c * Number(xs[i]);
    });
    shifted[0] = Number(shifted[0]) + Number(differences[i]);
    coefficients = shifted;
  }
  return coefficients;
}

const evaluate = (coefficients: readonly number[], x: number): number =>
  coefficients.reduceRight((sum, c) => sum * x + c, 0);

const POINTS = 20000;

/** By how much the fused exponential is more than e^r: assembly/exp.ts. */
const INVERSE_KAPPA = 0.008333334059346009;

function approximate({ name, low, high, degree, wanted, whole, exact }: Problem): number[] {
  const nodes = Array.from({ length: degree + 1 }, (_, k) => {
    const node = Math.cos(((2 * k + 1) * Math.PI) / (2 * degree + 2));
    return (low + high + node * (high - low)) / 2;
  });
  const p = interpolate(nodes, nodes.map(wanted));
  let largest = 0;
  for (let i = 0; i <= POINTS; i++) {
    const x = low + (i / POINTS) * (high - low);
    largest = Math.max(largest, Math.abs(whole(x, evaluate(p, x)) / exact(x) - 1));
  }
  console.log(`${name}: ${p.join(", ")}; largest relative error ${largest.toPrecision(2)}`);
  return p;
}

approximate(logarithm);
const signed = [1, 1, ...approximate(exponential)].map((c, k) => (-1) ** k * c);
console.log(`e^-r: ${signed.join(", ")}`);
console.log(`e^-r / κ: ${signed.map((c) => c * INVERSE_KAPPA).join(", ")}`);
