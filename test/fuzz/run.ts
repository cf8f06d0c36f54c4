/** Runs a call on a core, and sees to it that nothing is written but the results. */

import type { Core, Tensor } from "../../src/index.js";
import {
  type ArrayArgument,
  type Call,
  isArgument,
  isFloats,
  outLength,
  resultKind,
  type StoredArray,
  shapeOf,
  stored,
  subjectOf,
} from "./call.js";

/** How many elements lie before and behind a view into a longer array; odd, so that it is aligned to no vector. */
export const MARGIN = 3;
export const CANARY = 7;

export type Part = "result" | "loss" | "grad";
export type Value = number | Float32Array | Float64Array;

export interface Outcome {
  readonly values: ReadonlyMap<Part, Value>;
  /** What is wrong apart from the values. */
  readonly faults: readonly string[];
}

/** An array as the library gets it, and where its elements are. */
interface Handed {
  readonly given: unknown;
  readonly memory: () => StoredArray;
  /** Elements of the memory before and behind the array. */
  readonly margin: number;
  readonly tensor?: Tensor;
}

export function strides(shape: readonly number[]): number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((size, next) => size * next, 1));
}

/** A Float16Array over these bits, where the engine has such a thing. */
function asFloat16Array(bits: StoredArray): unknown {
  const Float16Array = Reflect.get(globalThis, "Float16Array");
  return typeof Float16Array === "function"
    ? Reflect.construct(Float16Array, [bits.buffer, bits.byteOffset, bits.length])
    : undefined;
}

function handOver(core: Core, array: ArrayArgument, shape: readonly number[]): Handed {
  const { kind, form, values } = array;
  const margin = form === "view" || form === "window" ? MARGIN : 0;
  const canaries = Array.from({ length: margin }, () => CANARY);
  const memory = stored(kind, [...canaries, ...values, ...canaries]);
  const data = memory.subarray(margin, margin + values.length);
  const there = { memory: () => memory, margin };
  if (form === "numbers" || kind === "number[]") return { ...there, given: Array.from(values) };
  const dtype = isFloats(array) && kind.endsWith("float16") ? kind : undefined;
  switch (form) {
    case "shape":
      return { ...there, given: { data, shape, ...(dtype && { dtype }) } };
    case "dims":
      return { ...there, given: { data, dims: shape, ...(dtype && { type: dtype }) } };
    case "window":
      return { ...there, given: { data: memory, shape, stride: strides(shape), offset: margin, dtype } };
    case "core": {
      const tensor = core.tensor(shape);
      tensor.data.set(values);
      return { given: tensor, memory: () => tensor.data, margin, tensor };
    }
    default:
      if (dtype === undefined) return { ...there, given: data };
      return { ...there, given: (dtype === "float16" && asFloat16Array(data)) || { data, shape, dtype } };
  }
}

/** The first element that is not what it was, but for those inside where `inside` may have been written. */
function firstWritten({ memory, margin }: Handed, before: StoredArray, inside: boolean): number | undefined {
  const after = memory();
  for (let i = 0; i < after.length; i++) {
    const isInside = i >= margin && i < after.length - margin;
    if (!(inside && isInside) && !Object.is(after[i], before[i])) return i - margin;
  }
  return undefined;
}

function isArrayOfResults(value: unknown): value is Float32Array | Float64Array {
  return value instanceof Float32Array || value instanceof Float64Array;
}

/** The parts of a result, copied from where it may have been asked to be. */
function partsOf(result: unknown): Map<Part, Value> {
  if (typeof result === "number") return new Map([["result", result]]);
  if (isArrayOfResults(result)) return new Map([["result", result.slice()]]);
  if (typeof result !== "object" || result === null || !("loss" in result) || !("grad" in result)) {
    throw new Error(`expected a number, an array or a loss with a gradient, got ${result}`);
  }
  const [loss, grad] = [partsOf(result.loss).get("result"), partsOf(result.grad).get("result")];
  return new Map<Part, Value>(Object.entries({ loss, grad }) as [Part, Value][]);
}

function outOf(core: Core, call: Call, subject: Handed): Handed | undefined {
  if (call.out === "in place") return subject;
  const length = outLength(call);
  if (call.out === "fresh" || length === undefined) return undefined;
  const values = Array.from({ length }, () => CANARY);
  return handOver(core, { kind: resultKind(call), span: "elements", form: "view", values }, []);
}

/** What a core does of a call. An error is thrown as it is. */
export function run(core: Core, call: Call): Outcome {
  const { name, layout, arrays, options } = call;
  const handed = Object.entries(arrays).map(([key, array]) => {
    const one = handOver(core, array, shapeOf(array.span, layout));
    return { key, one, before: one.memory().slice() };
  });
  try {
    const subject = handed.find(({ key }) => key === subjectOf(call)[0])?.one;
    const out = subject && outOf(core, call, subject);
    const positional = handed.filter(({ key }) => isArgument(call, key)).map(({ one }) => one.given);
    const given = {
      ...options,
      ...Object.fromEntries(handed.filter(({ key }) => !isArgument(call, key)).map(({ key, one }) => [key, one.given])),
      ...(layout.axis !== undefined && { axis: layout.axis }),
      ...(call.withShape && { shape: layout.shape }),
      ...(out && { out: out.given }),
    };
    // By name, with anything: what the types say of each function is tested where they are.
    const functions = core as object as Record<string, (...args: unknown[]) => unknown>;
    const values = partsOf(functions[name]?.(...positional, given));
    const faults = handed.flatMap(({ key, one, before }) => {
      const first = firstWritten(one, before, one === out);
      return first === undefined ? [] : [`${key}[${first}] was written`];
    });
    return { values, faults: out ? [...faults, ...faultsOfOut(out, values)] : faults };
  } finally {
    for (const { one } of handed) one.tensor?.dispose();
  }
}

/** `out` has what was returned, and nothing stands before or behind it. */
function faultsOfOut(out: Handed, values: ReadonlyMap<Part, Value>): string[] {
  const { memory, margin } = out;
  const returned = values.get("grad") ?? values.get("result");
  const all = memory();
  const end = all.length - margin;
  if (!isArrayOfResults(returned) || returned.length !== end - margin) return ["out is not what was returned"];
  const differs = returned.findIndex((value, i) => !Object.is(value, all[margin + i]));
  const strayed = Array.from(all.keys()).some((i) => (i < margin || i >= end) && all[i] !== CANARY);
  return [
    ...(differs < 0 ? [] : [`out[${differs}] is ${all[margin + differs]}, and ${returned[differs]} was returned`]),
    ...(strayed ? ["elements around out were written"] : []),
  ];
}
