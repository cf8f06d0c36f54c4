import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Installs what this folder's lock file names, unless something is installed already. */
export function installPeers(): void {
  const folder = fileURLToPath(new URL(".", import.meta.url));
  if (existsSync(`${folder}node_modules`)) return;
  execFileSync("npm", ["ci", "--prefix", folder], { stdio: "inherit", shell: process.platform === "win32" });
}
