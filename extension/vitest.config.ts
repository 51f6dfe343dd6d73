// Configures the unit tests: their files, and the English sentences that they load first.

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    environment: "node",
    setupFiles: ["test/set_sentences.ts"],
    testTimeout: 30_000,
  },
});
