// The licences of bundled packages.

import { join } from "node:path";
import { expect, test } from "vitest";
import { notices } from "../scripts/notices.mjs";

const ROOT = join(import.meta.dirname, "..");
const bundled = (...inputs: string[]) => ({
  outputs: {
    "dist/app.js": {
      inputs: Object.fromEntries(inputs.map((input) => [input, { bytesInOutput: 1 }])),
    },
  },
});

test("bundled packages are named with their licence texts", async () => {
  const text = await notices(
    bundled(
      "src/list/page.ts",
      "node_modules/lit-html/lit-html.js",
      "node_modules/jassub/dist/jassub.js",
    ),
    ROOT,
  );
  expect(text).toMatch(
    /^lit-html [\d.]+ \(BSD-3-Clause\)\n\n.*\n\nCopyright \(c\) 2017 Google LLC/m,
  );
  expect(text).toContain("Redistributions in binary form must reproduce the above copyright");
  expect(text).toContain("libass (ISC)");
});

test("a package without a licence file can't be bundled", async () => {
  await expect(notices(bundled("node_modules/abslink/index.js"), ROOT)).rejects.toThrow(
    /no licence file/,
  );
});
