import { type Call, PLAIN } from "./contenders.js";
import { cells, duration, millions, times } from "./format.js";
import type { Machine, Row, Run } from "./record.js";
import type { Setup } from "./setup.js";

/** One case for the terminal: a line a contender, those slower than plain loops marked. */
export function formatCase(rows: readonly Row[]): string {
  const [first] = rows;
  if (first === undefined) return "";
  const head = [
    `${first.rows} x ${first.classes}  ${first.call}`.padEnd(38),
    "ns per call".padStart(14),
    "logits/s".padStart(10),
    "spread".padStart(8),
    "speed-up".padStart(10),
  ];
  const lines = rows.map((row) =>
    [
      `  ${row.implementation}, ${row.memory}`.padEnd(38),
      row.nanoseconds.toFixed(row.nanoseconds < 1000 ? 1 : 0).padStart(14),
      `${millions(row.logitsPerSecond)} M`.padStart(10),
      `±${(row.spread * 100).toFixed(1)}%`.padStart(8),
      times(row.speedUp).padStart(10),
      row.speedUp < 1 ? "  slower" : "",
    ].join(""),
  );
  return [head.join(""), ...lines].join("\n");
}

export function formatMachine({ cpu, node, v8, system }: Machine): string {
  return `${cpu}, Node ${node} (V8 ${v8}), ${system}`;
}

export function formatSetup({ importMs, firstCallMs, binaries, package: { packed, unpacked } }: Setup): string {
  const sizes = binaries.map(({ name, bytes, gzipped }) => `${name} ${bytes} bytes (${gzipped} gzipped)`).join(", ");
  const [call, both] = [firstCallMs.toFixed(1), (importMs + firstCallMs).toFixed(1)];
  const whole = `the package ${kilobytes(packed)} to download, ${kilobytes(unpacked)} installed`;
  return `Set-up in a fresh process: ${call} ms for the first call, ${both} ms with the import. Sizes: ${sizes}; ${whole}.`;
}

function kilobytes(bytes: number): string {
  return `${Math.round(bytes / 1000)} kB`;
}

/** The table for the README: a row a case, the speed-ups over plain loops beside each other. */
export function formatMarkdown(run: Run): string {
  const others = [...new Set(run.rows.map((row) => row.implementation))].filter(
    (name) => name !== PLAIN && name !== run.auto,
  );
  const lines = casesOf(run.rows).map((rows) => {
    const [first] = rows;
    if (first === undefined) return "";
    const reused = first.call === "crossEntropy" ? "array" : "out";
    const find = (implementation: string, memory: string): Row | undefined =>
      rows.find((row) => row.implementation === implementation && row.memory === memory);
    return cells([
      `${first.rows} × ${first.classes}`,
      LABELS[first.call],
      time(find(PLAIN, reused)),
      ...others.map((name) => speedUp(find(name, reused))),
      speedUp(find(run.auto, "array")),
      speedUp(find(run.auto, "out")),
      speedUp(find(run.auto, "tensor")),
      time(find(run.auto, "tensor")),
    ]);
  });
  return [
    cells(["logits", "result", PLAIN, ...others, "arrays", "arrays, `out`", "tensors", "time, tensors"]),
    cells(["---", "---", ...Array<string>(others.length + 5).fill("---:")]),
    ...lines,
    "",
    ...caption(run.auto, others),
    "",
    formatSetup(run.setup),
    "",
    `${formatMachine(run)}, one thread, ${run.date}:`,
    "`npm run bench -- --record`.",
  ].join("\n");
}

function caption(auto: string, others: readonly string[]): string[] {
  const rest = others.length > 0 ? `; ${others.join(" and ")} with arrays, and \`out\` for a gradient` : "";
  return [
    "Times are of one call. Factors say how many times as fast as plain loops a call is, **bold** where it is slower:",
    "where it allocates a gradient (arrays), beside loops that allocate one too, else beside loops that are given one,",
    `whose time is shown. The last four columns are \`${auto}\`, which \`auto\` takes here${rest}.`,
  ];
}

export const LABELS: { readonly [C in Call]: string } = {
  crossEntropy: "loss",
  crossEntropyWithGrad: "loss, gradient",
  logSoftmax: "log-softmax",
  softmax: "softmax",
};

/** The rows of each case. */
export function casesOf<R extends Pick<Row, "rows" | "classes" | "call">>(rows: readonly R[]): R[][] {
  const cases = new Map<string, R[]>();
  for (const row of rows) {
    const key = `${row.rows} ${row.classes} ${row.call}`;
    cases.set(key, [...(cases.get(key) ?? []), row]);
  }
  return [...cases.values()];
}

function speedUp(row: Row | undefined): string {
  if (row === undefined) return "";
  return row.speedUp < 1 ? `**${times(row.speedUp)}**` : times(row.speedUp);
}

function time(row: Row | undefined): string {
  return row === undefined ? "" : duration(row.nanoseconds);
}
