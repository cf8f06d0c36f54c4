/**
 * What holds of losses and gradients whatever the options, the kind of numbers and the layout. `laws.test.ts` has what
 * holds of plain float32, and `fuzz.test.ts` holds random calls to the oracle; here two calls are held to each other.
 */

import fc from "fast-check";
import { expect, test } from "vitest";
import type { Core } from "../src/index.js";
import { classCalls, elementCalls, softCalls } from "./arbitraries.js";
import { describeBackends } from "./backends.js";
import { type Call, isFloats, rounded, subjectOf } from "./fuzz/call.js";
import { type Wanted, wantedOf } from "./fuzz/judge.js";
import { type Part, run, type Value } from "./fuzz/run.js";
import { at, fromRows, type Numbers, sizesOf, sum, toRows } from "./oracle.js";

type Arrays = Call["arrays"];

/** The same properties of the same calls each time. */
const RUNS = { seed: 1, numRuns: 60 };

const anyCalls = fc.oneof(classCalls, softCalls);

function numbers(value: Value | undefined): Numbers {
  if (value === undefined) throw new Error("expected a result");
  return typeof value === "number" ? [value] : value;
}

/** The parts of what a core does of a call. */
function results(core: Core, call: Call): ReadonlyMap<Part, Numbers> {
  return new Map(Array.from(run(core, call).values, ([part, value]) => [part, numbers(value)]));
}

/** Where what should be the same differs by more than the roundings of both, whose bounds are those of the call. */
function differences(call: Call, got: ReadonlyMap<Part, Numbers>, want: ReadonlyMap<Part, Numbers>): string[] {
  return wantedOf(call).flatMap(({ part, exact, bound }: Wanted) => {
    const [one, other] = [got.get(part) ?? [], want.get(part) ?? []];
    if (one.length !== other.length) return [`${part}: ${one.length} values, and ${other.length}`];
    return Array.from(exact.values).flatMap((value, i) => {
      const [a, b] = [at(one, i), at(other, i)];
      const isClose = Number.isFinite(value)
        ? Math.abs(a - b) <= 2 * bound(value, at(exact.sizes, i))
        : Object.is(a, b);
      return isClose ? [] : [`${part}[${i}]: ${a}, and ${b}`];
    });
  });
}

/** With some of the arrays made anew from their values, which are in the order of the rows. */
function changed(call: Call, names: readonly string[], change: (rows: Numbers, name: string) => Numbers): Call {
  const arrays = Object.entries(call.arrays).map(([name, array]): [string, Arrays[string]] => {
    if (!names.includes(name) || !isFloats(array)) return [name, array];
    const isLaidOut = array.span === "elements";
    const rows = change(isLaidOut ? toRows(array.values, call.layout) : array.values, name);
    const values = Array.from(isLaidOut ? fromRows(rows, call.layout) : rows, (value) => rounded(array.kind, value));
    return [name, { ...array, values }];
  });
  return { ...call, arrays: Object.fromEntries(arrays) };
}

function withTargets(call: Call, map: (target: number) => number): Call {
  const { targets } = call.arrays;
  if (targets === undefined || isFloats(targets)) return call;
  return { ...call, arrays: { ...call.arrays, targets: { ...targets, values: targets.values.map(map) } } };
}

function withOptions(call: Call, options: Call["options"]): Call {
  return { ...call, options: { ...call.options, ...options } };
}

describeBackends("properties", (core) => {
  test("a whole number added to a row's logits changes nothing", () => {
    const property = fc.property(anyCalls, fc.integer({ min: -16, max: 16 }), (call, constant) => {
      const { classes } = sizesOf(call.layout);
      // Another number for each row.
      const moved = changed(call, ["logits"], (rows) =>
        Float64Array.from(rows, (x, i) => x + (Math.floor(i / classes) % 2 === 0 ? constant : -constant)),
      );
      expect(differences(call, results(core, moved), results(core, call))).toEqual([]);
    });
    fc.assert(property, RUNS);
  });

  test("classes in another order have their gradients in that order, and the same loss", () => {
    const property = fc.property(anyCalls, fc.nat(), fc.nat(), (call, step, start) => {
      const { classes } = sizesOf(call.layout);
      // Forwards or backwards from anywhere: class c moves to (start ± c) mod classes.
      const to = (c: number): number => (((start + (step % 2 === 0 ? c : -c)) % classes) + classes) % classes;
      const permuted = (rows: Numbers): Float64Array => {
        const result = new Float64Array(rows.length);
        for (let i = 0; i < rows.length; i++) result[i - (i % classes) + to(i % classes)] = at(rows, i);
        return result;
      };
      const moved = withTargets(changed(call, ["logits", "targets", "weight"], permuted), (target) =>
        target < 0 ? target : to(target),
      );
      const want = new Map(results(core, call));
      want.set("grad", fromRows(permuted(toRows(want.get("grad") ?? [], call.layout)), call.layout));
      expect(differences(moved, results(core, moved), want)).toEqual([]);
    });
    fc.assert(property, RUNS);
  });

  test("soft targets that are one class are that class", () => {
    const property = fc.property(classCalls, (call) => {
      const { classes } = sizesOf(call.layout);
      const one = withOptions(
        withTargets(call, (target) => Math.max(target, 0)),
        // A mean of soft targets is over rows, whatever their weights.
        call.options.reduction === "mean" ? { reduction: "sum" } : {},
      );
      const labels = one.arrays.targets?.values ?? [];
      const hot = Float64Array.from({ length: labels.length * classes }, (_, i) =>
        labels[Math.floor(i / classes)] === i % classes ? 1 : 0,
      );
      const values = Array.from(fromRows(hot, call.layout));
      const soft: Call = {
        ...one,
        arrays: { ...one.arrays, targets: { kind: "float32", span: "elements", form: "bare", values } },
      };
      expect(differences(one, results(core, soft), results(core, one))).toEqual([]);
    });
    fc.assert(property, RUNS);
  });

  test("the axis may be moved to the end with the data", () => {
    const property = fc.property(anyCalls, (call) => {
      const { layout } = call;
      const { outer, classes, inner } = sizesOf(layout);
      const arrays = Object.entries(call.arrays).map(([name, array]): [string, Arrays[string]] => [
        name,
        isFloats(array) && array.span === "elements"
          ? { ...array, values: Array.from(toRows(array.values, layout)) }
          : array,
      ]);
      const last: Call = { ...call, layout: { shape: [outer * inner, classes] }, arrays: Object.fromEntries(arrays) };
      const want = new Map(results(core, last));
      want.set("grad", fromRows(want.get("grad") ?? [], layout));
      expect(differences(call, results(core, call), want)).toEqual([]);
    });
    fc.assert(property, RUNS);
  });

  test("sum and mean are those of the losses one by one", () => {
    const property = fc.property(fc.oneof(anyCalls, elementCalls), (call) => {
      const none = results(core, withOptions(call, { reduction: "none" }));
      const total = results(core, withOptions(call, { reduction: "sum" }));
      const losses = none.get("loss") ?? [];
      const summed = new Map<Part, Numbers>([["loss", [sum(losses)]]]).set("grad", none.get("grad") ?? []);
      const ofSum = withOptions(call, { reduction: "sum" });
      expect(differences(ofSum, total, summed)).toEqual([]);
      // The sum divided by any number is the mean of which that is the normalizer.
      const mean = withOptions(call, { reduction: "mean", normalizer: 8 });
      const eighths = (values: Numbers): Float64Array => Float64Array.from(values, (value) => value / 8);
      const want = new Map(Array.from(total, ([part, values]) => [part, eighths(values)]));
      expect(differences(mean, results(core, mean), want)).toEqual([]);
    });
    fc.assert(property, RUNS);
  });

  test("the gradient is that of finite differences of the loss, in float64", () => {
    const STEP = 2 ** -12;
    const property = fc.property(
      fc.oneof(anyCalls, elementCalls),
      fc.constantFrom(0, 0.25),
      fc.boolean(),
      fc.nat(),
      (call, zLoss, isCapped, pick) => {
        const isOfClasses = call.name === "crossEntropyWithGrad";
        const [name, subject] = subjectOf(call);
        const { values } = subject;
        const options = isOfClasses ? { ...(zLoss > 0 && { zLoss }), ...(isCapped && { softcap: 20 }) } : {};
        const sized = withOptions(call, { ...options, reduction: "sum" });
        const i = pick % values.length;
        const at0 = at(values, i);
        // The logarithms of probabilities have no derivative to either side of 0 and 1.
        fc.pre(call.name !== "binaryCrossEntropyWithGrad" || (at0 > 0 && at0 < 1));
        const moved = (by: number): Call => ({
          ...sized,
          arrays: {
            ...sized.arrays,
            [name]: { ...subject, kind: "float64", values: values.with(i, at0 + by) },
          },
        });
        const loss = (by: number): number => at(results(core, moved(by)).get("loss") ?? [], 0);
        const slope = (8 * (loss(STEP) - loss(-STEP)) - (loss(2 * STEP) - loss(-2 * STEP))) / (12 * STEP);
        const derivative = at(results(core, moved(0)).get("grad") ?? [], i);
        // Five points leave the fifth derivative times step⁴ / 30, and the losses' roundings divided by the step.
        expect(Math.abs(slope - derivative)).toBeLessThan(1e-9 * (1 + Math.abs(loss(0))) + 1e-9 * Math.abs(derivative));
      },
    );
    fc.assert(property, { ...RUNS, numRuns: 200 });
  });

  test("rows do not see what stands in their neighbours, bit for bit", () => {
    const others = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 6e4, -6e4);
    const property = fc.property(anyCalls, fc.nat(), others, (call, pick, other) => {
      const { outer, classes, inner } = sizesOf(call.layout);
      const row = pick % (outer * inner);
      const one = withOptions(call, { reduction: "none" });
      const isOfRow = (i: number): boolean => Math.floor(i / classes) === row;
      const disturbed = changed(one, ["logits"], (rows) => Float64Array.from(rows, (x, i) => (isOfRow(i) ? x : other)));
      const ofRow = (values: ReadonlyMap<Part, Numbers>) => ({
        loss: values.get("loss")?.[row],
        grad: toRows(values.get("grad") ?? [], call.layout).filter((_, i) => isOfRow(i)),
      });
      expect(ofRow(results(core, disturbed))).toEqual(ofRow(results(core, one)));
    });
    fc.assert(property, RUNS);
  });

  test("elements do not see their neighbours, bit for bit", () => {
    const property = fc.property(elementCalls, fc.nat(), fc.constantFrom(0, 1), (call, pick, other) => {
      const none = withOptions(call, { reduction: "none" });
      const [name, { values }] = subjectOf(call);
      const i = pick % values.length;
      const disturbed = changed(none, [name], (all) => Float64Array.from(all, (x, j) => (i === j ? x : other)));
      const [got, want] = [results(core, disturbed), results(core, none)];
      expect([got.get("loss")?.[i], got.get("grad")?.[i]]).toEqual([want.get("loss")?.[i], want.get("grad")?.[i]]);
    });
    fc.assert(property, RUNS);
  });
});
