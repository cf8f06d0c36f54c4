import { millions } from "../format.js";
import type { Row } from "../record.js";
import { casesOf, LABELS } from "../report.js";
import { type Run, type Series, seriesOf } from "./report.js";

const TITLE = "Millions of logits a second on one thread, by result and shape";
const KINDS: { readonly [K in Series["kind"]]: string } = {
  own: "surprisal",
  native: "native code",
  script: "other JavaScript",
};

const LABEL_WIDTH = 142;
const PANEL_WIDTH = 136;
const BAR_WIDTH = 84;
const LINE = 16;
const BAR = 11;
const MARGIN = 14;

/** The reader's preference, ground included, so that it is legible on a page of either kind. */
const STYLE = `
  svg { font: 11px system-ui, sans-serif }
  svg { --ground: #fff; --text: #1f2328; --own: #0969da; --native: #9a6700; --script: #8c959f }
  @media (prefers-color-scheme: dark) {
    svg { --ground: #0d1117; --text: #d1d7e0; --own: #4493f8; --native: #d29922; --script: #6e7681 }
  }
  .ground { fill: var(--ground) } .own { fill: var(--own) } .native { fill: var(--native) } .script { fill: var(--script) }
  text { fill: var(--text) } .strong { font-weight: 600 } .end { text-anchor: end }
`;

/** A panel of bars for each result and shape; the longest is that of the fastest there. */
export function drawChart(run: Run): string {
  const series = seriesOf(run);
  const cases = casesOf(run.rows);
  const shapes = [...new Set(cases.map(shapeOf))];
  const calls = [...new Set(cases.flatMap(([row]) => row?.call ?? []))];
  const head = MARGIN + 2 * LINE;
  const block = (series.length + 1) * LINE + MARGIN;
  const width = LABEL_WIDTH + shapes.length * PANEL_WIDTH + MARGIN;
  const height = head + calls.length * block;

  const key = Object.entries(KINDS).flatMap(([kind, name], place) => {
    const x = LABEL_WIDTH + (shapes.length - 3 + place) * PANEL_WIDTH;
    return [bar(x, MARGIN, BAR, kind), text(x + BAR + 4, MARGIN, name)];
  });
  const blocks = calls.flatMap((call, place) => {
    const y = head + place * block;
    return [
      text(LABEL_WIDTH - 8, y, LABELS[call], "strong end"),
      ...series.map(({ label }, line) => text(LABEL_WIDTH - 8, y + (line + 1) * LINE, label, "end")),
      ...shapes.flatMap((shape, column) => {
        const rows = cases.find((each) => shapeOf(each) === shape && each[0]?.call === call) ?? [];
        return drawPanel(shape, series, rows, LABEL_WIDTH + column * PANEL_WIDTH, y);
      }),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${TITLE}</title>`,
    `<style>${STYLE}</style>`,
    `<rect class="ground" width="100%" height="100%" rx="6"/>`,
    text(MARGIN, MARGIN, TITLE, "strong"),
    ...key,
    ...blocks,
    "</svg>\n",
  ].join("\n");
}

function drawPanel(shape: string, series: readonly Series[], rows: readonly Row[], x: number, y: number): string[] {
  const speeds = series.map(({ find }) => find(rows)?.logitsPerSecond ?? 0);
  const most = Math.max(...speeds);
  const bars = series.flatMap(({ kind }, line) => {
    const speed = speeds[line] ?? 0;
    if (speed === 0) return [];
    const top = y + (line + 1) * LINE;
    const length = Math.max(1, (speed / most) * BAR_WIDTH);
    return [bar(x, top, length, kind), text(x + length + 4, top, millions(speed), speed === most ? "strong" : "")];
  });
  return [text(x, y, shape, "strong"), ...bars];
}

function shapeOf([row]: readonly Row[]): string {
  return row ? `${row.rows} × ${row.classes}` : "";
}

function bar(x: number, y: number, length: number, kind: string): string {
  return `<rect class="${kind}" x="${x}" y="${y + 1}" width="${length.toFixed(1)}" height="${BAR}"/>`;
}

function text(x: number, y: number, content: string, kind = ""): string {
  return `<text x="${x.toFixed(1)}" y="${y + BAR}"${kind && ` class="${kind}"`}>${content}</text>`;
}
