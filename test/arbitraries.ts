/** Calls of the losses for fast-check: small, of round numbers, in any layout, kind and combination of options. */

import fc from "fast-check";
import type { ArrayArgument, Call, FloatKind, Span } from "./fuzz/call.js";
import { sizesOf } from "./oracle.js";

type Layout = Call["layout"];

const kinds = fc.constantFrom<FloatKind>("float32", "float64", "float16", "bfloat16");

/** Eighths of up to eight bits, to which a whole number can be added without rounding in every kind. */
const logits = fc.integer({ min: -120, max: 120 }).map((eighths) => eighths / 8);

const masses = fc.integer({ min: 0, max: 16 }).map((sixteenths) => sixteenths / 16);
const weights = fc.integer({ min: 1, max: 24 }).map((eighths) => eighths / 8);

const sizes = fc.record({
  outer: fc.integer({ min: 1, max: 4 }),
  classes: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 40 })),
  inner: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 20 })),
});

/** The class axis last, first or between. */
const layouts: fc.Arbitrary<Layout> = sizes.map(({ outer, classes, inner }) => {
  if (inner === 1) return { shape: [outer, classes] };
  return outer === 1 ? { shape: [classes, inner], axis: 0 } : { shape: [outer, classes, inner], axis: 1 };
});

function floats(kind: FloatKind, span: Span, values: readonly number[]): ArrayArgument {
  return { kind, span, form: "bare", values };
}

function arrayOf(value: fc.Arbitrary<number>, length: number): fc.Arbitrary<number[]> {
  return fc.array(value, { minLength: length, maxLength: length });
}

/** Options without the keys that are undefined. */
function present(options: Readonly<Record<string, number | string | undefined>>): Record<string, number | string> {
  return Object.fromEntries(
    Object.entries(options).filter((entry): entry is [string, number | string] => entry[1] !== undefined),
  );
}

const classOptions = fc.record({
  reduction: fc.constantFrom("mean", "sum", "none"),
  labelSmoothing: fc.option(fc.constantFrom(0.1, 0.5, 1), { nil: undefined }),
});

/** Calls of crossEntropyWithGrad with class targets, some of which may be ignored. */
export const classCalls: fc.Arbitrary<Call> = fc
  .record({ layout: layouts, kind: kinds, options: classOptions, isWeighted: fc.boolean() })
  .chain(({ layout, kind, options, isWeighted }) => {
    const { outer, classes, inner } = sizesOf(layout);
    return fc
      .record({
        x: arrayOf(logits, outer * classes * inner),
        targets: arrayOf(fc.oneof({ weight: 5, arbitrary: fc.nat(classes - 1) }, fc.constant(-100)), outer * inner),
        weight: arrayOf(weights, classes),
      })
      .map(
        ({ x, targets, weight }): Call => ({
          name: "crossEntropyWithGrad",
          layout,
          withShape: true,
          arrays: {
            logits: floats(kind, "elements", x),
            targets: { kind: "Int32Array", span: "rows", form: "bare", values: targets },
            ...(isWeighted && { weight: floats("float32", "classes", weight) }),
          },
          options: present(options),
          out: "fresh",
        }),
      );
  });

/** Calls of crossEntropyWithGrad with a mass for every class. */
export const softCalls: fc.Arbitrary<Call> = fc
  .record({ layout: layouts, kind: kinds, options: classOptions, isWeighted: fc.boolean() })
  .chain(({ layout, kind, options, isWeighted }) => {
    const { outer, classes, inner } = sizesOf(layout);
    const length = outer * classes * inner;
    return fc.record({ x: arrayOf(logits, length), y: arrayOf(masses, length), weight: arrayOf(weights, classes) }).map(
      ({ x, y, weight }): Call => ({
        name: "crossEntropyWithGrad",
        layout,
        withShape: true,
        arrays: {
          logits: floats(kind, "elements", x),
          targets: floats("float32", "elements", y),
          ...(isWeighted && { weight: floats("float32", "classes", weight) }),
        },
        options: present(options),
        out: "fresh",
      }),
    );
  });

/** Calls of all elementwise losses, with their gradients. */
export const elementCalls: fc.Arbitrary<Call> = fc
  .record({
    name: fc.constantFrom("binaryCrossEntropyWithGrad", "binaryCrossEntropyWithLogitsWithGrad", "klDivergenceWithGrad"),
    shape: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 }),
    kind: kinds,
    reduction: fc.constantFrom("mean", "sum", "none"),
  })
  .chain(({ name, shape, kind, reduction }) => {
    const length = shape.reduce((size, next) => size * next, 1);
    const isProbability = name === "binaryCrossEntropyWithGrad";
    const [first, second] =
      name === "klDivergenceWithGrad" ? ["logQ", "p"] : [isProbability ? "probs" : "logits", "targets"];
    return fc.record({ x: arrayOf(isProbability ? masses : logits, length), y: arrayOf(masses, length) }).map(
      ({ x, y }): Call => ({
        name,
        layout: { shape },
        withShape: true,
        arrays: { [first]: floats(kind, "elements", x), [second]: floats("float32", "elements", y) },
        options: { reduction },
        out: "fresh",
      }),
    );
  });
