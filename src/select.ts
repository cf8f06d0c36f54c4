import type { Backend, BackendName } from "./backend.js";
import { scalarBackend } from "./scalar.js";
import { wasmBackend } from "./wasm-backend.js";

/** The backend of this name; an Error that says why where it cannot run here. */
export function openBackend(name: BackendName): Backend {
  return name === "js" ? scalarBackend() : wasmBackend(name);
}

/** The fastest backend that this engine runs well. */
export function fastestBackend(): Backend {
  for (const name of ["wasm-relaxed-simd", "wasm-simd"] as const) {
    try {
      return wasmBackend(name);
    } catch {
      // Not in this engine, or not allowed here: the next one.
    }
  }
  return scalarBackend();
}
