import { readFileSync, writeFileSync } from "node:fs";

/** Finds the README's section of that name before anything is measured, and returns what replaces it. */
export function openSection(name: string): (section: string) => void {
  const readme = new URL("../README.md", import.meta.url);
  const text = readFileSync(readme, "utf8");
  replaceSection(text, name, "");
  return (section) => writeFileSync(readme, replaceSection(text, name, section));
}

/** Puts `section` between the two marks of that name, in place of what stands there. */
function replaceSection(text: string, name: string, section: string): string {
  const [start, end] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`];
  const from = text.indexOf(start);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`README.md has no place for the results: ${start} … ${end}`);
  return `${text.slice(0, from + start.length)}\n${section}\n${text.slice(to)}`;
}
