/** Holds crossEntropy and crossEntropyWithGrad to the oracle, for one batch and one set of options. */

import type { Core } from "../src/index.js";
import { type Batch, remembered } from "./inputs.js";
import { crossEntropy, type Losses, type LossOptions } from "./oracle.js";
import { expectClose, expectCloseNumber, lossGradients, reducedLoss, rowLosses } from "./tolerances.js";

/** The options of a loss that the oracle knows too, with a gradOutput as the library takes it. */
export interface CheckedOptions extends LossOptions {
  readonly gradOutput?: number | Float32Array;
}

/** What "sum" and "none" should come to, where it is worth remembering from one backend to the next. */
export const wantedSum = remembered(({ logits, targets, classes }: Batch) =>
  crossEntropy(logits, targets, classes, { reduction: "sum" }),
);

function wanted({ logits, targets, classes }: Batch, options: CheckedOptions): Losses {
  return crossEntropy(logits, targets, classes, options);
}

function expectLoss(what: string, got: number | Float32Array, want: Losses, { rows, classes }: Batch): void {
  if (typeof got === "number") expectCloseNumber(what, got, want.loss, reducedLoss(rows * classes));
  else expectClose(what, got, want.rows, 1, rowLosses(classes));
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
  expectClose(`${what}: grad`, grad, want.grad, batch.classes, lossGradients(largest));
}

/** The batch with every third row ignored. */
export function ignoring(batch: Batch, ignoreIndex: number): Batch {
  return {
    ...batch,
    name: `${batch.name} with every third row ignored`,
    targets: batch.targets.map((target, i) => (i % 3 === 1 ? ignoreIndex : target)),
  };
}
