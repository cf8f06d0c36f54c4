/** A result in the place of an argument, whichever it is: the same bits as in an array of its own. */

import { describe, expect, it } from "vitest";
import type { Core, ResultArray } from "../src/index.js";
import { describeBackends } from "./backends.js";

/** Sizes that the kernels take in vectors and a remainder, on few classes and on many. */
const LENGTHS = [12, 301];
const MOST_ARGUMENTS = 5;

type Fill = (value: (i: number) => number) => ResultArray;

const signed = (i: number): number => 3 * Math.sin(i * i);
const proper = (i: number): number => (i % 16) / 16 + 1 / 64;

interface Case {
  readonly name: string;
  readonly make: (fill: Fill) => ResultArray[];
  readonly run: (core: Core, args: readonly ResultArray[], out: ResultArray | undefined) => ResultArray;
}

const at = (args: readonly ResultArray[], index: number): ResultArray => args[index] as ResultArray;

/** Every argument that is as long as the result: all of an element's, the weights of one row, the scales of one class. */
const cases: readonly Case[] = [
  {
    name: "logSoftmaxGrad",
    make: (fill) => [fill(signed), fill((i) => signed(i + 1))],
    run: (core, args, out) => core.logSoftmaxGrad(at(args, 0), at(args, 1), { out }),
  },
  {
    name: "softmaxGrad",
    make: (fill) => [fill(signed), fill(proper)],
    run: (core, args, out) => core.softmaxGrad(at(args, 0), at(args, 1), { out }),
  },
  {
    name: "crossEntropyWithGrad of soft targets, weighted",
    make: (fill) => [fill(signed), fill(proper), fill((i) => 1 + proper(i))],
    run: (core, args, out) => {
      const shape = [1, at(args, 0).length];
      const options = { shape, weight: at(args, 2), labelSmoothing: 0.1, out };
      return core.crossEntropyWithGrad(at(args, 0), at(args, 1), options).grad;
    },
  },
  {
    name: "crossEntropyWithGrad of one row, weighted",
    make: (fill) => [fill(signed), fill((i) => 1 + proper(i))],
    run: (core, args, out) =>
      core.crossEntropyWithGrad(at(args, 0), [3], { weight: at(args, 1), labelSmoothing: 0.1, reduction: "sum", out })
        .grad,
  },
  {
    name: "crossEntropyWithGrad of one class",
    make: (fill) => [fill(signed), fill((i) => signed(i + 1))],
    run: (core, args, out) => {
      const targets = new Uint8Array(at(args, 0).length);
      const options = { reduction: "none", gradOutput: at(args, 1), zLoss: 0.5, out } as const;
      return core.crossEntropyWithGrad(at(args, 0), targets, options).grad;
    },
  },
  {
    name: "nllLossWithGrad of one row, weighted",
    make: (fill) => [fill(signed), fill((i) => 1 + proper(i))],
    run: (core, args, out) =>
      core.nllLossWithGrad(at(args, 0), [3], { weight: at(args, 1), reduction: "sum", out }).grad,
  },
  {
    name: "nllLossWithGrad of one class",
    make: (fill) => [fill(signed), fill((i) => signed(i + 1))],
    run: (core, args, out) => {
      const targets = new Uint8Array(at(args, 0).length);
      return core.nllLossWithGrad(at(args, 0), targets, { reduction: "none", gradOutput: at(args, 1), out }).grad;
    },
  },
  {
    name: "binaryCrossEntropy by none",
    make: (fill) => [fill(proper), fill((i) => 1 - proper(i)), fill((i) => 1 + proper(i))],
    run: (core, args, out) =>
      core.binaryCrossEntropy(at(args, 0), at(args, 1), { weight: at(args, 2), reduction: "none", out }),
  },
  {
    name: "binaryCrossEntropyWithLogitsWithGrad by none",
    make: (fill) => [
      fill(signed),
      fill(proper),
      fill((i) => 1 + proper(i)),
      fill((i) => 2 - proper(i)),
      fill((i) => signed(i + 1)),
    ],
    run: (core, args, out) =>
      core.binaryCrossEntropyWithLogitsWithGrad(at(args, 0), at(args, 1), {
        weight: at(args, 2),
        posWeight: at(args, 3),
        gradOutput: at(args, 4),
        reduction: "none",
        out,
      }).grad,
  },
  {
    name: "klDivergenceWithGrad by none",
    make: (fill) => [fill(signed), fill(proper), fill((i) => signed(i + 1))],
    run: (core, args, out) =>
      core.klDivergenceWithGrad(at(args, 0), at(args, 1), { gradOutput: at(args, 2), reduction: "none", out }).grad,
  },
];

const kinds: Readonly<Record<string, (core: Core, length: number) => Fill>> = {
  float32: (_, length) => (value) => Float32Array.from({ length }, (_, i) => value(i)),
  float64: (_, length) => (value) => Float64Array.from({ length }, (_, i) => value(i)),
  "a core's tensor": (core, length) => {
    const { data } = core.tensor([MOST_ARGUMENTS * length]);
    let used = 0;
    return (value) => {
      const part = data.subarray(used, used + length);
      part.set(Float32Array.from(part, (_, i) => value(i)));
      used += length;
      return part;
    };
  },
};

describeBackends("in place", (core) => {
  describe.each(Object.entries(kinds))("of %s", (_, kind) => {
    it.each(cases)("$name", ({ make, run }) => {
      for (const length of LENGTHS) {
        const expected = run(core, make(kind(core, length)), undefined);
        for (const index of make(kind(core, length)).keys()) {
          const args = make(kind(core, length));
          const out = at(args, index);
          expect(run(core, args, out), `argument ${index} of ${length}`).toBe(out);
          expect(out, `argument ${index} of ${length}`).toEqual(expected);
        }
      }
    });
  });
});

describeBackends("log-sum-exp of single logits in place", (core) => {
  it("reads those again that are far from the others", () => {
    const logits = Float32Array.of(1, Number.NaN, -2.7e29, 5, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2);
    const expected = core.logSumExp(logits, { shape: [7, 1] });
    const { data } = core.tensor([7, 1]);
    data.set(logits);
    core.logSumExp(data, { shape: [7, 1], out: data });
    expect(data).toEqual(expected);
    expect(data.map(Math.sign)).toEqual(logits.map(Math.sign));
  });
});
