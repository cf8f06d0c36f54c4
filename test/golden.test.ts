/**
 * Every function in every combination of options, held to the golden values of fixtures/golden.json: in float32 and in
 * float64, from tensors and from bare arrays; and in the halves, whose rounded values are others, to the oracle.
 *
 * Other suites hold the functions to tighter bounds.
 */

import { expect, test } from "vitest";
import type { Core } from "../src/index.js";
import { describeBackends } from "./backends.js";
import type { Bound } from "./bounds.js";
import type { Call } from "./fuzz/call.js";
import { missesOf, type Wanted, wantedOf } from "./fuzz/judge.js";
import { run } from "./fuzz/run.js";
import { callOf, type GoldenCase, goldenCases, grouped, storedPart, titleOf, withGrad, withoutGrad } from "./golden.js";

/** Ten roundings or so of float32, relative to the terms of a sum that cancels; and what may underflow. */
const float32: Bound = (_want, size) => 2e-6 * size + 1e-38;

/** PyTorch subtracts probabilities from 1 and logarithms from each other, and is off by a rounding of those. */
const float64: Bound = (_want, size) => 1e-13 * size + 1e-15;

/** Logarithms may be near 0, where their error is absolute: the bound of their own. */
function isLogarithm({ name }: Call): boolean {
  return name === "logSoftmax" || name === "logSumExp";
}

/** The golden values in place of the oracle's, and a bound for them. */
function golden(goldenCase: GoldenCase, call: Call, bound: Bound): Wanted[] {
  return wantedOf(call).map((wanted) => ({
    ...wanted,
    exact: { ...wanted.exact, ...storedPart(goldenCase, wanted.part) },
    bound: isLogarithm(call) && bound === float32 ? wanted.bound : bound,
  }));
}

/** What is wrong with one call. */
function failuresOf(core: Core, call: Call, wanted: readonly Wanted[], title: string): string[] {
  try {
    const outcome = run(core, call);
    const misses = wanted.flatMap((one) => missesOf(call, outcome, one));
    return [
      ...misses.map(({ part, index, got, want }) => `${title} ${part}[${index}]: got ${got}, want ${want}`),
      ...outcome.faults.map((fault) => `${title}: ${fault}`),
    ];
  } catch (error) {
    return [`${title}: ${error}`];
  }
}

/** The loss alone and the loss with its gradient; other functions as they are. */
function twice(call: Call): Call[] {
  const [alone, both] = [withoutGrad(call), withGrad(call)];
  return both.name === alone.name ? [alone] : [alone, both];
}

const groups = grouped(goldenCases, ({ call }) => call);

describeBackends("golden values", (core) => {
  test.each(groups)("are those of float32 %s", (_title, group) => {
    const failures = group.flatMap((one) =>
      (["shape", "bare"] as const).flatMap((form) =>
        twice(callOf(one, "float32", form)).flatMap((call) =>
          failuresOf(core, call, golden(one, call, float32), `${titleOf(one)} ${form}`),
        ),
      ),
    );
    expect(failures).toEqual([]);
  });

  test.each(groups)("are those of float64 %s", (_title, group) => {
    const failures = group.flatMap((one) =>
      twice(callOf(one, "float64", "bare")).flatMap((call) =>
        failuresOf(core, call, golden(one, call, float64), titleOf(one)),
      ),
    );
    expect(failures).toEqual([]);
  });

  test.each(groups)("have their like in float16 and bfloat16 %s", (_title, group) => {
    const failures = group.flatMap((one) =>
      (["float16", "bfloat16"] as const).flatMap((kind) =>
        twice(callOf(one, kind, "dims")).flatMap((call) =>
          failuresOf(core, call, wantedOf(call), `${titleOf(one)} ${kind}`),
        ),
      ),
    );
    expect(failures).toEqual([]);
  });
});
