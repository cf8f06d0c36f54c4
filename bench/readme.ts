import { readFileSync, writeFileSync } from "node:fs";

const START = "<!-- bench:start -->";
const END = "<!-- bench:end -->";

/** Finds the README's table before anything is measured, and returns what replaces it. */
export function openTable(): (table: string) => void {
  const readme = new URL("../README.md", import.meta.url);
  const text = readFileSync(readme, "utf8");
  replaceTable(text, "");
  return (table) => writeFileSync(readme, replaceTable(text, table));
}

/** Puts `table` between the two marks, in place of what stands there. */
export function replaceTable(text: string, table: string): string {
  const start = text.indexOf(START);
  const end = text.indexOf(END, start);
  if (start < 0 || end < 0) throw new Error(`README.md has no place for the table: ${START} … ${END}`);
  return `${text.slice(0, start + START.length)}\n${table}\n${text.slice(end)}`;
}
