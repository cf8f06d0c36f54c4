import type { Call } from "../contenders.js";
import { cells, millions, times } from "../format.js";
import type { Machine } from "../record.js";
import { casesOf, formatMachine, LABELS } from "../report.js";
import type { Engine } from "./engine.js";

/** PyTorch or an engine, in one case. */
export interface Row {
  readonly rows: number;
  readonly classes: number;
  readonly call: Call;
  /** The name of an engine, or PyTorch. */
  readonly engine: string;
  /** What computes there; of PyTorch its mode. */
  readonly backend: string;
  readonly nanoseconds: number;
  readonly logitsPerSecond: number;
  /** Half the distance between the quartiles of the rounds, as a share of their median. */
  readonly spread: number;
  /** How many times as fast as PyTorch, where that is there. */
  readonly timesPyTorch?: number;
}

/** A whole run. */
export interface Run extends Machine {
  readonly rounds: number;
  /** The version of PyTorch, where that is there. */
  readonly pytorch?: string;
  readonly engines: readonly Pick<Engine, "name" | "version" | "backends" | "clock">[];
  /** Who was not there, and why. */
  readonly absent: readonly string[];
  readonly rows: readonly Row[];
}

export const PYTORCH = "PyTorch";
/** The mode that it is called in, in place of a backend. */
export const EAGER = "eager";

/** One case for the terminal: a line a contender, those slower than PyTorch marked. */
export function formatCase(rows: readonly Row[]): string {
  const [first] = rows;
  if (first === undefined) return "";
  const head = [
    `${first.rows} x ${first.classes}  ${first.call}`.padEnd(38),
    "logits/s".padStart(10),
    "spread".padStart(8),
    "times PyTorch".padStart(15),
  ];
  const lines = rows.map(({ engine, backend, logitsPerSecond, spread, timesPyTorch }) =>
    [
      `  ${engine}, ${backend}`.padEnd(38),
      `${millions(logitsPerSecond)} M`.padStart(10),
      `±${(spread * 100).toFixed(1)}%`.padStart(8),
      (timesPyTorch === undefined ? "" : times(timesPyTorch)).padStart(15),
      timesPyTorch !== undefined && timesPyTorch < 1 ? "  slower" : "",
    ].join(""),
  );
  return [head.join(""), ...lines].join("\n");
}

/** The README's section: a row a case, PyTorch and the engines beside each other. */
export function formatMarkdown(run: Run): string {
  const { engines, pytorch, absent } = run;
  const columns = [
    ...(pytorch === undefined ? [] : [{ label: PYTORCH, engine: PYTORCH, backend: EAGER }]),
    ...engines.flatMap(({ name, backends }) =>
      backends.map((backend, i) => ({ label: i === 0 ? name : `${name}, strict`, engine: name, backend })),
    ),
  ];
  const lines = casesOf(run.rows).map((rows) => {
    const [first] = rows;
    if (first === undefined) return "";
    const speeds = columns.map(({ engine, backend }) =>
      rows.find((row) => row.engine === engine && row.backend === backend),
    );
    return cells([`${first.rows} × ${first.classes}`, LABELS[first.call], ...speeds.map(speed)]);
  });
  return [
    cells(["logits", "result", ...columns.map(({ label }) => label)]),
    cells(["---", "---", ...columns.map(() => "---:")]),
    ...lines,
    "",
    ...caption(run),
    "",
    ...absent.map((reason) => `Absent is ${reason}.\n`),
    `${formatMachine(run)}, ${run.date}: \`npm run bench:browsers -- --record\`.`,
  ].join("\n");
}

function caption({ engines, pytorch }: Run): string[] {
  const where = engines.map(({ name, version, backends: [auto] }) => `${name} ${version} (\`${auto}\`)`).join(", ");
  return [
    "Millions of logits a second on one thread, of tensors, with array results in an `out`, in",
    `${where}:`,
    "each on the backend that `auto` takes there; strict is `wasm-simd`.",
    ...(pytorch === undefined
      ? []
      : [
          `In brackets, how many times as fast as PyTorch ${pytorch} that is, **bold** where it is slower; PyTorch is called eagerly,`,
          "with the gradient by backward(), and allocates its results.",
        ]),
  ];
}

function speed(row: Row | undefined): string {
  if (row === undefined) return "";
  const { engine, logitsPerSecond, timesPyTorch } = row;
  if (timesPyTorch === undefined || engine === PYTORCH) return millions(logitsPerSecond);
  const factor = timesPyTorch < 1 ? `**${times(timesPyTorch)}**` : times(timesPyTorch);
  return `${millions(logitsPerSecond)} (${factor})`;
}
