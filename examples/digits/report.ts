import type { Timing } from "./backends.js";

/** One line a backend; the factors say how many times as fast as the pure-TypeScript one it is. */
export function formatTimings(timings: readonly Timing[], chosen: string, batches: number): string {
  const js = timings.find((timing) => timing.backend === "js");
  const unit = js && "milliseconds" in js ? js.milliseconds : Number.NaN;
  return timings
    .map((timing) => {
      const name = timing.backend.padEnd(18);
      if ("missing" in timing) return `  ${name} missing: ${timing.missing.replace(`${timing.backend}: `, "")}`;
      const perBatch = ((timing.milliseconds * 1000) / batches).toFixed(2).padStart(6);
      const speedUp = `${(unit / timing.milliseconds).toFixed(1)}x`.padStart(6);
      return `  ${name} ${perBatch} µs a batch ${speedUp}${timing.backend === chosen ? "  chosen by auto" : ""}`;
    })
    .join("\n");
}

/** The share of rows whose largest logit is that of their label. */
export function accuracy(logits: Float32Array, labels: Int32Array): number {
  const classes = logits.length / labels.length;
  const hits = labels.filter((label, row) => {
    const scores = logits.subarray(row * classes, (row + 1) * classes);
    return scores.indexOf(Math.max(...scores)) === label;
  });
  return hits.length / labels.length;
}
