/**
 * Puts the binaries where the package needs them: as base64 text in `src/binaries.ts`, so that an import needs
 * neither a file nor a fetch, and as files in `dist/`, made anew, for those who would rather ship them.
 */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const BINARIES = { strictSimd: "wasm-simd.wasm", relaxedSimd: "wasm-relaxed-simd.wasm", wide: "wasm-wide.wasm" };

rmSync("dist", { recursive: true, force: true });
mkdirSync("dist");
const lines = ["// Written by scripts/embed.ts."];
for (const [name, file] of Object.entries(BINARIES)) {
  copyFileSync(`build/${file}`, `dist/${file}`);
  lines.push(`export const ${name}: string = "${readFileSync(`build/${file}`).toString("base64")}";`);
}
writeFileSync("src/binaries.ts", `${lines.join("\n")}\n`);
