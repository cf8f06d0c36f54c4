/** Prints the digest that `test/digest.test.ts` asks for: after kernels were changed, and in other engines. */

import { createCore } from "../src/index.js";
import { digest } from "../test/digest.js";

const core = createCore({ backend: "wasm-simd" });
console.log(digest(core));
core.dispose();
