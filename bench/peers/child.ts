/** A process that is talked with line by line. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import type { Channel } from "./asked.js";

export async function startChild(command: string, args: readonly string[], env = process.env): Promise<Channel> {
  const child = spawn(command, args, { env });
  await once(child, "spawn");
  const complaints = text(child.stderr);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => {
    const line = await lines.next();
    if (line.done) throw new Error((await complaints).trimEnd().split("\n").at(-1));
    return line.value;
  };
  return {
    greeting: await nextLine(),
    exchange(message) {
      child.stdin.write(`${message}\n`);
      return nextLine();
    },
    close() {
      child.stdin.end();
    },
  };
}
