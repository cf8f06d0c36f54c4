/** Runs the workload in the page that loads it, and reports to where it came from. */

import { createCore } from "surprisal";
import { report } from "./workload.js";

async function attempt(backend) {
  try {
    return await report(createCore, backend);
  } catch (error) {
    return { error: String(error) };
  }
}

const reports = {};
for (const backend of ["auto", "wasm-simd", "wasm-relaxed-simd", "js"]) reports[backend] = await attempt(backend);
await fetch("/report", { method: "POST", body: JSON.stringify(reports) });
