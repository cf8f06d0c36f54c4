/** The browsers of this machine, headless, each with a profile of its own that is thrown away. */

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** They are here for one page of localhost, and look for nothing else. */
const CHROMIUM = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const FIREFOX = {
  "app.normandy.enabled": false,
  "app.update.enabled": false,
  "browser.safebrowsing.downloads.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.getAddons.cache.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "http://localhost:1",
  "toolkit.telemetry.enabled": false,
};

export interface Browser {
  /** What it may be called, the first that is installed being taken. */
  readonly commands: readonly string[];
  /** The options by which it keeps to a profile. */
  options(profile: string): string[];
}

const preferences = Object.entries(FIREFOX).map(
  ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`,
);

export const browsers: Readonly<Record<string, Browser>> = {
  Chromium: {
    commands: ["chromium", "chromium-browser", "google-chrome"],
    options: (profile) => [...CHROMIUM, `--user-data-dir=${profile}`],
  },
  Firefox: {
    commands: ["firefox-esr", "firefox"],
    options: (profile) => {
      writeFileSync(join(profile, "user.js"), preferences.join("\n"));
      return ["--headless", "--no-remote", "--profile", profile];
    },
  },
};

/** The command of a browser and its version, if it is installed. */
export function find({ commands }: Pick<Browser, "commands">): { command: string; version: string } | undefined {
  for (const command of commands) {
    try {
      return { command, version: execFileSync(command, ["--version"], { encoding: "utf8", stdio: "pipe" }).trim() };
    } catch {
      // Not this one: the next.
    }
  }
  return undefined;
}

/** Opens a page, and returns what closes it and all processes that were started for it. */
export function open(command: string, { options }: Browser, page: string): () => Promise<void> {
  const profile = mkdtempSync(join(tmpdir(), "surprisal-browser-"));
  const browser = spawn(command, [...options(profile), page], {
    detached: true,
    env: { ...process.env, HOME: profile },
    stdio: "ignore",
  });
  const gone = once(browser, "exit");
  const kill = (): void => {
    const running = browser.exitCode === null && browser.signalCode === null;
    if (running && browser.pid !== undefined) process.kill(-browser.pid, "SIGKILL");
  };
  const discard = (): void => {
    rmSync(profile, { recursive: true, force: true, maxRetries: 9 });
  };
  const leave = (): void => {
    kill();
    discard();
  };
  process.once("exit", leave);
  return async () => {
    process.off("exit", leave);
    kill();
    await gone;
    discard();
  };
}
