/** Holds crossEntropy and crossEntropyWithGrad to the oracle, for one batch and one set of options. */

import type { Core } from "../src/index.js";
import { type Bound, float32Bounds } from "./bounds.js";
import { type Batch, remembered } from "./inputs.js";
import { at, crossEntropy, type Losses, type Numbers } from "./oracle.js";
import { expectClose, type Tolerance } from "./tolerances.js";

/** Options that the oracle and the library take alike. */
export interface CheckedOptions {
  readonly reduction?: "mean" | "sum" | "none";
  readonly ignoreIndex?: number;
  readonly normalizer?: number;
  readonly gradOutput?: number | Float32Array;
  readonly weight?: Float32Array;
  readonly labelSmoothing?: number;
  readonly zLoss?: number;
  readonly softcap?: number;
}

/** What "sum" and "none" should come to, where it is worth remembering from one backend to the next. */
export const wantedSum = remembered(({ logits, targets, classes }: Batch) =>
  crossEntropy(logits, targets, classes, { reduction: "sum" }),
);

function wanted({ logits, targets, classes }: Batch, options: CheckedOptions): Losses {
  return crossEntropy(logits, targets, classes, options);
}

const MIN_NORMAL = 2 ** -126;

function bounded(bound: Bound, sizes: Numbers): Tolerance {
  return (want, index) => bound(want, at(sizes, index));
}

function expectLoss(what: string, got: number | Float32Array, want: Losses, { rows, classes }: Batch): void {
  const { sizes } = want;
  if (typeof got === "number") {
    const { reducedLoss } = float32Bounds(rows * classes * MIN_NORMAL);
    expectClose(what, [got], [want.loss], 1, bounded(reducedLoss, [sizes.loss]));
  } else {
    expectClose(what, got, want.rows, 1, bounded(float32Bounds(classes * MIN_NORMAL).loss, sizes.rows));
  }
}

function named(name: string, batch: Batch, { gradOutput, ...rest }: CheckedOptions): string {
  const upstream = typeof gradOutput === "object" ? "an array" : gradOutput;
  return `${name} ${batch.name} ${JSON.stringify({ ...rest, gradOutput: upstream })}`;
}

export function checkLoss(
  core: Core,
  batch: Batch,
  options: CheckedOptions = {},
  want: Losses = wanted(batch, options),
): void {
  const loss = core.crossEntropy(batch.logits, batch.targets, options);
  expectLoss(named("crossEntropy", batch, options), loss, want, batch);
}

export function checkLossAndGrad(
  core: Core,
  batch: Batch,
  options: CheckedOptions = {},
  want: Losses = wanted(batch, options),
): void {
  const { gradOutput = 1, normalizer = 1 } = options;
  const what = named("crossEntropyWithGrad", batch, options);
  const { loss, grad } = core.crossEntropyWithGrad(batch.logits, batch.targets, options);
  expectLoss(`${what}: loss`, loss, want, batch);
  const scales = typeof gradOutput === "number" ? [gradOutput] : Array.from(gradOutput);
  const largest = Math.max(...scales.map(Math.abs)) / normalizer;
  const { gradient } = float32Bounds(Math.max(1, largest) * MIN_NORMAL);
  expectClose(`${what}: grad`, grad, want.grad, batch.classes, bounded(gradient, want.sizes.grad));
}

/** The batch with every third row ignored. */
export function ignoring(batch: Batch, ignoreIndex: number): Batch {
  return {
    ...batch,
    name: `${batch.name} with every third row ignored`,
    targets: batch.targets.map((target, i) => (i % 3 === 1 ? ignoreIndex : target)),
  };
}
