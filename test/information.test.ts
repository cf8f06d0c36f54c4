/**
 * The information theory of `surprisal/information`: known values, the identities that tie the quantities together,
 * errors.
 */

import { describe, expect, it } from "vitest";
import {
  crossEntropy,
  entropy,
  information,
  jensenShannonDivergence,
  klDivergence,
  perplexity,
} from "../src/information.js";
import { mulberry32, normal } from "./inputs.js";
import { at, softmax } from "./oracle.js";

const ofOne = { entropy, perplexity };
const ofTwo = { crossEntropy, klDivergence, jensenShannonDivergence };
const infinity = Number.POSITIVE_INFINITY;
const BASES = [2, 10, 3, 0.5, "e"] as const;

/**
 * Pairs of distributions, flat and peaked, from far apart to nearly equal: q's logits are p's and `distance` times
 * noise.
 */
const pairs = [1, 2, 3, 10, 1000].flatMap((n) =>
  [1, 1e-1, 1e-3, 1e-6, 1e-9, 1e-15].flatMap((distance, seed) =>
    [0.1, 3, 50].map((spread) => {
      const random = mulberry32(n + seed);
      const logits = Float64Array.from({ length: n }, () => spread * normal(random));
      const near = logits.map((x) => x + distance * normal(random));
      return { p: softmax(logits, n), q: softmax(near, n) };
    }),
  ),
);

/** Within `tolerance` of the size of what is compared, or of 1. */
function expectNear(got: number, want: number, tolerance = 1e-14): void {
  expect(Math.abs(got - want) / Math.max(1, Math.abs(want)), `${got} for ${want}`).toBeLessThanOrEqual(tolerance);
}

function mixed(p: Float64Array, q: Float64Array): Float64Array {
  return p.map((x, i) => (x + at(q, i)) / 2);
}

/** The probabilities of two independent draws. */
function joint(p: Float64Array, q: Float64Array): number[] {
  return [...p].flatMap((x) => [...q].map((y) => x * y));
}

describe("known values", () => {
  it("one event", () => {
    expect(information(1 / 2) + information(1 / 6)).toBe(2.4849066497880004);
    expect(Object.is(information(1), 0)).toBe(true);
    expect(information(0)).toBe(infinity);
  });

  it("whole numbers at the powers of the base", () => {
    for (let k = 0; k <= 1074; k++) expect(information(2 ** -k, { base: 2 })).toBe(k);
    for (let k = 0; k <= 300; k++) expect(information(Number(`1e-${k}`), { base: 10 })).toBe(k);
    for (let k = 0; k <= 10; k++) {
      const even = new Float32Array(2 ** k).fill(2 ** -k);
      expect([entropy(even, { base: 2 }), perplexity(even)]).toEqual([k, 2 ** k]);
    }
  });

  it("a die, a coin, a certainty", () => {
    const die = new Array(6).fill(1 / 6);
    expect(entropy(die, { base: 2 })).toBe(2.584962500721156);
    expect(entropy(die)).toBe(Math.log(6));
    expectNear(perplexity(die), 6);
    expect(entropy([0.5, 0.25, 0.125, 0.125], { base: 2 })).toBe(1.75);
    expect([entropy([0, 1]), perplexity([0, 1])]).toEqual([0, 1]);
  });

  it("a label's loss", () => {
    expect(crossEntropy([0, 1, 0], [0.228, 0.619, 0.153])).toBe(0.47965000629754095);
  });

  // Correctly rounded from 60 digits of mpmath 1.3.
  it("divergences", () => {
    const p = [0.1, 0.2, 0.7];
    const q = [0.3, 0.3, 0.4];
    expectNear(klDivergence(p, q), 0.20077680106635196, 1e-15);
    expectNear(klDivergence(q, p), 0.22737690385871312, 1e-15);
    expectNear(jensenShannonDivergence(p, q), 0.0519122592381035, 1e-15);
    expect(klDivergence([1, 0], [0.5, 0.5], { base: 2 })).toBe(1);
    expect(jensenShannonDivergence([1, 0], [0, 1])).toBe(Math.LN2);
    expect(jensenShannonDivergence([1, 0], [0, 1], { base: 2 })).toBe(1);
  });
});

describe("identities", () => {
  it("H(p, q) = H(p) + KL(p ‖ q), and H(p, p) = H(p)", () => {
    for (const { p, q } of pairs) {
      expectNear(crossEntropy(p, q), entropy(p) + klDivergence(p, q));
      expect(crossEntropy(p, p)).toBe(entropy(p));
    }
  });

  it("JS(p, q) = H(m) - (H(p) + H(q))/2 = (KL(p ‖ m) + KL(q ‖ m))/2", () => {
    for (const { p, q } of pairs) {
      const m = mixed(p, q);
      expectNear(jensenShannonDivergence(p, q), entropy(m) - (entropy(p) + entropy(q)) / 2);
      expectNear(jensenShannonDivergence(p, q), (klDivergence(p, m) + klDivergence(q, m)) / 2);
    }
  });

  it("what is independent adds up", () => {
    for (const { p, q } of pairs.filter(({ p }) => p.length <= 10)) {
      expectNear(entropy(joint(p, q)), entropy(p) + entropy(q));
      expectNear(klDivergence(joint(p, p), joint(q, q)), 2 * klDivergence(p, q));
      expectNear(perplexity(joint(p, q)), perplexity(p) * perplexity(q), 1e-13);
    }
  });

  it("another base divides by its logarithm, and perplexity is the base to the entropy in it", () => {
    for (const { p, q } of pairs) {
      for (const base of BASES) {
        const number = base === "e" ? Math.E : base;
        const unit = Math.log(number);
        expectNear(information(at(p, 0), { base }), information(at(p, 0)) / unit);
        expectNear(entropy(p, { base }), entropy(p) / unit);
        expectNear(crossEntropy(p, q, { base }), crossEntropy(p, q) / unit);
        expectNear(klDivergence(p, q, { base }), klDivergence(p, q) / unit);
        expectNear(jensenShannonDivergence(p, q, { base }), jensenShannonDivergence(p, q) / unit);
        expect(perplexity(p, { base })).toBe(perplexity(p));
        expectNear(perplexity(p), number ** entropy(p, { base }), 1e-13);
      }
    }
  });
});

describe("bounds", () => {
  it("0 ≤ H ≤ log n and 1 ≤ perplexity ≤ n", () => {
    for (const { p } of pairs) {
      expect(entropy(p)).toBeGreaterThanOrEqual(0);
      expect(entropy(p)).toBeLessThanOrEqual(Math.log(p.length) + 1e-14);
      expect(perplexity(p)).toBeGreaterThanOrEqual(1);
      expect(perplexity(p)).toBeLessThanOrEqual(p.length * (1 + 1e-14));
    }
  });

  it("KL ≥ 0, JS ≥ 0, JS ≤ log 2, whatever the sums of the probabilities are rounded to", () => {
    for (const { p, q } of pairs) {
      for (const [a, b] of [
        [p, q],
        [q, p],
        [Float32Array.from(p), Float32Array.from(q)],
        [Float32Array.from(p), q],
      ] as const) {
        expect(klDivergence(a, b)).toBeGreaterThanOrEqual(0);
        expect(jensenShannonDivergence(a, b)).toBeGreaterThanOrEqual(0);
        expect(jensenShannonDivergence(a, b)).toBeLessThanOrEqual(Math.LN2);
      }
      const nothing = new Array(p.length).fill(0);
      for (const a of [p, Float32Array.from(p)]) {
        const apart = jensenShannonDivergence([...a, ...nothing], [...nothing, ...q]);
        expect(apart).toBeLessThanOrEqual(Math.LN2);
        expectNear(apart, Math.LN2, 1e-7);
      }
    }
  });

  it("0 for equal arrays; JS is symmetric, to the bit", () => {
    for (const { p, q } of pairs) {
      expect([klDivergence(p, p), jensenShannonDivergence(p, p)]).toEqual([0, 0]);
      expect(jensenShannonDivergence(p, q)).toBe(jensenShannonDivergence(q, p));
    }
  });
});

describe("exactness", () => {
  it("from afar to near p = q, to the last digits: KL(1/2 ± y/2 ‖ 1/2) = Σ y^2j / 2j(2j - 1)", () => {
    const near = Array.from({ length: 46 }, (_, k) => 2 ** -(6 + k));
    const far = Array.from({ length: 64 }, (_, j) => (j + 1) / 128);
    for (const y of [...near, ...far]) {
      const p = [0.5 + y / 2, 0.5 - y / 2];
      let want = 0;
      for (let k = 40; k > 0; k -= 2) want = (want + 1 / (k * (k - 1))) * y ** 2;
      expect(Math.abs(klDivergence(p, [0.5, 0.5]) / want - 1)).toBeLessThan(2e-15);
      expect(Math.abs(jensenShannonDivergence(p, [...p].reverse()) / want - 1)).toBeLessThan(2e-15);
    }
  });

  it("of float32 probabilities near each other, as of those that they are rounded from", () => {
    const logits = Float64Array.from({ length: 100 }, (_, i) => Math.sin(i));
    const near = logits.map((x, i) => x + 1e-4 * Math.sin(7 * i));
    const [p, q] = [softmax(logits, 100), softmax(near, 100)];
    const exact = klDivergence(p, q);
    expect(exact).toBeLessThan(1e-8);
    expect(Math.abs(klDivergence(Float32Array.from(p), Float32Array.from(q)) / exact - 1)).toBeLessThan(1e-3);
  });

  it("of a hundred thousand terms", () => {
    const p = new Float64Array(1e5).fill(1e-5);
    const q = p.map((x, i) => (i % 2 === 0 ? 1.5 : 0.5) * x);
    expectNear(entropy(p), Math.log(1e5), 1e-15);
    expectNear(klDivergence(p, q), -Math.log(0.75) / 2, 1e-15);
  });

  it("of the smallest numbers", () => {
    const least = Number.MIN_VALUE;
    expectNear(klDivergence([1, 0], [least, 1]), 1074 * Math.LN2, 1e-15);
    expect(klDivergence([least, 1], [1, least])).toBeCloseTo(1074 * Math.LN2, 10);
    expect(jensenShannonDivergence([least], [0])).toBe(0);
    expectNear(jensenShannonDivergence([least, 1], [1, 0]), Math.LN2, 1e-15);
  });
});

describe("limits and sums", () => {
  it("0·log 0 = 0", () => {
    expect(entropy([0, 0.5, 0.5, 0])).toBe(entropy([0.5, 0.5]));
    expect(entropy([0, 0])).toBe(0);
    expect(crossEntropy([0, 1], [0, 1])).toBe(0);
    expect(klDivergence([0, 1], [0, 1])).toBe(0);
    expectNear(klDivergence([0, 1], [0.5, 0.5]), Math.LN2);
    expect(jensenShannonDivergence([0, 1], [0, 1])).toBe(0);
    expect(entropy([-0, 1])).toBe(0);
  });

  it("p > 0 where q = 0 is Infinity, but for Jensen-Shannon", () => {
    for (const p of [
      [0.5, 0.5],
      [1e-300, 1],
      [1, 0],
    ]) {
      const q = [0, 1];
      expect([crossEntropy(p, q), klDivergence(p, q), klDivergence(p, q, { base: 2 })]).toEqual(
        Array(3).fill(infinity),
      );
      expect(jensenShannonDivergence(p, q)).toBeLessThanOrEqual(Math.LN2);
    }
    expect(crossEntropy([0.5, 0.25, 0.25], [0, 0, 1])).toBe(infinity);
  });

  it("arrays that do not sum to 1 are taken as they are", () => {
    expectNear(entropy([0.5]), Math.LN2 / 2);
    expectNear(crossEntropy([0.5, 0], [0.25, 1]), Math.LN2);
    expectNear(klDivergence([0.5], [0.25]), Math.LN2 / 2);
    expectNear(klDivergence([0.25], [0.5]), -Math.LN2 / 4);
    expectNear(klDivergence([0.999, 0], [1, 0]), 0.999 * Math.log(0.999));
    expectNear(jensenShannonDivergence([1, 1, 0, 0], [0, 0, 1, 1]), 2 * Math.LN2);
    for (const { p, q } of pairs) {
      const half = p.map((x) => x / 2);
      expectNear(klDivergence(half, q), (klDivergence(p, q) - Math.LN2) / 2);
    }
  });

  it("any array of the same numbers gives the same bits", () => {
    for (const { p, q } of pairs) {
      const [a, b] = [Float32Array.from(p), Float32Array.from(q)];
      for (const f of Object.values(ofOne)) {
        expect([f(Array.from(a)), f(Float64Array.from(a)), f({ ...a, length: a.length })]).toEqual(Array(3).fill(f(a)));
      }
      for (const f of Object.values(ofTwo)) {
        expect([f(Array.from(a), b), f(a, Float64Array.from(b))]).toEqual(Array(2).fill(f(a, b)));
      }
    }
  });
});

/** A function as somebody without types would call it. */
type Untyped = (...args: unknown[]) => unknown;

describe("errors", () => {
  const kinds: readonly [got: string, value: unknown][] = [
    ["undefined", undefined],
    ["null", null],
    ["0.5", 0.5],
    ['"0.5"', "0.5"],
    ["an Object", { data: new Float32Array(2), shape: [2] }],
    ["a DataView", new DataView(new ArrayBuffer(8))],
  ];
  const values: readonly [got: string, value: number][] = [
    ["-0.5", -0.5],
    ["1.0000000000000002", 1 + Number.EPSILON],
    ["NaN", Number.NaN],
    ["Infinity", infinity],
  ];
  const BASE = '"e" or a positive number other than 1';
  const options: readonly (readonly [error: Error, options: unknown])[] = [
    [new TypeError("options: expected an object, got 2"), 2],
    [new TypeError("options: expected an object, got null"), null],
    [new TypeError("options.bsae: expected one of base"), { bsae: 2 }],
    [new TypeError("options.out: expected one of base"), { base: 2, out: new Float32Array(1) }],
    [new TypeError(`base: expected ${BASE}, got "2"`), { base: "2" }],
    [new TypeError(`base: expected ${BASE}, got null`), { base: null }],
    ...[0, 1, -2, infinity, Number.NaN].map(
      (base) => [new RangeError(`base: expected ${BASE}, got ${base}`), { base }] as const,
    ),
  ];

  describe.each(Object.entries({ ...ofOne, ...ofTwo }))("%s", (name, f) => {
    const call = (p: unknown) => (name in ofTwo ? (f as Untyped)(p, [1, 0]) : (f as Untyped)(p));

    it("for p that is no array of probabilities", () => {
      for (const [got, p] of kinds) {
        expect(() => call(p)).toThrow(new TypeError(`p: expected an array of probabilities, got ${got}`));
      }
      for (const p of [[], new Float32Array(0)]) {
        expect(() => call(p)).toThrow(new RangeError("p: expected at least one value, got 0"));
      }
      for (const [got, value] of values) {
        const error = new RangeError(`p[2]: expected a probability in [0, 1], got ${got}`);
        expect(() => call([0.5, 0.5, value])).toThrow(error);
      }
      for (const [got, value] of [...kinds, ["1n", 1n]] as const) {
        if (typeof value === "number") continue;
        const error = new TypeError(`p[1]: expected a probability in [0, 1], got ${got}`);
        expect(() => call([1, value])).toThrow(error);
      }
    });
  });

  describe.each(Object.entries(ofTwo))("%s", (_name, f) => {
    const call = f as Untyped;

    it("for q that is no array like p", () => {
      for (const [got, q] of kinds) {
        expect(() => call([1], q)).toThrow(new TypeError(`q: expected an array of probabilities, got ${got}`));
      }
      for (const [got, value] of values) {
        const error = new RangeError(`q[0]: expected a probability in [0, 1], got ${got}`);
        expect(() => call(new Float32Array(1), Float64Array.of(value))).toThrow(error);
      }
      expect(() => call([0, 1], [1])).toThrow(new RangeError("q: expected 2 values, as p has, got 1"));
      expect(() => call([1], [0, 1])).toThrow(new RangeError("q: expected 1 values, as p has, got 2"));
    });
  });

  it("information, for what is no probability", () => {
    for (const [got, p] of values) {
      expect(() => information(p)).toThrow(new RangeError(`p: expected a probability in [0, 1], got ${got}`));
    }
    const call = information as Untyped;
    expect(() => call("0.5")).toThrow(new TypeError('p: expected a probability in [0, 1], got "0.5"'));
    expect(() => call([0.5])).toThrow(new TypeError("p: expected a probability in [0, 1], got [0.5]"));
    expect(() => call()).toThrow(new TypeError("p: expected a probability in [0, 1], got undefined"));
  });

  it.each(options)("%s", (error, value) => {
    expect(() => (information as Untyped)(0.5, value)).toThrow(error);
    for (const f of Object.values(ofOne)) expect(() => (f as Untyped)([1], value)).toThrow(error);
    for (const f of Object.values(ofTwo)) expect(() => (f as Untyped)([1], [1], value)).toThrow(error);
  });
});
