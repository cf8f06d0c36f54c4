import { type Core, createCore } from "surprisal";
import type { Inputs } from "./inputs.js";
import { type Timed, timed } from "./measure.js";
import * as plain from "./plain.js";

export const LOSSES = ["crossEntropy", "crossEntropyWithGrad"] as const;
export const SOFTMAXES = ["logSoftmax", "softmax"] as const;
type Softmax = (typeof SOFTMAXES)[number];
export type Call = (typeof LOSSES)[number] | Softmax;

export const PLAIN = "plain loops";
const BACKENDS = ["js", "wasm-simd", "wasm-relaxed-simd"] as const;

/**
 * Where the arrays of a call lie. `array`: the logits in a plain array, the result in a fresh one each time; `out`: the
 * result in a plain array that the caller keeps; `tensor`: both in the implementation's own memory.
 */
export type Memory = "array" | "out" | "tensor";

/** What its arithmetic may cost it. */
export interface Precision {
  /** The largest relative error. */
  readonly relative: number;
  /** The error of a probability near 1, which is all that remains where 1 is taken from it. */
  readonly nearOne: number;
}

/** Float32 results of longer sums and logarithms; near certainty nothing is lost. */
export const EXACT: Precision = { relative: 1e-6, nearOne: 0 };
/** Plain loops compute in float64, but take 1 from a probability that is rounded already. */
const ROUNDED: Precision = { relative: 1e-6, nearOne: 2 ** -23 };

export interface Contender extends Timed {
  readonly implementation: string;
  readonly memory: Memory;
  readonly precision: Precision;
  /** The array that the last call wrote. */
  output?(): Float32Array | Promise<Float32Array>;
  dispose?(): void;
}

/** The cores that this engine runs, the backend that `auto` takes, and why others are missing. */
export interface Cores {
  readonly auto: string;
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
  return { auto: createCore().backend, cores, missing };
}

/** Plain loops, which come first, and the cores. */
export function contendersOf(call: Call, inputs: Inputs, cores: readonly Core[]): Contender[] {
  switch (call) {
    case "crossEntropy":
      return [plainForward(inputs), ...cores.flatMap((core) => coreForward(core, inputs))];
    case "crossEntropyWithGrad":
      return [...plainWriting(call, inputs), ...cores.flatMap((core) => coreWithGrad(core, inputs))];
    default:
      return [...plainWriting(call, inputs), ...cores.flatMap((core) => coreSoftmax(call, core, inputs))];
  }
}

function plainForward({ logits, targets }: Inputs): Contender {
  return {
    implementation: PLAIN,
    memory: "array",
    precision: ROUNDED,
    ...timed(() => plain.crossEntropy(logits, targets)),
  };
}

function plainWriting(call: Exclude<Call, "crossEntropy">, { logits, targets, classes }: Inputs): Contender[] {
  const write = {
    crossEntropyWithGrad: (to: Float32Array) => plain.crossEntropyWithGrad(logits, targets, to),
    logSoftmax: (to: Float32Array) => plain.logSoftmax(logits, classes, to),
    softmax: (to: Float32Array) => plain.softmax(logits, classes, to),
  }[call];
  const out = new Float32Array(logits.length);
  let fresh: Float32Array = out;
  const common = { implementation: PLAIN, precision: ROUNDED };
  return [
    {
      ...common,
      memory: "array",
      ...timed(() => {
        fresh = new Float32Array(logits.length);
        return write(fresh);
      }),
      output: () => fresh,
    },
    { ...common, memory: "out", ...timed(() => write(out)), output: () => out },
  ];
}

function coreForward(core: Core, { logits, targets, rows, classes }: Inputs): Contender[] {
  const common = { implementation: core.backend, precision: EXACT };
  const contenders: Contender[] = [{ ...common, memory: "array", ...timed(() => core.crossEntropy(logits, targets)) }];
  if (core.backend === "js") return contenders;

  const tensor = core.tensor([rows, classes]);
  tensor.data.set(logits);
  contenders.push({
    ...common,
    memory: "tensor",
    ...timed(() => core.crossEntropy(tensor, targets)),
    dispose: () => tensor.dispose(),
  });
  return contenders;
}

function coreWithGrad(core: Core, { logits, targets, rows, classes }: Inputs): Contender[] {
  const common = { implementation: core.backend, precision: EXACT };
  const out = new Float32Array(logits.length);
  let fresh: Float32Array = out;
  const contenders: Contender[] = [
    {
      ...common,
      memory: "array",
      ...timed(() => {
        const { loss, grad } = core.crossEntropyWithGrad(logits, targets);
        fresh = grad;
        return loss;
      }),
      output: () => fresh,
    },
    {
      ...common,
      memory: "out",
      ...timed(() => core.crossEntropyWithGrad(logits, targets, { out }).loss),
      output: () => out,
    },
  ];
  if (core.backend === "js") return contenders;

  const tensor = core.tensor([rows, classes]);
  const gradTensor = core.tensor([rows, classes]);
  tensor.data.set(logits);
  contenders.push({
    ...common,
    memory: "tensor",
    ...timed(() => core.crossEntropyWithGrad(tensor, targets, { out: gradTensor }).loss),
    output: () => gradTensor.data,
    dispose: () => {
      tensor.dispose();
      gradTensor.dispose();
    },
  });
  return contenders;
}

function coreSoftmax(call: Softmax, core: Core, { logits, rows, classes }: Inputs): Contender[] {
  const common = { implementation: core.backend, precision: EXACT };
  const compute = core[call];
  const shape = [rows, classes];
  const out = new Float32Array(logits.length);
  let fresh: Float32Array = out;
  const contenders: Contender[] = [
    {
      ...common,
      memory: "array",
      ...timed(() => {
        fresh = compute(logits, { shape });
        return fresh[0] ?? Number.NaN;
      }),
      output: () => fresh,
    },
    {
      ...common,
      memory: "out",
      ...timed(() => compute(logits, { shape, out })[0] ?? Number.NaN),
      output: () => out,
    },
  ];
  if (core.backend === "js") return contenders;

  const tensor = core.tensor(shape);
  const outTensor = core.tensor(shape);
  tensor.data.set(logits);
  contenders.push({
    ...common,
    memory: "tensor",
    ...timed(() => compute(tensor, { out: outTensor })[0] ?? Number.NaN),
    output: () => outTensor.data,
    dispose: () => {
      tensor.dispose();
      outTensor.dispose();
    },
  });
  return contenders;
}
