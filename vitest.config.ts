import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/announce-backends.ts"],
    maxWorkers: "100%",
    testTimeout: 60_000,
  },
});
