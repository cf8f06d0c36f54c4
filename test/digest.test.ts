/** The bits of all results: the same in every engine, and from one version to the next unless somebody means it. */

import { expect, test } from "vitest";
import { createCore } from "../src/index.js";
import { digest } from "./digest.js";

/** What `npm run digest` prints, in whatever engine. */
const STRICT = "d2d7a00721c4df9265c2d7b550a3bcbcbdfab942a636e2799e5d20fcbb798aa3";

test("the results of wasm-simd have the bits that they had", () => {
  const core = createCore({ backend: "wasm-simd" });
  expect(digest(core)).toBe(STRICT);
  core.dispose();
});
