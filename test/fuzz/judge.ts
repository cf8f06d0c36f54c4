/** Holds what a core does of a call to what the oracle says, within the documented bounds. */

import { type Bound, type Bounds, float32Bounds, float64Bounds } from "../bounds.js";
import {
  type AllOptions,
  at,
  type BackwardFunction,
  backwardFunctions,
  type Exact,
  exactBackward,
  exactLoss,
  exactSoftmax,
  type LossFunction,
  lossFunctions,
  type SoftmaxFunction,
  sizesOf,
  softmaxFunctions,
} from "../oracle.js";
import { type ArrayArgument, type Call, isFloats, resultKind, subjectOf } from "./call.js";
import type { Outcome, Part } from "./run.js";

/** What a part of a result should be, and how far it may be off. */
export interface Wanted {
  readonly part: Part;
  readonly exact: Exact;
  readonly bound: Bound;
}

export interface Miss {
  readonly part: Part;
  readonly index: number;
  readonly got: unknown;
  readonly want: unknown;
  readonly allowed?: number;
}

function finite(array: ArrayArgument | undefined): readonly number[] {
  return array === undefined ? [] : array.values.filter(Number.isFinite).map(Math.abs);
}

function largest(values: readonly number[]): number {
  return values.reduce((max, value) => Math.max(max, value), 0);
}

/** What an exponential is multiplied by at most on its way into a result. */
function largestFactor({ arrays, options }: Call): number {
  const arraysOf = ["weight", "posWeight", "gradOutput", "targets"].map((name) => largest(finite(arrays[name])));
  const numbers = ["weight", "posWeight", "gradOutput"].map((name) => Math.abs(Number(options[name] ?? 1)));
  const smallest = finite(arrays.weight).filter((weight) => weight > 0);
  const divisor = Math.min(
    1,
    Number(options.normalizer ?? 1),
    smallest.reduce((a, b) => Math.min(a, b), 1),
  );
  return [...arraysOf, ...numbers].reduce((product, factor) => product * Math.max(1, factor), 1 / divisor);
}

function boundsOf(call: Call): Bounds {
  const { classes, inner, outer } = sizesOf(call.layout);
  const exponentials = (1 + outer * inner * classes) * largestFactor(call);
  if (resultKind(call) === "float32") return float32Bounds(exponentials * 2 ** -126);
  const cap = Number(call.options.softcap ?? 0);
  const steepest = cap > 0 ? largest(finite(subjectOf(call)[1])) / cap : 0;
  return float64Bounds(exponentials * 2 ** -1022, cap, steepest);
}

function valuesOf({ arrays, name }: Call, key: string): readonly number[] {
  const array = arrays[key];
  if (array === undefined) throw new Error(`${name}: expected ${key}`);
  return array.values;
}

function isSoftmax(name: string): name is SoftmaxFunction {
  return softmaxFunctions.some((other) => other === name);
}

function isBackward(name: string): name is BackwardFunction {
  return backwardFunctions.some((other) => other === name);
}

function lossOf(name: string): LossFunction {
  const loss = lossFunctions.find((loss) => name === loss || name === `${loss}WithGrad`);
  if (loss === undefined) throw new Error(`expected a function of the package, got ${name}`);
  return loss;
}

/** The options of a loss as the oracle takes them: arrays as their values. */
function optionsOf({ arrays, options }: Call): AllOptions {
  const given = ["weight", "posWeight", "gradOutput"].filter((name) => name in arrays);
  return { ...options, ...Object.fromEntries(given.map((name) => [name, arrays[name]?.values])) };
}

export function wantedOf(call: Call): Wanted[] {
  const { name, layout, arrays } = call;
  const bounds = boundsOf(call);
  if (isSoftmax(name)) {
    const bound = name === "softmax" ? bounds.probability : bounds.logarithm;
    return [{ part: "result", exact: exactSoftmax(name, valuesOf(call, "x"), layout), bound }];
  }
  const [key, subject] = subjectOf(call);
  if (isBackward(name)) {
    const exact = exactBackward(name, valuesOf(call, "gradOutput"), valuesOf(call, key), layout);
    return [{ part: "result", exact, bound: bounds.gradient }];
  }
  const targets = arrays.targets ?? arrays.p;
  if (targets === undefined) throw new Error(`${name}: expected targets`);
  const given = { subject: subject.values, targets: targets.values, soft: isFloats(targets) };
  const { loss, grad } = exactLoss(lossOf(name), given, layout, optionsOf(call));
  const lossBound = loss.isNumber ? bounds.reducedLoss : bounds.loss;
  if (!name.endsWith("WithGrad")) return [{ part: "result", exact: loss, bound: lossBound }];
  return [
    { part: "loss", exact: loss, bound: lossBound },
    { part: "grad", exact: grad, bound: bounds.gradient },
  ];
}

function isWithin(got: number, want: number, allowed: number): boolean {
  return Number.isFinite(want) ? Math.abs(got - want) <= allowed : Object.is(got, want);
}

/** Where one part of an outcome is not what is wanted. A number is not an array of one. */
export function missesOf(call: Call, { values }: Outcome, { part, exact, bound }: Wanted): Miss[] {
  const Kind = resultKind(call) === "float64" ? Float64Array : Float32Array;
  const got = values.get(part);
  const { values: want, sizes, isNumber } = exact;
  const isRight = isNumber ? typeof got === "number" : got instanceof Kind && got.length === want.length;
  if (!isRight || got === undefined) {
    return [{ part, index: 0, got, want: isNumber ? "a number" : `a ${Kind.name} of ${want.length}` }];
  }
  const all = typeof got === "number" ? [got] : got;
  const misses: Miss[] = [];
  for (let index = 0; index < want.length; index++) {
    const exact = at(want, index);
    const allowed = bound(exact, at(sizes, index));
    if (!isWithin(at(all, index), exact, allowed)) misses.push({ part, index, got: all[index], want: exact, allowed });
  }
  return misses;
}

export function judge(call: Call, outcome: Outcome): Miss[] {
  return wantedOf(call).flatMap((wanted) => missesOf(call, outcome, wanted));
}
