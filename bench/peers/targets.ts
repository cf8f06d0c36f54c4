import { type Call, type Contender, type Memory, PLAIN } from "../contenders.js";
import { times as factor } from "../format.js";
import { baselineOf, ratio } from "../record.js";
import { LABELS } from "../report.js";

/** What was measured of one call on one shape. */
export interface Case {
  /** As `8192x10`. */
  readonly shape: string;
  readonly call: Call;
  readonly times: ReadonlyMap<Contender, readonly number[]>;
}

const PYTORCH = "PyTorch";
const WEB = "ONNX Runtime Web";
const TENSORFLOW = "TensorFlow.js wasm";
const RELAXED = "wasm-relaxed-simd";
const STRICT = "wasm-simd";
const MANY_CLASSES = ["1024x1000", "128x32000"];

/** How many times as fast as each of the others a call is to be. */
type Target = readonly [Call, string, Memory, readonly string[], Readonly<Record<string, number>>];

const TARGETS: readonly Target[] = [
  ["crossEntropy", RELAXED, "tensor", MANY_CLASSES, { [PYTORCH]: 2, [PLAIN]: 28, [WEB]: 9, [TENSORFLOW]: 14 }],
  [
    "crossEntropyWithGrad",
    RELAXED,
    "tensor",
    MANY_CLASSES,
    { [PYTORCH]: 3.5, [PLAIN]: 24, [WEB]: 9, [TENSORFLOW]: 14 },
  ],
  ["crossEntropy", RELAXED, "array", MANY_CLASSES, { [PYTORCH]: 1.6, [PLAIN]: 22 }],
  ["crossEntropyWithGrad", RELAXED, "out", MANY_CLASSES, { [PYTORCH]: 2.5, [PLAIN]: 15 }],
  ["crossEntropy", RELAXED, "tensor", ["4096x100"], { [PYTORCH]: 2.2 }],
  ["crossEntropyWithGrad", RELAXED, "tensor", ["4096x100"], { [PYTORCH]: 4 }],
  ["crossEntropy", RELAXED, "tensor", ["8192x10"], { [PYTORCH]: 8, [PLAIN]: 15 }],
  ["crossEntropyWithGrad", RELAXED, "tensor", ["8192x10"], { [PYTORCH]: 10, [PLAIN]: 12 }],
  ["crossEntropy", STRICT, "tensor", MANY_CLASSES, { [PYTORCH]: 1.2, [PLAIN]: 16 }],
  ["crossEntropyWithGrad", STRICT, "tensor", MANY_CLASSES, { [PYTORCH]: 2.4, [PLAIN]: 14 }],
  ["logSoftmax", RELAXED, "tensor", MANY_CLASSES, { [PYTORCH]: 1.6, [WEB]: 9 }],
  ["softmax", RELAXED, "tensor", MANY_CLASSES, { [PYTORCH]: 1.6 }],
  ["crossEntropy", RELAXED, "array", ["1x10"], { [PLAIN]: 1 }],
  ["crossEntropyWithGrad", RELAXED, "out", ["1x10"], { [PLAIN]: 1 }],
  ["crossEntropy", RELAXED, "array", ["32x10"], { [PLAIN]: 3 }],
  ["crossEntropyWithGrad", RELAXED, "out", ["32x10"], { [PLAIN]: 3 }],
];

/** A line a target on a shape that was measured: what is to be reached, and what was. */
export function formatTargets(cases: readonly Case[]): string {
  const lines = TARGETS.flatMap(([call, implementation, memory, shapes, least]) =>
    cases
      .filter((each) => each.call === call && shapes.includes(each.shape))
      .flatMap(({ shape, times }) =>
        Object.entries(least).map(([other, target]) => {
          const reached = ratioOf(times, implementation, memory, other);
          const verdict = reached === undefined ? "not measured" : reached >= target ? "met" : "not met";
          return [
            `  ${verdict}`.padEnd(16),
            (reached === undefined ? "" : factor(reached)).padStart(7),
            ` of ${target}×`.padEnd(10),
            `${shape}  ${LABELS[call]}, ${implementation}, ${memory}`.padEnd(56),
            `beside ${other}`,
          ].join("");
        }),
      ),
  );
  return ["Targets", ...lines].join("\n");
}

function ratioOf(times: Case["times"], implementation: string, memory: Memory, other: string): number | undefined {
  const contenders = [...times.keys()];
  const own = contenders.find((each) => each.implementation === implementation && each.memory === memory);
  if (own === undefined) return undefined;
  const beside =
    other === PLAIN ? baselineOf(own, contenders) : contenders.find((each) => each.implementation === other);
  const [ownTimes, otherTimes] = [times.get(own), beside && times.get(beside)];
  return ownTimes && otherTimes && ratio(otherTimes, ownTimes);
}
