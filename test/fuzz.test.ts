/** Random calls of every function, held to the oracle: the same few each time. `npm run fuzz` runs others, and more. */

import { expect, test } from "vitest";
import { availableBackends } from "./backends.js";
import { fuzz } from "./fuzz/index.js";

test("two thousand random calls come out within the bounds, on any backend", () => {
  const failures = fuzz({ cases: 2000, seed: 1, backends: availableBackends, failures: 3 });
  expect(failures.map(({ program, what }) => `${program}\n// ${what}`)).toEqual([]);
});
