/**
 * What a kind of numbers, a layout and an option cost: each call beside the plain one of the same size, in turns.
 *
 *   npm run bench:forms -- [--quick] [--record]
 *
 * `--record` keeps the run in `forms.json` and renews the table in the README.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type CrossEntropyGradOptions, createCore, type SoftTargets, type TensorLike } from "surprisal";
import { cells, millions, times } from "./format.js";
import { makeInputs } from "./inputs.js";
import { measure, type Timed, timed } from "./measure.js";
import { openSection } from "./readme.js";
import { describeMachine, ratio } from "./record.js";
import { median, rounded } from "./statistics.js";

const { values: options } = parseArgs({
  options: { quick: { type: "boolean", default: false }, record: { type: "boolean", default: false } },
});
const writeTable = options.record ? openSection("forms") : undefined;
const plan = options.quick ? { rounds: 3, turn: 20 } : { rounds: 15, turn: 60 };

const SHAPES = [
  [8192, 10],
  [4096, 100],
  [1024, 1000],
  [128, 32000],
] as const;
const PLAIN = "float32, arrays";
/** How many rows lie side by side where the classes are the second axis. */
const INNER = 64;

interface Form extends Timed {
  readonly name: string;
}

interface Row {
  readonly rows: number;
  readonly classes: number;
  readonly form: string;
  readonly call: "loss" | "loss, gradient";
  readonly logitsPerSecond: number;
  /** How many times as fast as the plain call. */
  readonly factor: number;
}

const core = createCore();

/** The upper half of each float32. */
function toBfloat16(values: Float32Array): Uint16Array {
  return Uint16Array.from(new Uint32Array(values.buffer, values.byteOffset, values.length), (bits) => bits >>> 16);
}

/** Of what is normal and in range, which these inputs are. */
function toFloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(words, (bits) => {
    const magnitude = bits & 0x7fffffff;
    const half = magnitude < 0x38800000 ? 0 : (magnitude - 0x38000000) >>> 13;
    return ((bits >>> 16) & 0x8000) | half;
  });
}

function formsOf(rows: number, classes: number, withGrad: boolean): Form[] {
  const { logits, targets } = makeInputs(rows, classes);
  const shape = [rows, classes];
  const outer = rows / INNER;
  const grad = new Float32Array(logits.length);
  const grad64 = new Float64Array(logits.length);
  const float64 = Float64Array.from(logits);
  const weight = Float32Array.from({ length: classes }, (_, c) => 0.5 + (c % 7) / 4);
  const soft = Float32Array.from(logits, (_, i) =>
    i % classes === targets[Math.floor(i / classes)] ? 0.9 : 0.1 / classes,
  );
  const tensor = core.tensor(shape);
  tensor.data.set(logits);
  const out = core.tensor(shape);

  const form = (
    name: string,
    x: Float32Array | Float64Array | TensorLike,
    y: Int32Array | SoftTargets,
    given: Omit<CrossEntropyGradOptions, "reduction"> = {},
  ): Form => {
    const { out: place = grad, ...forward } = given;
    return {
      name,
      ...timed(() =>
        withGrad ? core.crossEntropyWithGrad(x, y, { ...given, out: place }).loss : core.crossEntropy(x, y, forward),
      ),
    };
  };
  const half = (dtype: string, data: Uint16Array): TensorLike & { readonly dtype: string } => ({ data, shape, dtype });

  return [
    form(PLAIN, logits, targets),
    form("float32, tensors", tensor, targets, { out }),
    form("float16", half("float16", toFloat16(logits)), targets),
    form("bfloat16", half("bfloat16", toBfloat16(logits)), targets),
    form("float64", float64, targets, { out: grad64 }),
    form(
      "`axis: 1`, tensors",
      { data: tensor.data, shape: [outer, classes, INNER] },
      { data: targets, shape: [outer, INNER] },
      {
        axis: 1,
        out,
      },
    ),
    form("`weight`", logits, targets, { weight }),
    form("`labelSmoothing`", logits, targets, { labelSmoothing: 0.1 }),
    form("`zLoss`", logits, targets, { zLoss: 1e-4 }),
    form("`weight`, `labelSmoothing`", logits, targets, { weight, labelSmoothing: 0.1 }),
    form("`softcap`", logits, targets, { softcap: 30 }),
    form("soft targets", logits, soft, { shape }),
  ];
}

const results: Row[] = [];
for (const [rows, classes] of SHAPES) {
  for (const call of ["loss", "loss, gradient"] as const) {
    const forms = formsOf(rows, classes, call !== "loss");
    const measured = await measure(forms, plan);
    const [plain] = forms;
    for (const [form, own] of measured) {
      const factor = rounded(ratio((plain && measured.get(plain)) ?? [], own));
      const logitsPerSecond = rounded((rows * classes * 1e9) / median(own));
      results.push({ rows, classes, form: form.name, call, logitsPerSecond, factor });
      console.log(
        `${rows}x${classes} ${call}: ${form.name.padEnd(28)} ${times(factor)}  ${millions(logitsPerSecond)} M/s`,
      );
    }
  }
}
core.dispose();

if (writeTable) {
  const run = { ...describeMachine(), backend: core.backend, rounds: plan.rounds, rows: results };
  writeFileSync(new URL("forms.json", import.meta.url), `${JSON.stringify(run, null, 2)}\n`);
  const names = [...new Set(results.map(({ form }) => form))];
  const columns = SHAPES.flatMap(([rows, classes]) =>
    (["loss", "loss, gradient"] as const).map((call) => ({ rows, classes, call })),
  );
  const table = names.map((name) =>
    cells([
      name,
      ...columns.map(({ rows, classes, call }) => {
        const row = results.find(
          (each) => each.form === name && each.rows === rows && each.classes === classes && each.call === call,
        );
        return row === undefined ? "" : name === PLAIN ? `${millions(row.logitsPerSecond)} M/s` : times(row.factor);
      }),
    ]),
  );
  writeTable(
    [
      cells([
        "",
        ...columns.map(({ rows, classes, call }) => `${rows} × ${classes}${call === "loss" ? "" : ", gradient"}`),
      ]),
      cells(["---", ...columns.map(() => "---:")]),
      ...table,
      "",
      `How many times as fast as the call of the first line, \`${core.backend}\`; gradients go to an \`out\`. ${run.cpu}, Node ${run.node}, ${run.date}:`,
      "`npm run bench:forms -- --record`.",
    ].join("\n"),
  );
}
