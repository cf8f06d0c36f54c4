/** PyTorch, eager, in a process of its own that waits while it is not its turn: see pytorch.py. */
import { fileURLToPath } from "node:url";
import { type Channel, preparer } from "./asked.js";
import { startChild } from "./child.js";
import type { Peer } from "./peer.js";

/** Debian's packages are its own Python's, where another may come first. */
const PYTHONS = [process.env.PYTHON ?? "python3", "/usr/bin/python3"];
const SCRIPT = fileURLToPath(new URL("pytorch.py", import.meta.url));
const ONE_THREAD = { OMP_NUM_THREADS: "1", MKL_NUM_THREADS: "1" };

export async function open(): Promise<Peer[]> {
  const child = await startFirst(PYTHONS);
  return [
    {
      implementation: "PyTorch",
      version: JSON.parse(child.greeting).version,
      memory: "tensor",
      terms: "tensors; eager, the gradient by backward()",
      prepare: preparer(child),
      close: child.close,
    },
  ];
}

async function startFirst(pythons: readonly string[]): Promise<Channel> {
  const reasons: string[] = [];
  for (const python of pythons) {
    try {
      return await startChild(python, [SCRIPT], { ...process.env, ...ONE_THREAD });
    } catch (error) {
      reasons.push(`${python}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(reasons.join("; "));
}
