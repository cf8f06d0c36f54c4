/** A row of a Markdown table. */
export function cells(contents: readonly string[]): string {
  return `| ${contents.join(" | ")} |`;
}

/** Cut off rather than rounded: what is slower never reads 1.00. */
export function times(factor: number): string {
  const digits = factor < 10 ? 2 : 1;
  return `${(Math.floor(factor * 10 ** digits) / 10 ** digits).toFixed(digits)}×`;
}

export function millions(perSecond: number): string {
  return (perSecond / 1e6).toFixed(perSecond < 1e8 ? 1 : 0);
}

export function duration(nanoseconds: number): string {
  if (nanoseconds < 1e3) return `${nanoseconds.toPrecision(3)} ns`;
  if (nanoseconds < 1e6) return `${(nanoseconds / 1e3).toPrecision(3)} µs`;
  return `${(nanoseconds / 1e6).toPrecision(3)} ms`;
}
