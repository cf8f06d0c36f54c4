/** PyTorch, eager, in a process of its own that waits while it is not its turn: see pytorch.py. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { Call } from "../contenders.js";
import type { Inputs } from "../inputs.js";
import type { Peer, Prepared } from "./peer.js";

/** Debian's packages are its own Python's, where another may come first. */
const PYTHONS = [process.env.PYTHON ?? "python3", "/usr/bin/python3"];
const SCRIPT = fileURLToPath(new URL("pytorch.py", import.meta.url));
const ONE_THREAD = { OMP_NUM_THREADS: "1", MKL_NUM_THREADS: "1" };

interface Answer {
  readonly version?: string;
  readonly value?: number;
  readonly output?: string | null;
  readonly nanoseconds?: number;
}

interface Child {
  readonly version: string;
  ask(request: object): Promise<Answer>;
  close(): void;
}

export async function open(): Promise<Peer[]> {
  const { version, ask, close } = await startFirst(PYTHONS);
  let known: Inputs | undefined;
  return [
    {
      implementation: "PyTorch",
      version,
      memory: "tensor",
      terms: "tensors; eager, the gradient by backward()",
      async prepare(call, inputs) {
        if (inputs !== known) {
          const { rows, classes, logits, targets } = inputs;
          await ask({ rows, classes, logits: encode(logits), targets: encode(targets) });
          known = inputs;
        }
        return prepare(ask, call);
      },
      close,
    },
  ];
}

async function startFirst(pythons: readonly string[]): Promise<Child> {
  const reasons: string[] = [];
  for (const python of pythons) {
    try {
      return await start(python);
    } catch (error) {
      reasons.push(`${python}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(reasons.join("; "));
}

async function start(python: string): Promise<Child> {
  const child = spawn(python, [SCRIPT], { env: { ...process.env, ...ONE_THREAD } });
  await once(child, "spawn");
  const complaints = text(child.stderr);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<Answer> => {
    const line = await lines.next();
    if (line.done) throw new Error((await complaints).trimEnd().split("\n").at(-1));
    return JSON.parse(line.value);
  };
  const { version = "unknown" } = await answer();
  return {
    version,
    ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return answer();
    },
    close: () => child.stdin.end(),
  };
}

function prepare(ask: Child["ask"], call: Call): Prepared {
  let output: string | null = null;
  return {
    async run() {
      const answer = await ask({ run: call });
      output = answer.output ?? null;
      return answer.value ?? Number.NaN;
    },
    async turn(milliseconds) {
      const { nanoseconds } = await ask({ turn: call, milliseconds });
      return nanoseconds ?? Number.NaN;
    },
    ...(call !== "crossEntropy" && { output: () => decode(output ?? "") }),
  };
}

function encode({ buffer, byteOffset, byteLength }: Float32Array | Int32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
}

function decode(base64: string): Float32Array {
  return new Float32Array(new Uint8Array(Buffer.from(base64, "base64")).buffer);
}
