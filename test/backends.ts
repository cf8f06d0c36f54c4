/** The backends of this engine, and suites that run once on each. */

import { afterAll, describe } from "vitest";
import { type Core, createCore } from "../src/index.js";

export const backendNames = ["wasm-relaxed-simd", "wasm-simd", "js"] as const;

export type BackendName = (typeof backendNames)[number];

/** Why a backend cannot run here, or null if it can. */
function refusal(backend: BackendName): Error | null {
  try {
    createCore({ backend }).dispose();
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

export const missingBackends: readonly { readonly name: BackendName; readonly reason: Error }[] = backendNames.flatMap(
  (name) => {
    const reason = refusal(name);
    return reason === null ? [] : [{ name, reason }];
  },
);

export const availableBackends: readonly BackendName[] = backendNames.filter((name) =>
  missingBackends.every((missing) => missing.name !== name),
);

/** A suite whose body runs once on each backend, with a core that is let go at the end. */
export function describeBackends(title: string, body: (core: Core, backend: BackendName) => void): void {
  describe.each(availableBackends)(`${title} on %s`, (backend) => {
    const core = createCore({ backend });
    afterAll(() => core.dispose());
    body(core, backend);
  });
}
