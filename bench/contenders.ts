import { type Core, createCore } from "surprisal";
import type { Inputs } from "./inputs.js";
import * as plain from "./plain.js";

export const CALLS = ["crossEntropy", "crossEntropyWithGrad"] as const;
export type Call = (typeof CALLS)[number];

export const PLAIN = "plain loops";
const BACKENDS = ["js", "wasm-simd", "wasm-relaxed-simd"] as const;

/**
 * Where the arrays of a call lie. `array`: the logits in a plain array, the gradient in a fresh one each time; `out`:
 * the gradient in a plain array that the caller keeps; `tensor`: both in the core's own memory.
 */
export type Memory = "array" | "out" | "tensor";

export interface Contender {
  readonly implementation: string;
  readonly memory: Memory;
  /** Makes the call and returns its loss. */
  run(): number;
  /** The gradient that the last call wrote. */
  grad?(): Float32Array;
  dispose?(): void;
}

/** The cores that this engine runs, and why it lacks the others. */
export interface Cores {
  readonly cores: readonly Core[];
  readonly missing: readonly string[];
}

export function openCores(): Cores {
  const cores: Core[] = [];
  const missing: string[] = [];
  for (const backend of BACKENDS) {
    try {
      cores.push(createCore({ backend }));
    } catch (error) {
      missing.push(error instanceof Error ? error.message : String(error));
    }
  }
  return { cores, missing };
}

/** Everything that takes part in one case; plain loops come first. */
export function contendersOf(call: Call, inputs: Inputs, cores: readonly Core[]): Contender[] {
  return call === "crossEntropy"
    ? [plainForward(inputs), ...cores.flatMap((core) => coreForward(core, inputs))]
    : [...plainWithGrad(inputs), ...cores.flatMap((core) => coreWithGrad(core, inputs))];
}

function plainForward({ logits, targets }: Inputs): Contender {
  return { implementation: PLAIN, memory: "array", run: () => plain.crossEntropy(logits, targets) };
}

function plainWithGrad({ logits, targets }: Inputs): Contender[] {
  const out = new Float32Array(logits.length);
  let fresh: Float32Array = out;
  return [
    {
      implementation: PLAIN,
      memory: "array",
      run: () => {
        fresh = new Float32Array(logits.length);
        return plain.crossEntropyWithGrad(logits, targets, fresh);
      },
      grad: () => fresh,
    },
    {
      implementation: PLAIN,
      memory: "out",
      run: () => plain.crossEntropyWithGrad(logits, targets, out),
      grad: () => out,
    },
  ];
}

function coreForward(core: Core, { logits, targets, rows, classes }: Inputs): Contender[] {
  const implementation = core.backend;
  const contenders: Contender[] = [{ implementation, memory: "array", run: () => core.crossEntropy(logits, targets) }];
  if (core.backend === "js") return contenders;

  const tensor = core.tensor([rows, classes]);
  tensor.data.set(logits);
  contenders.push({
    implementation,
    memory: "tensor",
    run: () => core.crossEntropy(tensor, targets),
    dispose: () => tensor.dispose(),
  });
  return contenders;
}

function coreWithGrad(core: Core, { logits, targets, rows, classes }: Inputs): Contender[] {
  const implementation = core.backend;
  const out = new Float32Array(logits.length);
  let fresh: Float32Array = out;
  const contenders: Contender[] = [
    {
      implementation,
      memory: "array",
      run: () => {
        const { loss, grad } = core.crossEntropyWithGrad(logits, targets);
        fresh = grad;
        return loss;
      },
      grad: () => fresh,
    },
    {
      implementation,
      memory: "out",
      run: () => core.crossEntropyWithGrad(logits, targets, { out }).loss,
      grad: () => out,
    },
  ];
  if (core.backend === "js") return contenders;

  const tensor = core.tensor([rows, classes]);
  const gradTensor = core.tensor([rows, classes]);
  tensor.data.set(logits);
  contenders.push({
    implementation,
    memory: "tensor",
    run: () => core.crossEntropyWithGrad(tensor, targets, { out: gradTensor }).loss,
    grad: () => gradTensor.data,
    dispose: () => {
      tensor.dispose();
      gradTensor.dispose();
    },
  });
  return contenders;
}
