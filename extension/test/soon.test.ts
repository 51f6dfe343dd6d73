// Rendering once after many changes.

import { expect, test } from "vitest";
import { soon } from "../src/ui/soon";

test("many changes cause one rendering, and later ones another", async () => {
  let shown = 0;
  const update = soon(() => shown++);
  update();
  update();
  expect(shown).toBe(0);
  await Promise.resolve();
  expect(shown).toBe(1);
  update();
  await Promise.resolve();
  expect(shown).toBe(2);
});
