/** The oracle itself, before anything is held to it: to PyTorch's golden values, and to arithmetic of 600 bits. */

import { describe, expect, test } from "vitest";
import { wantedOf } from "./fuzz/judge.js";
import { callOf, type GoldenCase, goldenCases, grouped, storedPart, titleOf, withGrad } from "./golden.js";
import { batchOf, familyNames, mulberry32, normal, type Random } from "./inputs.js";
import { exp, fixed, log, one, over, tanh, times, toNumber } from "./oracle/exact.js";
import {
  at,
  binaryCrossEntropy,
  binaryCrossEntropyWithLogits,
  crossEntropy,
  type Exact,
  exactBackward,
  exactSoftmax,
  klDivergence,
  type Losses,
  logSoftmax,
  softCrossEntropy,
  softmax,
} from "./oracle.js";

/** PyTorch subtracts probabilities from 1 and logarithms from each other, and is off by a rounding of those. */
function isGolden(got: number, want: number): boolean {
  return Number.isFinite(want) ? Math.abs(got - want) <= 1e-13 * Math.abs(want) + 1e-15 : Object.is(got, want);
}

function missesOf(golden: GoldenCase): string[] {
  return wantedOf(withGrad(callOf(golden, "float32", "bare"))).flatMap(({ part, exact: { values, isNumber } }) => {
    const title = `${titleOf(golden)} ${part}`;
    const stored = storedPart(golden, part);
    if (stored.isNumber !== isNumber || stored.values.length !== values.length) return [`${title}: got ${values}`];
    return Array.from(stored.values).flatMap((want, i) =>
      isGolden(at(values, i), want) ? [] : [`${title}[${i}]: got ${values[i]}, want ${want}`],
    );
  });
}

test.each(grouped(goldenCases, ({ call }) => call))("the oracle has the golden values of %s", (_title, cases) => {
  expect(cases.flatMap(missesOf)).toEqual([]);
});

const added = (terms: readonly bigint[]): bigint => terms.reduce((a, b) => a + b, 0n);

/** What is off by more than so many roundings, relative to the size of the terms that a result is a sum of. */
function missesBeyond(
  what: string,
  { values, sizes }: Pick<Exact, "values" | "sizes">,
  want: readonly bigint[],
  roundings = 4,
): string[] {
  return want.flatMap((exact, i) => {
    const error = Math.abs(toNumber(fixed(at(values, i)) - exact));
    if (error <= roundings * 2 ** -53 * at(sizes, i)) return [];
    return [`${what}[${i}]: got ${values[i]}, want ${toNumber(exact)}, off by ${error}, of size ${sizes[i]}`];
  });
}

function missesOfLoss(
  what: string,
  want: { readonly loss: bigint; readonly grad: readonly bigint[] },
  got: Losses,
  roundings?: number,
): string[] {
  const { loss, grad, sizes } = got;
  const whole = { values: Float64Array.of(loss), sizes: Float64Array.of(sizes.loss) };
  return [
    ...missesBeyond(`${what} loss`, whole, [want.loss], roundings),
    ...missesBeyond(`${what} grad`, { values: grad, sizes: sizes.grad }, want.grad, roundings),
  ];
}

interface ExactRow {
  readonly loss: bigint;
  readonly grad: readonly bigint[];
  readonly lse: bigint;
  readonly logProbs: readonly bigint[];
  readonly probs: readonly bigint[];
}

/** Σ m_c (lse - x_c) + z lse² and p_c Σm - m_c + 2 z lse p_c */
function exactRow(x: readonly bigint[], masses: readonly bigint[], z: bigint): ExactRow {
  const max = x.reduce((a, b) => (a > b ? a : b));
  const powers = x.map((value) => exp(value - max));
  const total = added(powers);
  const lse = max + log(total);
  const probs = powers.map((power) => over(power, total));
  const mass = added(masses);
  return {
    loss: added(masses.map((mass, c) => times(mass, lse - at(x, c)))) + times(z, times(lse, lse)),
    grad: probs.map((p, c) => times(p, mass + 2n * times(z, lse)) - at(masses, c)),
    lse,
    logProbs: x.map((value) => value - lse),
    probs,
  };
}

interface Row {
  readonly name: string;
  readonly x: Float64Array;
  readonly target: number;
  readonly random: Random;
}

/** The families' rows, as they are and with all the bits of a float64; -Infinity has no place in this arithmetic. */
const rows: readonly Row[] = familyNames
  .filter((family) => family !== "masked")
  .flatMap((family) =>
    [1, 2, 3, 7, 20].flatMap((classes) => {
      const { name, logits, targets } = batchOf(family, { rows: 14, classes });
      return Array.from(targets, (target, i) => {
        const random = mulberry32(i + 1000 * classes);
        const x = Float64Array.from(logits.subarray(i * classes, (i + 1) * classes));
        return {
          name: `${name} row ${i}`,
          x: i % 2 === 0 ? x : x.map((x) => x * (1 + random() / 1e6)),
          target,
          random,
        };
      });
    }),
  );

const floats = (count: number, value: () => number): Float64Array => Float64Array.from({ length: count }, value);

describe("the oracle is within four roundings of exact arithmetic", () => {
  test("for log-softmax, softmax and log-sum-exp", () => {
    const misses = rows.flatMap(({ name, x }) => {
      const { lse, logProbs, probs } = exactRow(
        Array.from(x, fixed),
        Array.from(x, () => 0n),
        0n,
      );
      const layout = { shape: [x.length] };
      return [
        ...missesBeyond(`logSoftmax ${name}`, exactSoftmax("logSoftmax", x, layout), logProbs),
        ...missesBeyond(`softmax ${name}`, exactSoftmax("softmax", x, layout), probs),
        ...missesBeyond(`logSumExp ${name}`, exactSoftmax("logSumExp", x, layout), [lse]),
      ];
    });
    expect(misses).toEqual([]);
  });

  test("for their backward passes", () => {
    const misses = rows.flatMap(({ name, x, random }) => {
      const layout = { shape: [x.length] };
      const g = x.map(() => normal(random));
      const [logs, probs] = [logSoftmax(x, x.length), softmax(x, x.length)];
      const [gs, ps] = [Array.from(g, fixed), Array.from(probs, fixed)];
      const total = added(gs);
      const mean = added(gs.map((g, c) => times(g, at(ps, c))));
      return [
        ...missesBeyond(
          `logSoftmaxGrad ${name}`,
          exactBackward("logSoftmaxGrad", g, logs, layout),
          gs.map((g, c) => g - times(exp(fixed(at(logs, c))), total)),
        ),
        ...missesBeyond(
          `softmaxGrad ${name}`,
          exactBackward("softmaxGrad", g, probs, layout),
          gs.map((g, c) => times(at(ps, c), g - mean)),
        ),
      ];
    });
    expect(misses).toEqual([]);
  });

  test("for the cross-entropy of a class", () => {
    const misses = rows.flatMap(({ name, x, target }) => {
      const masses = Array.from(x, (_, c) => (c === target ? one : 0n));
      const want = exactRow(Array.from(x, fixed), masses, 0n);
      return missesOfLoss(name, want, crossEntropy(x, [target], x.length, { reduction: "sum" }));
    });
    expect(misses).toEqual([]);
  });

  test("for that of a class with smoothing, weights and z-loss", () => {
    const misses = rows.flatMap(({ name, x, target, random }) => {
      const weight = floats(x.length, () => 3 * random());
      const [labelSmoothing, zLoss] = [0.4 * random(), 0.1 * random()];
      const smooth = fixed(labelSmoothing);
      const masses = Array.from(weight, (w, c) => {
        const y = smooth / BigInt(x.length) + (c === target ? one - smooth : 0n);
        return times(fixed(c === target ? at(weight, target) : w), y);
      });
      const options = { reduction: "sum", weight, labelSmoothing, zLoss } as const;
      const want = exactRow(Array.from(x, fixed), masses, fixed(zLoss));
      return missesOfLoss(name, want, crossEntropy(x, [target], x.length, options));
    });
    expect(misses).toEqual([]);
  });

  test("for that of soft targets, whose sum need not be 1, and some of which may be all", () => {
    const misses = rows.flatMap(({ name, x, target, random }, i) => {
      const weight = floats(x.length, () => 3 * random());
      const [labelSmoothing, zLoss] = [i % 2 === 0 ? 0 : 0.4 * random(), 0.1 * random()];
      const y = x.map((_, c) => (c === target ? 1 : i % 3 === 0 ? 0 : random()));
      const smooth = fixed(labelSmoothing);
      const masses = Array.from(y, (y, c) =>
        times(fixed(at(weight, c)), times(fixed(y), one - smooth) + smooth / BigInt(x.length)),
      );
      const options = { reduction: "sum", weight, labelSmoothing, zLoss } as const;
      const want = exactRow(Array.from(x, fixed), masses, fixed(zLoss));
      return missesOfLoss(name, want, softCrossEntropy(x, y, x.length, options));
    });
    expect(misses).toEqual([]);
  });

  test("for the cap", () => {
    const misses = rows.flatMap(({ name, x, target, random }) => {
      const cap = 4 * random();
      if (x.some((x) => Math.abs(x / cap) > 20)) return [];
      const capped = Array.from(x, (x) => tanh(over(fixed(x), fixed(cap))));
      const masses = Array.from(x, (_, c) => (c === target ? one : 0n));
      const { loss, grad } = exactRow(
        capped.map((value) => times(fixed(cap), value)),
        masses,
        0n,
      );
      const through = grad.map((g, c) => times(g, one - times(at(capped, c), at(capped, c))));
      const options = { reduction: "sum", softcap: cap } as const;
      // The capped logits are rounded, and so is x / cap in the exponent of the slope.
      const roundings = 4 * (1 + cap + Math.max(...x.map((x) => Math.abs(x / cap))));
      return missesOfLoss(name, { loss, grad: through }, crossEntropy(x, [target], x.length, options), roundings);
    });
    expect(misses).toEqual([]);
  });

  test("for the losses of elements", () => {
    const misses = Array.from({ length: 400 }, (_, i) => {
      const random = mulberry32(i);
      const [weight, posWeight] = [3 * random(), 3 * random()];
      const y = i % 3 === 0 ? i % 2 : random();
      const x = 10 ** (3 * random() - 1.5) * normal(random);
      const p = i % 5 === 0 ? 10 ** (-11 * random()) : random();
      const [X, Y, P, W] = [fixed(x), fixed(y), fixed(p), fixed(weight)];
      const V = times(W, fixed(posWeight));
      const rest = one - P;
      const sigmoid = over(one, one + exp(-X));
      const options = { reduction: "sum" } as const;
      return [
        ...missesOfLoss(
          `binaryCrossEntropy of ${p} and ${y}`,
          {
            loss: -times(W, times(Y, log(P)) + times(one - Y, log(rest))),
            grad: [over(times(W, P - Y), times(P, rest))],
          },
          binaryCrossEntropy([p], [y], { ...options, weight }),
        ),
        ...missesOfLoss(
          `binaryCrossEntropyWithLogits of ${x} and ${y}`,
          {
            loss: times(V, times(Y, log(one + exp(-X)))) + times(W, times(one - Y, log(one + exp(X)))),
            grad: [times(W, times(one - Y, sigmoid)) - times(V, times(Y, one - sigmoid))],
          },
          binaryCrossEntropyWithLogits([x], [y], { ...options, weight, posWeight }),
        ),
        ...missesOfLoss(
          `klDivergence of ${x} and ${p}`,
          { loss: times(P, log(P) - X), grad: [-P] },
          klDivergence([x], [p], 1, options),
        ),
        ...missesOfLoss(
          `klDivergence of ${x} and log ${-p}`,
          { loss: times(exp(-P), -P - X), grad: [-exp(-P)] },
          klDivergence([x], [-p], 1, { ...options, logTarget: true }),
        ),
      ];
    });
    expect(misses.flat()).toEqual([]);
  });
});
