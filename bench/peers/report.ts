import { type Memory, PLAIN } from "../contenders.js";
import { cells, millions } from "../format.js";
import type { Machine, Row } from "../record.js";
import { casesOf, formatMachine, LABELS } from "../report.js";
import type { Peer } from "./peer.js";

export interface Run extends Machine {
  /** The backend that `auto` takes here. */
  readonly auto: string;
  readonly rounds: number;
  readonly peers: readonly Pick<Peer, "implementation" | "version" | "terms">[];
  /** Who was not there, and why. */
  readonly absent: readonly string[];
  /** Who could not make a call, or came to something else, and was not timed there. */
  readonly failed: readonly string[];
  readonly rows: readonly Row[];
}

/** What stands side by side in the table and the picture. */
export interface Series {
  readonly label: string;
  readonly kind: "own" | "native" | "script";
  /** Its row of a case. */
  find(rows: readonly Row[]): Row | undefined;
}

const NATIVE = ["PyTorch", "ONNX Runtime native"];

export function seriesOf({ auto, peers }: Run): Series[] {
  const own = (label: string, backend: string, ...memories: Memory[]): Series => ({
    label,
    kind: "own",
    find: (rows) =>
      memories
        .map((memory) => rows.find((row) => row.implementation === backend && row.memory === memory))
        .find((row) => row !== undefined),
  });
  const others = [...peers.map(({ implementation }) => implementation), PLAIN];
  return [
    own("surprisal, tensors", auto, "tensor"),
    own("surprisal, arrays", auto, "out", "array"),
    ...(auto === "wasm-relaxed-simd" ? [own("surprisal, strict", "wasm-simd", "tensor")] : []),
    ...others.map(
      (label): Series => ({
        label,
        kind: NATIVE.includes(label) ? "native" : "script",
        find: (rows) => rows.findLast((row) => row.implementation === label),
      }),
    ),
  ];
}

/** The README's section: picture, table, and what they mean. */
export function formatMarkdown(run: Run): string {
  const series = seriesOf(run);
  const lines = casesOf(run.rows).map((rows) => {
    const [first] = rows;
    if (first === undefined) return "";
    const speeds = series.map(({ find }) => find(rows)?.logitsPerSecond);
    const fastest = Math.max(...speeds.map((speed) => speed ?? 0));
    return cells([
      `${first.rows} × ${first.classes}`,
      LABELS[first.call],
      ...speeds.map((speed) => {
        if (speed === undefined) return "";
        return speed === fastest ? `**${millions(speed)}**` : millions(speed);
      }),
    ]);
  });
  return [
    "![Millions of logits a second on one thread, by result and shape: the numbers of the table below](bench/peers/speed.svg)",
    "",
    cells(["logits", "result", ...series.map(({ label }) => label)]),
    cells(["---", "---", ...series.map(() => "---:")]),
    ...lines,
    "",
    "Millions of logits a second, on one thread; the fastest of a row is **bold**. Each is called in its own users' way, and",
    "has the inputs, and sessions or graphs, ready before:",
    "",
    `- surprisal, \`${run.auto}\` as \`auto\` takes it here: tensors, or arrays, with the result in \`out\`; strict is \`wasm-simd\``,
    "  with tensors",
    ...run.peers.map(({ implementation, version, terms }) => `- ${implementation} ${version}: ${terms}`),
    "- plain loops: arrays, with the result in one that is kept",
    ...run.absent.map((reason) => `- absent: ${reason}`),
    ...run.failed.map((reason) => `- left out: ${reason}`),
    "",
    `${formatMachine(run)}, ${run.date}: \`npm run bench:peers -- --record\`.`,
  ].join("\n");
}
