/** Says once a run what of an engine it covers, so that what is missing is not mistaken for tested. */

import { availableBackends, missingBackends } from "./backends.js";

export default function announceBackends(): void {
  console.log(` backends tested: ${availableBackends.join(", ") || "none"}`);
  for (const { name, reason } of missingBackends) console.log(` backend NOT tested: ${name}: ${reason.message}`);
  if (!("Float16Array" in globalThis)) console.log(" NOT tested: Float16Array, which this engine has not");
}
