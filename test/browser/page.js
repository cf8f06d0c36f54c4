/** Runs the workload on the backends that the page is asked for, and reports to where it came from. */

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
for (const backend of new URLSearchParams(location.search).getAll("backend")) reports[backend] = await attempt(backend);
await fetch("/report", { method: "POST", body: JSON.stringify(reports) });
