/** Losses of rows or elements, reduced; and the sizes of the terms that each result is a sum of. */

import { at, float, type Numbers, sum } from "./arithmetic.js";

export interface ReductionOptions {
  readonly reduction?: "mean" | "sum" | "none" | undefined;
  readonly normalizer?: number | undefined;
  readonly gradOutput?: number | Numbers | undefined;
}

/** Losses one by one, 0 for an ignored row; reduced, for "none" their sum; and the gradient. */
export interface Results {
  readonly rows: Float64Array;
  readonly loss: number;
  readonly grad: Float64Array;
}

/**
 * `sizes` has for each result the absolute values of its terms, added. Where nothing cancels that is the result's own
 * size; where terms do, an error can be small beside this only.
 */
export interface Losses extends Results {
  readonly sizes: Results;
}

/** The loss of one row, its gradient, and what the two are sums of (but for the sign); before any reduction. */
export interface RowLoss {
  readonly loss: number;
  readonly lossSize: number;
  readonly grad: Float64Array;
  readonly gradSizes: Float64Array;
}

/**
 * Rows with `width` derivatives each; null for an ignored one, whose results are 0 whatever they are multiplied by.
 * `own` is what their mean divides by.
 */
export function reduced(
  rows: readonly (RowLoss | null)[],
  width: number,
  own: number,
  { reduction = "mean", normalizer = own, gradOutput = 1 }: ReductionOptions,
): Losses {
  const divisor = reduction === "mean" ? normalizer : 1;
  // As in PyTorch, a mean over nothing has no gradient: not even an infinite one, where what is divided is not 0.
  const scaleOf = (upstream: number): number => (divisor === 0 ? Number.NaN : upstream / divisor);
  const [losses, sizes] = [new Float64Array(rows.length), new Float64Array(rows.length)];
  const [grad, gradSizes] = [new Float64Array(rows.length * width), new Float64Array(rows.length * width)];
  rows.forEach((row, i) => {
    if (row === null) return;
    losses[i] = row.loss;
    sizes[i] = row.lossSize;
    const scale = scaleOf(typeof gradOutput === "number" ? gradOutput : at(gradOutput, i));
    for (let c = 0; c < width; c++) {
      grad[i * width + c] = float(row.grad, c) * scale;
      gradSizes[i * width + c] = Math.abs(float(row.gradSizes, c) * scale);
    }
  });
  return {
    rows: losses,
    loss: sum(losses) / divisor,
    grad,
    sizes: { rows: sizes, loss: sum(sizes) / Math.abs(divisor), grad: gradSizes },
  };
}

function addedResults(a: Results, b: Results): Results {
  return {
    rows: a.rows.map((value, i) => value + at(b.rows, i)),
    loss: a.loss + b.loss,
    grad: a.grad.map((value, i) => value + at(b.grad, i)),
  };
}

/** The losses of two terms that are divided by different numbers. */
export function added(a: Losses, b: Losses): Losses {
  return { ...addedResults(a, b), sizes: addedResults(a.sizes, b.sizes) };
}
