/**
 * The built package as a page imports it: the same bits in every engine, and no WebAssembly where it is forbidden. Bun
 * stands in for Safari, whose engine it has.
 */

import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { before, describe, it } from "node:test";
import { createCore } from "../../dist/index.js";
import { browsers, find } from "../../scripts/browsers.js";
import { openTab } from "../../scripts/tab.js";
import { report } from "./workload.js";

const PAGE = "test/browser/page.html";

/** What a page says of these backends that is served with these headers. */
async function visit(command, browser, backends, headers) {
  const query = backends.map((backend) => `backend=${backend}`).join("&");
  const tab = await openTab(command, browser, `${PAGE}?${query}`, headers);
  await tab.close();
  return JSON.parse(tab.greeting);
}

function assertClose(actual, expected) {
  for (const [name, loss] of Object.entries(expected)) {
    const [a, e] = [Number(actual[name]), Number(loss)];
    ok(Object.is(a, e) || Math.abs(a - e) <= 1e-6 * Math.abs(e), `${name}: ${a}, expected ${e}`);
  }
}

/** Compares backends and the digests of the results that are asked for, and says which of them differ. */
function assertSame(actual, expected) {
  strictEqual(actual.backend, expected.backend);
  const names = Object.keys(expected.digests);
  deepStrictEqual(Object.keys(actual.digests), names);
  ok(names.length > 0);
  deepStrictEqual(
    names.filter((name) => actual.digests[name] !== expected.digests[name]),
    [],
  );
}

const strict = await report(createCore, "wasm-simd");
const relaxed = await report(createCore, "wasm-relaxed-simd").catch((error) => ({ error: error.message }));

const bun = find({ commands: ["bun"] });

describe(`Bun ${bun?.version ?? ""}`, { skip: bun ? false : "Bun is not installed" }, () => {
  it("has Node's bits on wasm-simd", () => {
    const printed = execFileSync(bun.command, ["test/browser/print.js"], { encoding: "utf8", maxBuffer: 2 ** 24 });
    assertSame(JSON.parse(printed), strict);
  });
});

for (const [name, browser] of Object.entries(browsers)) {
  const found = find(browser);
  const skip = found ? false : `${name} is not installed`;

  describe(found?.version ?? name, { skip }, () => {
    let reports;
    before(async () => {
      reports = await visit(found.command, browser, ["auto", "wasm-simd", "js"]);
    });

    it("has a backend on WebAssembly by itself", () => {
      match(reports.auto.backend, /^wasm-/);
    });

    it("has Node's bits on wasm-simd", () => {
      assertSame(reports["wasm-simd"], strict);
    });

    // Its multiply-adds are fused wherever it runs, and it uses nothing else that engines may do as they like.
    it("has Node's bits on wasm-relaxed-simd", { skip: relaxed.error }, (test) => {
      if (reports.auto.backend !== relaxed.backend) test.skip(`auto is ${reports.auto.backend} there`);
      else assertSame(reports.auto, relaxed);
    });

    it("has the losses of wasm-simd on every backend", () => {
      for (const backend of ["auto", "js"]) assertClose(reports[backend].losses, strict.losses);
    });

    it("has plain TypeScript where the page may not compile", async () => {
      const policy = "script-src 'self' 'nonce-page'";
      const forbidden = await visit(found.command, browser, ["auto", "wasm-simd"], {
        "content-security-policy": policy,
      });
      assertSame(forbidden.auto, reports.js);
      match(forbidden["wasm-simd"].error, /CompileError/);
    });
  });
}
