/** The bits of all results: the same in every engine, and from one version to the next unless somebody means it. */

import { expect, test } from "vitest";
import { createCore } from "../src/index.js";
import { digest } from "./digest.js";

/** What `npm run digest` prints, in whatever engine. */
const STRICT = "6e7af706c36fd6ed8baf1895cae501010881c1201f5cc41f9cf0329c55200df1";

test("the results of wasm-simd have the bits that they had", () => {
  const core = createCore({ backend: "wasm-simd" });
  expect(digest(core)).toBe(STRICT);
  core.dispose();
});
