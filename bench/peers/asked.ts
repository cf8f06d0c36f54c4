/** Contenders who live elsewhere, in a process or a tab of their own, and are asked for calls in JSON. */
import type { Call } from "../contenders.js";
import type { Inputs } from "../inputs.js";
import type { Prepared } from "./peer.js";

/** A conversation in which the other side only answers. */
export interface Channel {
  /** What it said unasked, at the beginning. */
  readonly greeting: string;
  exchange(message: string): Promise<string>;
  close(): void | Promise<void>;
}

/** See pytorch.py. */
interface Answer {
  readonly error?: string;
  readonly value?: number;
  readonly output?: string | null;
  readonly nanoseconds?: number;
}

/**
 * Prepares calls on the other side, which gets inputs once for all the calls on them. `place` says what else it has to
 * know to make them.
 */
export function preparer({ exchange }: Channel): (call: Call, inputs: Inputs, place?: object) => Promise<Prepared> {
  let known: Inputs | undefined;

  const ask = async (request: object): Promise<Answer> => {
    const answer: Answer = JSON.parse(await exchange(JSON.stringify(request)));
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  };

  return async (call, inputs, place = {}) => {
    if (inputs !== known) {
      const { rows, classes, logits, targets } = inputs;
      await ask({ rows, classes, logits: encode(logits), targets: encode(targets) });
      known = inputs;
    }
    let output: string | null = null;
    return {
      async run() {
        const answer = await ask({ ...place, run: call });
        output = answer.output ?? null;
        return answer.value ?? Number.NaN;
      },
      async turn(milliseconds) {
        const { nanoseconds } = await ask({ ...place, turn: call, milliseconds });
        return nanoseconds ?? Number.NaN;
      },
      ...(call !== "crossEntropy" && { output: () => decode(output ?? "") }),
    };
  };
}

function encode({ buffer, byteOffset, byteLength }: Float32Array | Int32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
}

function decode(base64: string): Float32Array {
  return new Float32Array(new Uint8Array(Buffer.from(base64, "base64")).buffer);
}
