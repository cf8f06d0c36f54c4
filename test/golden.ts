/**
 * The golden values of fixtures/golden.json, which PyTorch computed in float64 from float32 inputs: what the functions
 * mean, in every combination of options.
 */

import { readFileSync } from "node:fs";
import type { Layout } from "./oracle.js";

export type StoredNumber = number | "NaN" | "Infinity" | "-Infinity";

interface StoredArray {
  readonly dtype: "float32" | "int32";
  readonly shape: readonly number[];
  readonly data: readonly StoredNumber[];
}

/** Options that are not arrays; every function has its share of them. */
export interface GoldenOptions {
  readonly axis?: number;
  readonly reduction?: "mean" | "sum" | "none" | "batchmean";
  readonly ignoreIndex?: number;
  readonly labelSmoothing?: number;
  readonly zLoss?: number;
  readonly softcap?: number;
  readonly normalizer?: number;
  readonly gradOutput?: number;
  readonly weight?: number;
  readonly posWeight?: number;
  readonly logTarget?: boolean;
}

export interface GoldenCase {
  readonly call: string;
  /** The arguments, and the options that are arrays, as names of inputs. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly options: GoldenOptions;
  readonly result: StoredNumber | readonly StoredNumber[];
  readonly grad?: readonly StoredNumber[];
}

interface Golden {
  readonly inputs: Readonly<Record<string, StoredArray>>;
  readonly cases: readonly GoldenCase[];
}

// Typed by word of honour: nothing but fixtures/make-golden.py writes this file.
const { inputs, cases }: Golden = JSON.parse(readFileSync(new URL("fixtures/golden.json", import.meta.url), "utf8"));

export const goldenCases = cases;

export interface GoldenTensor {
  readonly data: Float32Array | Int32Array;
  readonly shape: readonly number[];
}

const tensors: ReadonlyMap<string, GoldenTensor> = new Map(
  Object.entries(inputs).map(([name, { dtype, shape, data }]) => {
    const numbers = data.map(Number);
    return [name, { data: dtype === "int32" ? Int32Array.from(numbers) : Float32Array.from(numbers), shape }];
  }),
);

export function tensorOf({ inputs }: GoldenCase, argument: string): GoldenTensor {
  const tensor = tensors.get(inputs[argument] ?? "");
  if (tensor === undefined) throw new Error(`expected an input for ${argument}`);
  return tensor;
}

export function floatsOf(golden: GoldenCase, argument: string): Float32Array {
  const { data } = tensorOf(golden, argument);
  if (!(data instanceof Float32Array)) throw new Error(`expected floats for ${argument}`);
  return data;
}

export function classesOf(golden: GoldenCase, argument: string): Int32Array {
  const { data } = tensorOf(golden, argument);
  if (!(data instanceof Int32Array)) throw new Error(`expected classes for ${argument}`);
  return data;
}

/** The first argument's shape, which the gradient has too, and the class axis. */
export function layoutOf({ call, inputs, options }: GoldenCase): Layout {
  const subject = call === "softmaxGrad" || call === "logSoftmaxGrad" ? inputs.gradOutput : Object.values(inputs)[0];
  const tensor = tensors.get(subject ?? "");
  if (tensor === undefined) throw new Error(`expected a first argument for ${call}`);
  return { shape: tensor.shape, axis: options.axis };
}

export function titleOf({ call, inputs, options }: GoldenCase): string {
  return `${call} ${JSON.stringify(inputs)} ${JSON.stringify(options)}`;
}

/** Cases by what `keyOf` makes of them, with their number in the title. */
export function grouped(
  cases: readonly GoldenCase[],
  keyOf: (golden: GoldenCase) => string,
): [title: string, cases: GoldenCase[]][] {
  const groups = new Map<string, GoldenCase[]>();
  for (const golden of cases) {
    const key = keyOf(golden);
    const group = groups.get(key);
    if (group) group.push(golden);
    else groups.set(key, [golden]);
  }
  return [...groups].map(([key, group]) => [`${key}, ${group.length} cases`, group]);
}
