/** The examples of the README and of the doc comments print what the comments beside them say. */

import { readdirSync, readFileSync } from "node:fs";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import * as surprisal from "../src/index.js";
import * as information from "../src/information.js";

interface Example {
  readonly place: string;
  readonly code: string;
  /** The exports that it finds in scope. */
  readonly scope: object;
}

function readmeExamples(): Example[] {
  const text = readFileSync("README.md", "utf8");
  const blocks = [...text.matchAll(/^```js\n(.*?)^```/gms)];
  return blocks.map(([, code = ""], i) => ({ place: `README.md, ${i + 1}`, code, scope: surprisal }));
}

function docExamples(): Example[] {
  const files = readdirSync("src").filter((file) => file !== "binaries.ts");
  return files.flatMap((file) => {
    const text = readFileSync(`src/${file}`, "utf8");
    const scope = file === "information.ts" ? information : surprisal;
    const blocks = [...text.matchAll(/@example\n(.*?)\*\/\nexport \w+ (\w+)/gs)];
    return blocks.map(([, code = "", name]) => ({
      place: `src/${file}, ${name}`,
      code: code.replace(/^ \* ?/gm, ""),
      scope,
    }));
  });
}

/** Runs an example with its scope, and returns what it printed, line by line. */
function printed({ code, scope }: Example): string[] {
  const lines: string[] = [];
  const print = {
    log: (...values: unknown[]) =>
      lines.push(values.map((value) => inspect(value, { breakLength: Number.POSITIVE_INFINITY })).join(" ")),
  };
  const body = code.replace(/^import .* from "surprisal";$/gm, "");
  new Function("console", ...Object.keys(scope), `"use strict"; ${body}`)(print, ...Object.values(scope));
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
    expect(examples.map(({ place }) => place)).toContain("README.md, 1");
    for (const exported of [surprisal, information]) {
      for (const [name, value] of Object.entries(exported)) {
        if (typeof value === "function" && name !== "CrossCheckError") {
          expect(
            examples.some(({ place, scope }) => scope === exported && place.endsWith(`, ${name}`)),
            name,
          ).toBe(true);
        }
      }
    }
  });

  it.each(examples)("$place", (example) => {
    const want = promised(example.code);
    expect(want.length).toBeGreaterThan(0);
    const got = printed(example);
    expect(got).toHaveLength(want.length);
    for (const [i, line] of got.entries()) expectPrinted(line, String(want[i]));
  });
});
