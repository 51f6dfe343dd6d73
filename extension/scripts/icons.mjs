// Renders the icons from their SVG sources: `npm run icons`. The PNGs are committed.

import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { launch } from "./chromium.mjs";

const icons = join(dirname(fileURLToPath(import.meta.url)), "../src/extension/icons");
// Small icons have fewer and thicker strokes, because thin ones blur.
const sources = { 16: "icon-small.svg", 32: "icon-small.svg", 48: "icon.svg", 128: "icon.svg" };

const browser = await launch();
try {
  const page = await browser.open("about:blank");
  await page.send("Emulation.setDefaultBackgroundColorOverride", {
    color: { r: 0, g: 0, b: 0, a: 0 },
  });
  for (const [size, source] of Object.entries(sources)) {
    const svg = await readFile(join(icons, source), "utf8");
    await page.size(Number(size), Number(size));
    await page.evaluate(`
      document.body.style.margin = 0;
      document.body.innerHTML = ${JSON.stringify(svg)};
      const { style } = document.querySelector("svg");
      style.display = "block";
      style.width = style.height = "${size}px";
    `);
    await writeFile(join(icons, `icon-${size}.png`), await page.picture());
  }
} finally {
  await browser.close();
}
