import { fileURLToPath } from "node:url";
import { browsers, find } from "../../scripts/browsers.js";
import { openTab } from "../../scripts/tab.js";
import type { Call } from "../contenders.js";
import type { Inputs } from "../inputs.js";
import { type Channel, preparer } from "../peers/asked.js";
import { startChild } from "../peers/child.js";
import type { Prepared } from "../peers/peer.js";

/** An engine that runs the package, and waits while it is not its turn. */
export interface Engine {
  readonly name: string;
  readonly version: string;
  /** Those that it is measured on, that of `auto` first. */
  readonly backends: readonly string[];
  /** The step of its clock, in milliseconds. */
  readonly clock: number;
  prepare(call: Call, inputs: Inputs, on: { readonly backend: string }): Promise<Prepared>;
  close(): void | Promise<void>;
}

const PAGE = "bench/browsers/page.html";
const SCRIPT = fileURLToPath(new URL("node.js", import.meta.url));

/** What a page has to be served with to get the finer clock: no other origin may share its process. */
const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

/** By name, what opens an engine; it rejects where the engine is absent. */
export const OPENERS: readonly (readonly [string, () => Promise<Engine>])[] = [
  ...Object.entries(browsers).map(
    ([name, browser]) =>
      [
        name,
        async (): Promise<Engine> => {
          const found = find(browser);
          if (found === undefined) throw new Error("not installed");
          const version = /\d[\d.]*/.exec(found.version)?.[0] ?? "";
          return engineOf(name, version, await openTab(found.command, browser, PAGE, ISOLATED));
        },
      ] as const,
  ),
  ["Node", async () => engineOf("Node", process.versions.node, await startChild(process.execPath, [SCRIPT]))],
];

function engineOf(name: string, version: string, channel: Channel): Engine {
  const { backends, clock }: Pick<Engine, "backends" | "clock"> = JSON.parse(channel.greeting);
  return { name, version, backends, clock, prepare: preparer(channel), close: channel.close };
}
