/** The bits of all results: the same in every engine, and from one version to the next unless somebody means it. */

import { expect, test } from "vitest";
import { createCore } from "../src/index.js";
import { digest } from "./digest.js";

/** What `npm run digest` prints, in whatever engine. */
const STRICT = "182e1dc64056419aafce7f7e12baabc4eb8f9d28a7376ddf5aac6897e71e0a79";

test("the results of wasm-simd have the bits that they had", () => {
  const core = createCore({ backend: "wasm-simd" });
  expect(digest(core)).toBe(STRICT);
  core.dispose();
});
