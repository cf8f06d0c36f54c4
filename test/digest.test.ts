/** The bits of all results: the same in every engine, and from one version to the next unless somebody means it. */

import { expect, test } from "vitest";
import { createCore } from "../src/index.js";
import { digest } from "./digest.js";

/** What `npm run digest` prints, in whatever engine. */
const STRICT = "73ec6f20f2ffbd45e34f34f6dd0b0155f4691be9c4782d37ae9134809a11d864";

test("the results of wasm-simd have the bits that they had", () => {
  const core = createCore({ backend: "wasm-simd" });
  expect(digest(core)).toBe(STRICT);
  core.dispose();
});
