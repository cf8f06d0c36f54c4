/**
 * Fits the polynomial of assembly/exp.ts and prints its coefficients, κ and its largest error (`npm run fit`).
 *
 * q(r) = 1 + c1 r + … + c5 r⁵ is to be κ e^r (1 ± E) with the smallest E on |r| ≤ 1.0001 · ln 2 / 2. For given nodes
 * that is linear in κ, the c and E:  Σ c_j r^j e^-r - κ ± E = 0. A Remez exchange finds the nodes where the error is
 * largest. Each coefficient is rounded to float32 in turn, the most significant first, and the rest are fitted anew; at
 * the end each is tried a few float32 to either side.
 */
const DEGREE = 5;
const HALF_WIDTH = 1.0001 * (Math.LN2 / 2);
const GRID = 40_000;

interface Fit {
  readonly kappa: number;
  readonly coefficients: readonly number[];
}

function evaluate(coefficients: readonly number[], r: number): number {
  return coefficients.reduceRight((value, coefficient) => value * r + coefficient, 0);
}

/** q(r) / e^r over the interval, which is κ (1 ± E). */
function ratios(coefficients: readonly number[]): { readonly kappa: number; readonly error: number } {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (let i = 0; i <= GRID; i++) {
    const r = HALF_WIDTH * ((2 * i) / GRID - 1);
    const ratio = evaluate(coefficients, r) * Math.exp(-r);
    low = Math.min(low, ratio);
    high = Math.max(high, ratio);
  }
  return { kappa: (low + high) / 2, error: (high - low) / (high + low) };
}

/** Remez's exchange with the lowest coefficients given. */
function remez(given: readonly number[]): Fit {
  const free = DEGREE + 1 - given.length;
  const count = free + 2;
  let nodes = Array.from({ length: count }, (_, i) => HALF_WIDTH * Math.cos((Math.PI * (i + 0.5)) / count));
  let fit: Fit = { kappa: 1, coefficients: given };
  for (let round = 0; round < 50; round++) {
    const equations = nodes.map((r, i) => [
      -1,
      ...Array.from({ length: free }, (_, j) => r ** (given.length + j) * Math.exp(-r)),
      i % 2 === 0 ? 1 : -1,
      -evaluate(given, r) * Math.exp(-r),
    ]);
    const solution = solve(equations);
    fit = { kappa: Number(solution[0]), coefficients: [...given, ...solution.slice(1, 1 + free)] };
    const extrema = alternations(fit);
    if (extrema.length < count) break;
    nodes = extrema.slice(0, count);
  }
  return fit;
}

/** Where the error is largest between its changes of sign. */
function alternations({ kappa, coefficients }: Fit): number[] {
  const nodes: number[] = [];
  let largest = 0;
  let sign = 0;
  for (let i = 0; i <= GRID; i++) {
    const r = HALF_WIDTH * ((2 * i) / GRID - 1);
    const error = (evaluate(coefficients, r) * Math.exp(-r)) / kappa - 1;
    if (Math.sign(error) !== sign) {
      sign = Math.sign(error);
      largest = 0;
      nodes.push(r);
    }
    if (Math.abs(error) > largest) {
      largest = Math.abs(error);
      nodes[nodes.length - 1] = r;
    }
  }
  return nodes;
}

/** Gaussian elimination with pivoting; the right-hand sides stand in the last column. */
function solve(rows: number[][]): number[] {
  const at = (row: number, column: number): number => Number(rows[row]?.[column]);
  const n = rows.length;
  for (let i = 0; i < n; i++) {
    rows.splice(i, n, ...rows.slice(i).sort((a, b) => Math.abs(Number(b[i])) - Math.abs(Number(a[i]))));
    for (let j = i + 1; j < n; j++) {
      const factor = at(j, i) / at(i, i);
      rows[j] = Array.from({ length: n + 1 }, (_, k) => at(j, k) - factor * at(i, k));
    }
  }
  const x: number[] = Array(n).fill(0);
  for (let i = n - 1; i >= 0; i--) {
    x[i] = x.reduce((rest, value, k) => (k > i ? rest - at(i, k) * value : rest), at(i, n)) / at(i, i);
  }
  return x;
}

/** The neighbours of a float32, `steps` away. */
function neighbour(value: number, steps: number): number {
  return Math.fround(value + steps * 2 ** (Math.floor(Math.log2(Math.abs(value))) - 23));
}

let rounded: number[] = [1];
while (rounded.length <= DEGREE) rounded.push(Math.fround(Number(remez(rounded).coefficients[rounded.length])));

for (let improved = true; improved; ) {
  improved = false;
  for (let j = 1; j <= DEGREE; j++) {
    for (const steps of [-3, -2, -1, 1, 2, 3]) {
      const tried = rounded.map((value, i) => (i === j ? neighbour(value, steps) : value));
      if (ratios(tried).error < 0.9999 * ratios(rounded).error) {
        rounded = tried;
        improved = true;
      }
    }
  }
}

const { kappa, error } = ratios(rounded);
rounded.forEach((coefficient, power) => {
  console.log(`c${power} ${coefficient.toPrecision(9)}`);
});
console.log(`log κ ${Math.log(kappa).toPrecision(10)}`);
console.log(
  `largest relative error ${error.toExponential(2)}, unrounded ${ratios(remez([1]).coefficients).error.toExponential(2)}`,
);
