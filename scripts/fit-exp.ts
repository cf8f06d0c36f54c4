/**
 * Fits e^r for assembly/exp.ts, on |r| ≤ 1.0001 · ln 2 / 2, and prints coefficients and largest relative errors (`npm run
 * fit`). With fused multiply-add it is a polynomial, without a quotient:
 *
 *   q(r) = 120 (1 + r) + c2 r² + c3 r³ + c4 r⁴ + r⁵ = κ e^r (1 ± E)     q(r) e^-r - κ = ± κE
 *   (p + r) / (p - r) = e^r (1 ± E),  p = 2 + c1 r² + c2 r⁴            w (p - r coth(r / 2)) = ± E
 *
 * where w = 2r / (r² coth²(r / 2) - r²) is what an error of p does to the quotient. Both are linear in κ and the c. The
 * largest error is made smallest by Lawson's algorithm: least squares whose weights grow where the error is large.
 * Each coefficient is rounded to float32 in turn, the most significant first, and the rest are fitted anew; at the end
 * each is tried a few float32 to either side.
 */
const HALF_WIDTH = 1.0001 * (Math.LN2 / 2);
const NODES = 400;
const GRID = 40_000;
const ROUNDS = 2000;

type Real = (r: number) => number;

/** Σ a_j basis_j(r) = target(r) from `low` to HALF_WIDTH, of which the first `count` a_j are coefficients to be rounded. */
interface Problem {
  readonly basis: readonly Real[];
  readonly target: Real;
  readonly low: number;
  readonly count: number;
  /** The largest relative error with these coefficients. */
  readonly error: (coefficients: readonly number[]) => number;
}

const evaluate = (coefficients: readonly number[], r: number): number =>
  coefficients.reduceRight((value, coefficient) => value * r + coefficient, 0);

const grid = (low: number): number[] =>
  Array.from({ length: GRID + 1 }, (_, i) => low + ((HALF_WIDTH - low) * i) / GRID);

/** q(r) / e^r, which is κ (1 ± E). */
function ratios(coefficients: readonly number[]): { readonly kappa: number; readonly error: number } {
  const values = grid(-HALF_WIDTH).map((r) => evaluate([120, 120, ...coefficients, 1], r) * Math.exp(-r));
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  return { kappa: (low + high) / 2, error: (high - low) / (high + low) };
}

const polynomial: Problem = {
  basis: [...[2, 3, 4].map((j) => (r: number) => r ** j * Math.exp(-r)), () => -1],
  target: (r) => -(120 * (1 + r) + r ** 5) * Math.exp(-r),
  low: -HALF_WIDTH,
  count: 3,
  error: (coefficients) => ratios(coefficients).error,
};

const exact: Real = (r) => r / Math.tanh(r / 2);
const weight: Real = (r) => (2 * r) / (exact(r) ** 2 - r * r);

const quotient: Problem = {
  basis: [(r) => weight(r) * r * r, (r) => weight(r) * r ** 4],
  target: (r) => weight(r) * (exact(r) - 2),
  low: 1e-3,
  count: 2,
  error: (coefficients) =>
    grid(1e-3).reduce((largest, r) => {
      const p = evaluate([2, ...coefficients], r * r);
      return Math.max(largest, Math.abs(((p + r) / (p - r)) * Math.exp(-r) - 1));
    }, 0),
};

/** The a_j that make the largest error smallest, the first of them given. */
function minimax({ basis, target, low }: Problem, given: readonly number[]): number[] {
  const nodes = Array.from({ length: NODES }, (_, i) => {
    const cosine = Math.cos((Math.PI * i) / (NODES - 1));
    return (HALF_WIDTH + low + (HALF_WIDTH - low) * cosine) / 2;
  });
  const free = basis.slice(given.length);
  const columns = free.map((f) => nodes.map(f));
  const rest = nodes.map((r) => given.reduce((value, a, j) => value - a * Number(basis[j]?.(r)), target(r)));
  let weights: number[] = nodes.map(() => 1 / NODES);
  let solution: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const product = (a: readonly number[], b: readonly number[]): number =>
      weights.reduce((sum, w, i) => sum + w * Number(a[i]) * Number(b[i]), 0);
    solution = solve(columns.map((a) => [...columns.map((b) => product(a, b)), product(a, rest)]));
    const errors = rest.map((value, i) =>
      Math.abs(columns.reduce((e, column, j) => e - Number(solution[j]) * Number(column[i]), value)),
    );
    const total = weights.reduce((sum, w, i) => sum + w * Number(errors[i]), 0);
    weights = weights.map((w, i) => (w * Number(errors[i])) / total);
  }
  return [...given, ...solution];
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

function coefficientsOf(problem: Problem): number[] {
  let rounded: number[] = [];
  while (rounded.length < problem.count) {
    rounded.push(Math.fround(Number(minimax(problem, rounded)[rounded.length])));
  }
  for (let improved = true; improved; ) {
    improved = false;
    for (let j = 0; j < problem.count; j++) {
      for (const steps of [-3, -2, -1, 1, 2, 3]) {
        const tried = rounded.map((value, i) => (i === j ? neighbour(value, steps) : value));
        if (problem.error(tried) < 0.9999 * problem.error(rounded)) {
          rounded = tried;
          improved = true;
        }
      }
    }
  }
  return rounded;
}

function report(name: string, problem: Problem, first: number): number[] {
  const rounded = coefficientsOf(problem);
  console.log(name);
  rounded.forEach((coefficient, j) => {
    console.log(`  c${first + j} ${coefficient.toPrecision(9)}`);
  });
  const unrounded = problem.error(minimax(problem, []).slice(0, problem.count));
  console.log(`  error ${problem.error(rounded).toExponential(2)}, unrounded ${unrounded.toExponential(2)}`);
  return rounded;
}

const { kappa } = ratios(report("polynomial", polynomial, 2));
console.log(`  κ ${kappa.toPrecision(18)}, log κ ${Math.log(kappa).toPrecision(16)}`);
report("quotient", quotient, 1);
