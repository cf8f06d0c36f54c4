import { type Call, type Contender, PLAIN } from "./contenders.js";
import type { Inputs } from "./inputs.js";
import type { Reference } from "./reference.js";

/** Rounding of float32 results; the accumulation itself is in float64. */
const RELATIVE = 1e-6;
/** What is lost where probabilities leave float32's normal range. */
const UNDERFLOW = 2 ** -120;

/** Throws where a contender's loss or gradient is not the reference's. */
export function verify(call: Call, inputs: Inputs, contender: Contender, reference: Reference): void {
  const { rows, classes } = inputs;
  const name = `${rows}x${classes} ${call}, ${contender.implementation}, ${contender.memory}`;
  const loss = contender.run();
  if (!isClose(loss, reference.loss, RELATIVE * reference.loss)) {
    throw new Error(`${name}: the loss is ${loss} and ought to be ${reference.loss}`);
  }
  const grad = contender.grad?.();
  if (grad === undefined) return;
  // Plain loops take 1 from a probability that is rounded already, so that near certainty only its place remains.
  const cancellation = contender.implementation === PLAIN ? 2 ** -23 / rows : 0;
  reference.grad.forEach((expected, i) => {
    const value = grad[i] as number;
    if (!isClose(value, expected, RELATIVE * Math.abs(expected) + cancellation + UNDERFLOW)) {
      throw new Error(`${name}: the gradient at ${i} is ${value} and ought to be ${expected}`);
    }
  });
}

/** False for NaN. */
function isClose(value: number, expected: number, tolerance: number): boolean {
  return Math.abs(value - expected) <= tolerance;
}
