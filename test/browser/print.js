/** Prints the report of the engine that runs this file. */

import { createCore } from "../../dist/index.js";
import { report } from "./workload.js";

console.log(JSON.stringify(await report(createCore, "wasm-simd")));
