/** Says once a run which backends it covers, so that a missing one is not mistaken for a tested one. */

import { availableBackends, missingBackends } from "./backends.js";

export default function announceBackends(): void {
  console.log(` backends tested: ${availableBackends.join(", ") || "none"}`);
  for (const { name, reason } of missingBackends) console.log(` backend NOT tested: ${name}: ${reason.message}`);
}
