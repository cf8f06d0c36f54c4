/** The examples of the README and of the doc comments print what the comments beside them say. */

import { readdirSync, readFileSync } from "node:fs";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import * as surprisal from "../src/index.js";

interface Example {
  readonly place: string;
  readonly code: string;
}

function readmeExamples(): Example[] {
  const text = readFileSync("README.md", "utf8");
  return [...text.matchAll(/^```js\n(.*?)^```/gms)].map(([, code = ""], i) => ({ place: `README.md, ${i + 1}`, code }));
}

function docExamples(): Example[] {
  const files = readdirSync("src").filter((file) => file !== "binaries.ts");
  return files.flatMap((file) => {
    const text = readFileSync(`src/${file}`, "utf8");
    const blocks = [...text.matchAll(/@example\n(.*?)\*\/\nexport \w+ (\w+)/gs)];
    return blocks.map(([, code = "", name]) => ({ place: `src/${file}, ${name}`, code: code.replace(/^ \* ?/gm, "") }));
  });
}

/** Runs an example with the package's exports in scope, and returns what it printed, line by line. */
function printed(code: string): string[] {
  const lines: string[] = [];
  const print = {
    log: (...values: unknown[]) =>
      lines.push(values.map((value) => inspect(value, { breakLength: Number.POSITIVE_INFINITY })).join(" ")),
  };
  const body = code.replace(/^import .* from "surprisal";$/gm, "");
  new Function("console", ...Object.keys(surprisal), `"use strict"; ${body}`)(print, ...Object.values(surprisal));
  return lines;
}

/** What an example says it prints: the comments behind its console.log lines. */
function promised(code: string): string[] {
  return [...code.matchAll(/console\.log\(.*\); +\/\/ (.*)$/gm)].map(([, line = ""]) => line);
}

const NUMBER = /-?\d+(?:\.(\d+))?(?:e([+-]\d+))?/g;

/** The text with its numbers left out, and the numbers with half a unit of their last digit shown. */
function taken(line: string) {
  const numbers = [...line.matchAll(NUMBER)].map(([text, decimals = "", exponent = "0"]) => ({
    value: Number(text),
    half: 0.51 * 10 ** (Number(exponent) - decimals.length),
  }));
  return { text: line.replace(NUMBER, "#").replace(/['"]/g, ""), numbers };
}

function expectPrinted(got: string, want: string): void {
  const a = taken(got);
  const b = taken(want);
  expect(a.text, `${got} for ${want}`).toBe(b.text);
  b.numbers.forEach(({ value, half }, i) => {
    expect(Math.abs(Number(a.numbers[i]?.value) - value), `${got} for ${want}`).toBeLessThanOrEqual(half);
  });
}

describe("examples", () => {
  const examples = [...readmeExamples(), ...docExamples()];

  it("are there: in the README, and at every exported function", () => {
    const places = examples.map(({ place }) => place);
    expect(places).toContain("README.md, 1");
    for (const [name, value] of Object.entries(surprisal)) {
      if (typeof value === "function" && name !== "CrossCheckError") {
        expect(
          places.some((place) => place.endsWith(`, ${name}`)),
          name,
        ).toBe(true);
      }
    }
  });

  it.each(examples)("$place", ({ code }) => {
    const want = promised(code);
    expect(want.length).toBeGreaterThan(0);
    const got = printed(code);
    expect(got).toHaveLength(want.length);
    for (const [i, line] of got.entries()) expectPrinted(line, String(want[i]));
  });
});
