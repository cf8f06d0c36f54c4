/** The bits of all results: the same in every engine, and from one version to the next unless somebody means it. */

import { expect, test } from "vitest";
import { createCore } from "../src/index.js";
import { digest } from "./digest.js";

/** What `npm run digest` prints, in whatever engine. */
const STRICT = "2f00727e45363b80275206491ba236c76f83c1b6c40ee712a8f0a2a411974c48";

test("the results of wasm-simd have the bits that they had", () => {
  const core = createCore({ backend: "wasm-simd" });
  expect(digest(core)).toBe(STRICT);
  core.dispose();
});
