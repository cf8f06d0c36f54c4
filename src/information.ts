/**
 * Information theory over probabilities, in plain float64 and without WASM: what `surprisal/information` exports.
 *
 * Probabilities are numbers in [0, 1]. They need not sum to 1: the formulas are taken as they stand. Everywhere
 * `0·log 0 = 0`, and `p > 0` where `q = 0` gives Infinity.
 */

import { Sum } from "./sum.js";
import { checkOptions, wrongKind, wrongValue } from "./validate.js";

/** The option of every function here. */
export interface InformationOptions {
  /** The base of the logarithm: `"e"` for nats, which is the default, 2 for bits, 10 for hartleys. */
  readonly base?: number | "e" | undefined;
}

const OPTIONS = new Set(["base"]);

/** How far float32 probabilities may sum from 1: what is closer to a bound than that is taken for rounding. */
const ROUNDING = 1e-6;

/**
 * The information of an event of probability p, its surprisal: how surprising it is that it happens. What is certain
 * tells nothing, each halving of the probability adds one bit, and the information of independent events adds up.
 *
 * `I(p) = -log p`, in nats or to `options.base`; Infinity for p = 0. Shannon, A Mathematical Theory of Communication
 * (1948).
 *
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a number outside [0, 1] or a base
 * that is not positive, finite and other than 1.
 *
 * @example
 * console.log(information(1 / 8, { base: 2 })); // 3
 * console.log(information(1 / 2) + information(1 / 6)); // 2.4849066497880004
 */
export function information(p: number, options?: InformationOptions): number {
  const log = logarithmTo(checkBase(options));
  checkProbability("p", p);
  return 0 - log(p);
}

/**
 * The entropy of a distribution: the information to expect of one draw from it. It is 0 where the outcome is certain
 * and largest, log n, where all n outcomes are equally likely.
 *
 * `H(p) = -Σ p·log p`, in nats or to `options.base`. Shannon, A Mathematical Theory of Communication (1948).
 *
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a number outside [0, 1], an empty
 * array, or a base that is not positive, finite and other than 1.
 *
 * @example
 * console.log(entropy([0.5, 0.5], { base: 2 })); // 1
 * console.log(entropy(new Array(6).fill(1 / 6), { base: 2 })); // 2.584962500721156
 */
export function entropy(p: ArrayLike<number>, options?: InformationOptions): number {
  const log = logarithmTo(checkBase(options));
  checkProbabilities("p", p);
  return sum(p, p, (a) => (a === 0 ? 0 : -a * log(a)));
}

/**
 * The cross-entropy of q relative to p: the surprise to expect of somebody who believes in q while p is true. It is
 * smallest, the entropy of p, where q = p; with p for the labels and q for a model's probabilities it is the loss that
 * classifiers are trained with.
 *
 * `H(p, q) = -Σ p·log q`, in nats or to `options.base`. Shannon, A Mathematical Theory of Communication (1948).
 *
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a number outside [0, 1], an empty
 * array, lengths that differ, or a base that is not positive, finite and other than 1.
 *
 * @example
 * console.log(crossEntropy([0, 1, 0], [0.228, 0.619, 0.153])); // 0.47965000629754095
 */
export function crossEntropy(p: ArrayLike<number>, q: ArrayLike<number>, options?: InformationOptions): number {
  const log = logarithmTo(checkBase(options));
  checkPair(p, q);
  return sum(p, q, (a, b) => (a === 0 ? 0 : -a * log(b)));
}

/**
 * The Kullback-Leibler divergence of p from q, or relative entropy: the surprise that believing in q costs beyond what
 * p itself costs, H(p, q) - H(p). It is 0 where q = p and positive elsewhere, and not the same with p and q exchanged.
 *
 * `KL(p ‖ q) = Σ p·log(p/q)`, in nats or to `options.base`. Kullback & Leibler, On Information and Sufficiency (1951).
 *
 * Summed as `Σ (p·log(p/q) - p + q)`, of which no term is negative or cancels, plus `Σ (p - q)`. Where neither sum
 * exceeds 1e-6, the latter is taken for the rounding of probabilities that sum to 1 and left out, so that
 * distributions, float32 ones too, never diverge by less than 0. For arrays of other sums, the formula may be negative.
 *
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a number outside [0, 1], an empty
 * array, lengths that differ, or a base that is not positive, finite and other than 1.
 *
 * @example
 * console.log(klDivergence([0.5, 0.5], [0.25, 0.75])); // 0.143841
 * console.log(klDivergence([0.25, 0.75], [0.5, 0.5])); // 0.130812
 * console.log(klDivergence([0.5, 0.5], [1, 0])); // Infinity
 */
export function klDivergence(p: ArrayLike<number>, q: ArrayLike<number>, options?: InformationOptions): number {
  const base = checkBase(options);
  checkPair(p, q);
  const divergence = sum(p, q, deviance);
  const excess = sum(p, q, (a, b) => a - b);
  const rounded = divergence <= ROUNDING && Math.abs(excess) <= ROUNDING;
  return (rounded ? divergence : divergence + excess) / Math.log(base);
}

/**
 * The Jensen-Shannon divergence: how far p and q are from the distribution halfway between them, on average. It is a
 * Kullback-Leibler divergence that is symmetric and always finite: 0 where p = q, log 2 where no outcome is possible in
 * both.
 *
 * `JS(p, q) = KL(p ‖ m)/2 + KL(q ‖ m)/2` with `m = (p + q)/2`, in nats or to `options.base`. Lin, Divergence Measures
 * Based on the Shannon Entropy (1991). Its bound is log 2 for sums of 1, and log 2 times their mean for others.
 *
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a number outside [0, 1], an empty
 * array, lengths that differ, or a base that is not positive, finite and other than 1.
 *
 * @example
 * console.log(jensenShannonDivergence([0.5, 0.5], [0.25, 0.75])); // 0.033822
 * console.log(jensenShannonDivergence([1, 0], [0, 1], { base: 2 })); // 1
 */
export function jensenShannonDivergence(
  p: ArrayLike<number>,
  q: ArrayLike<number>,
  options?: InformationOptions,
): number {
  const base = checkBase(options);
  checkPair(p, q);
  // In 2p, 2q and 2m, since halving would round the smallest numbers away.
  const divergence = sum(p, q, (a, b) => deviance(2 * a, a + b) + deviance(2 * b, a + b)) / 4;
  const rounded = divergence > Math.LN2 && divergence <= Math.LN2 * (1 + ROUNDING);
  return (rounded ? Math.LN2 : divergence) / Math.log(base);
}

/**
 * The perplexity of a distribution: the number of equally likely outcomes that would be as uncertain. A fair coin has
 * 2, a fair die 6, and a language model of perplexity 20 is as unsure of the next token as between 20 equal ones.
 *
 * `base^H(p)`, which is the same for every base; it has no unit. Shannon, A Mathematical Theory of Communication
 * (1948).
 *
 * @throws TypeError for an argument or option of the wrong kind, RangeError for a number outside [0, 1], an empty
 * array, or a base that is not positive, finite and other than 1.
 *
 * @example
 * console.log(perplexity([0.5, 0.5])); // 2
 * console.log(perplexity([0.9, 0.1])); // 1.384145
 */
export function perplexity(p: ArrayLike<number>, options?: InformationOptions): number {
  checkBase(options);
  return 2 ** entropy(p, { base: 2 });
}

/**
 * p·log(p/q) - p + q, which is never negative: the deviance of Loader, Fast and Accurate Computation of Binomial
 * Probabilities (2000). With v = (p - q)/(p + q) it is (p - q)·v + 2p·(atanh v - v), and where |v| ≤ 0.1 the series
 * atanh v - v = v³/3 + v⁵/5 + … + v¹⁵/15 is enough for 1e-16 of the whole.
 */
function deviance(p: number, q: number): number {
  if (p === 0) return q;
  const v = (p - q) / (p + q);
  if (Math.abs(v) > 0.1) {
    const ratio = p / q;
    // Where q is 0, or so small that the ratio overflows, the difference of the logarithms is as good.
    return p * (ratio < Number.POSITIVE_INFINITY ? Math.log(ratio) : Math.log(p) - Math.log(q)) - p + q;
  }
  const w = v * v;
  let series = 0;
  for (let k = 15; k > 1; k -= 2) series = series * w + 1 / k;
  return (p - q) * v + 2 * p * v * w * series;
}

/** Σ term(p, q), where terms may also be infinite, with one sign. */
function sum(p: ArrayLike<number>, q: ArrayLike<number>, term: (p: number, q: number) => number): number {
  const total = new Sum();
  for (let i = 0; i < p.length; i++) total.add(term(Number(p[i]), Number(q[i])));
  return total.value;
}

/** The logarithm to a base. The engine's own are whole at powers of 2 and 10, where a quotient often is not. */
function logarithmTo(base: number): (x: number) => number {
  if (base === 2) return Math.log2;
  if (base === 10) return Math.log10;
  const unit = Math.log(base);
  return (x) => Math.log(x) / unit;
}

function checkBase(options: InformationOptions | undefined): number {
  checkOptions(options, OPTIONS);
  const base: unknown = options?.base;
  if (base === undefined || base === "e") return Math.E;
  const expected = '"e" or a positive number other than 1';
  if (typeof base !== "number") throw wrongKind("base", expected, base);
  if (!(base > 0 && base < Number.POSITIVE_INFINITY && base !== 1)) throw wrongValue("base", expected, base);
  return base;
}

function checkPair(p: ArrayLike<number>, q: ArrayLike<number>): void {
  checkProbabilities("p", p);
  checkProbabilities("q", q);
  if (q.length !== p.length) throw wrongValue("q", `${p.length} values, as p has`, q.length);
}

function checkProbabilities(name: string, values: ArrayLike<number>): void {
  if (typeof values !== "object" || values === null || typeof values.length !== "number") {
    throw wrongKind(name, "an array of probabilities", values);
  }
  if (values.length === 0) throw wrongValue(name, "at least one value", 0);
  for (let i = 0; i < values.length; i++) checkProbability(name, values[i], i);
}

function checkProbability(name: string, value: unknown, index?: number): void {
  if (typeof value === "number" && value >= 0 && value <= 1) return;
  const place = index === undefined ? name : `${name}[${index}]`;
  throw (typeof value === "number" ? wrongValue : wrongKind)(place, "a probability in [0, 1]", value);
}
