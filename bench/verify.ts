import type { Call, Contender } from "./contenders.js";
import type { Inputs } from "./inputs.js";
import type { Reference } from "./reference.js";

/** What is lost where probabilities leave float32's normal range. */
const UNDERFLOW = 2 ** -120;

/** Throws where a contender's loss or array is not the reference's. */
export async function verify(call: Call, inputs: Inputs, contender: Contender, reference: Reference): Promise<void> {
  const { rows, classes } = inputs;
  const { implementation, memory, precision } = contender;
  const name = `${rows}x${classes} ${call}, ${implementation}, ${memory}`;
  const { loss } = reference;
  const value = await contender.run();
  if (loss !== undefined && !isClose(value, loss, precision.relative * loss)) {
    throw new Error(`${name}: the loss is ${value} and ought to be ${loss}`);
  }
  const output = await contender.output?.();
  if (output === undefined) return;
  const floor = {
    crossEntropy: 0,
    crossEntropyWithGrad: precision.nearOne / rows,
    logSoftmax: precision.relative,
    softmax: 0,
  }[call];
  for (let i = 0; i < reference.output.length; i++) {
    const [got, expected] = [output[i] as number, reference.output[i] as number];
    if (!isClose(got, expected, precision.relative * Math.abs(expected) + floor + UNDERFLOW)) {
      throw new Error(`${name}: the value at ${i} is ${got} and ought to be ${expected}`);
    }
  }
}

/** False for NaN. */
function isClose(value: number, expected: number, tolerance: number): boolean {
  return Math.abs(value - expected) <= tolerance;
}
