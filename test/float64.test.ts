/** Float64 from end to end: 1e-14 of a result's terms, for every family of rows, long rows and many. */

import { expect, test } from "vitest";
import { describeBackends } from "./backends.js";
import type { Call } from "./fuzz/call.js";
import { missesOf, wantedOf } from "./fuzz/judge.js";
import { run } from "./fuzz/run.js";
import { batchOf, type FamilyName, familyNames, mulberry32, remembered, type Shape } from "./inputs.js";

const CLASS_COUNTS = [1, 2, 3, 5, 8, 13, 16, 17, 33, 64, 67, 130];

const SMALL: readonly Shape[] = CLASS_COUNTS.map((classes) => ({ rows: 19, classes }));

/** Where a sum of many terms that are rounded alike drifts. */
const LARGE: readonly Shape[] = [
  { rows: 1, classes: 1000 },
  { rows: 1, classes: 10_007 },
  { rows: 2003, classes: 10 },
  { rows: 10_007, classes: 2 },
];

/** Longer than the kernels of float64 take. */
const LONGEST: Shape = { rows: 1, classes: 2 ** 18 + 7 };

/** What a batch's rows are asked for; its logits with all the bits of a float64. */
function callsOf(family: FamilyName, shape: Shape): Call[] {
  const { rows, classes } = shape;
  const { logits, targets } = batchOf(family, shape);
  const random = mulberry32(classes);
  const floats = (values: readonly number[], span: "elements" | "classes" = "elements") =>
    ({ kind: "float64", span, form: "bare", values }) as const;
  const x = floats(family === "equal" ? Array.from(logits) : Array.from(logits, (x) => x * (1 + random() / 1e6)));
  const masses = floats(x.values.map(() => random()));
  const weight = floats(
    Array.from({ length: classes }, () => 3 * random()),
    "classes",
  );
  const labels = { kind: "Int32Array", span: "rows", form: "bare", values: Array.from(targets) } as const;
  const call = (name: Call["name"], arrays: Call["arrays"], options: Call["options"] = {}): Call => {
    return { name, layout: { shape: [rows, classes] }, withShape: true, arrays, options, out: "fresh" };
  };
  return [
    call("logSumExp", { x }),
    call("logSoftmax", { x }),
    call("softmax", { x }),
    call("crossEntropyWithGrad", { logits: x, targets: labels }),
    call("crossEntropyWithGrad", { logits: x, targets: labels, weight }, { labelSmoothing: 0.1 }),
    call("crossEntropyWithGrad", { logits: x, targets: masses, weight }),
    call("nllLoss", { logProbs: x, targets: labels }),
    call("binaryCrossEntropyWithLogitsWithGrad", { logits: x, targets: masses }),
    call("klDivergenceWithGrad", { logQ: x, p: masses }),
  ];
}

/** Calls and what is wanted of them, once for all backends. */
const preparedFor = remembered((family: FamilyName) =>
  remembered((shape: Shape) => callsOf(family, shape).map((call) => ({ call, wanted: wantedOf(call) }))),
);

describeBackends("float64", (core) => {
  const failuresOf = (family: FamilyName, shape: Shape): string[] =>
    preparedFor(family)(shape).flatMap(({ call, wanted }) => {
      const outcome = run(core, call);
      const [miss, ...more] = wanted.flatMap((part) => missesOf(call, outcome, part));
      if (miss === undefined) return [];
      const { part, index, got, want, allowed } = miss;
      const what = `${call.name} ${JSON.stringify(call.options)} of ${shape.rows}x${shape.classes}`;
      return [`${what}: ${part}[${index}]: got ${got}, want ${want}, give or take ${allowed}; ${more.length} more`];
    });

  test.each(familyNames)("is exact within 1e-14, %s", (family) => {
    expect(SMALL.flatMap((shape) => failuresOf(family, shape))).toEqual([]);
  });

  test.each(["flat", "equal", "normal"] as const)("is exact within 1e-14 in long rows and many, %s", (family) => {
    expect(LARGE.flatMap((shape) => failuresOf(family, shape))).toEqual([]);
  });

  test("is exact within 1e-14 in the longest rows", () => {
    expect(failuresOf("flat", LONGEST)).toEqual([]);
  });
});
