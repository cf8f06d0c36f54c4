/**
 * The golden values of fixtures/golden.json, which PyTorch computed in float64 from float32 inputs: what the functions
 * mean, in every combination of options.
 */

import { readFileSync } from "node:fs";
import { type ArrayArgument, type Call, type FloatKind, type Form, rounded, type Span } from "./fuzz/call.js";
import type { Part } from "./fuzz/run.js";
import { type BackwardFunction, type LossFunction, lossFunctions, type SoftmaxFunction } from "./oracle.js";

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
  readonly call: SoftmaxFunction | BackwardFunction | LossFunction;
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

function inputOf({ call, inputs: names }: GoldenCase, argument: string): StoredArray {
  const array = inputs[names[argument] ?? ""];
  if (array === undefined) throw new Error(`expected an input for ${argument} of ${call}`);
  return array;
}

/** What an array has a value for: one an element where it is shaped like the first argument, one a class or a row. */
function spanOf(golden: GoldenCase, argument: string, shape: readonly number[]): Span {
  const isRowwise = golden.call === "crossEntropy" || golden.call === "nllLoss";
  if (argument === "weight" && isRowwise) return "classes";
  if (argument === "gradOutput" && isRowwise) return "rows";
  return inputOf(golden, argument).shape.join() === shape.join() ? "elements" : "classes";
}

/** A case as a call, its floats in this kind, and all arrays in this form. */
export function callOf(golden: GoldenCase, kind: FloatKind, form: Form): Call {
  const { call, inputs: names, options } = golden;
  const { axis, ...others } = options;
  const [first = ""] = Object.keys(names);
  const { shape } = inputOf(golden, first);
  const arrays = Object.keys(names).map((argument): [string, ArrayArgument] => {
    const { dtype, data } = inputOf(golden, argument);
    const values = data.map(Number);
    if (dtype === "int32") return [argument, { kind: "Int32Array", span: "rows", form, values }];
    const floats = values.map((value) => rounded(kind, rounded("float32", value)));
    return [argument, { kind, span: spanOf(golden, argument, shape), form, values: floats }];
  });
  return {
    name: call,
    layout: { shape, axis },
    withShape: form === "bare",
    arrays: Object.fromEntries(arrays),
    options: others,
    out: form === "bare" ? "given" : "fresh",
  };
}

/** The same beside its gradient. */
export function withGrad(call: Call): Call {
  const loss = lossFunctions.find((name) => name === call.name);
  return loss === undefined ? call : { ...call, name: `${loss}WithGrad` };
}

/** The same without what the gradient alone needs. */
export function withoutGrad(call: Call): Call {
  if (!lossFunctions.some((name) => name === call.name)) return call;
  const { gradOutput: _array, ...arrays } = call.arrays;
  const { gradOutput: _number, ...options } = call.options;
  return { ...call, arrays, options };
}

/** What is stored of a part of a case's results. */
export function storedPart({ result, grad }: GoldenCase, part: Part): { values: Float64Array; isNumber: boolean } {
  const stored = part === "grad" ? grad : result;
  const isNumber = typeof stored !== "object";
  return { values: Float64Array.from(isNumber ? [stored] : stored, Number), isNumber };
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
