// Tests the list in a real browser, by keyboard and mouse: `npm run list [word…]`, after `npm run
// build`.
//
// Each scene has a page and a fake engine of its own and reports what failed. The pages are those
// of the server.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { launch, until } from "../../scripts/chromium.mjs";
import { Stage } from "../controls/stage.mjs";
import { world } from "../scenes.mjs";
import { serve } from "./engine.mjs";
import { scenes } from "./scenes.mjs";

const pages = join(dirname(fileURLToPath(import.meta.url)), "../../dist-server");
const words = process.argv.slice(2);
const browser = await launch({ args: ["--force-color-profile=srgb"] });
let failures = 0;
try {
  for (const [name, scene] of Object.entries(scenes)) {
    if (words.length > 0 && !words.some((word) => name.includes(word))) continue;
    const server = await serve({
      pages,
      torrents: scene.torrents,
      world,
      active: scene.active ?? 0,
      rateBps: 1e6,
    });
    const page = await browser.open("about:blank");
    await page.size(scene.width ?? 1280, 800);
    await page.send("Page.navigate", { url: `${server.origin}/app.html` });
    await until("the list", () =>
      page.evaluate("!!document.querySelector('[data-testid=torrent], [data-testid=empty]')"),
    );
    const stage = new Stage(page);
    const fails = await /** @type {any} */ (scene).play(stage, server).then(
      () => stage.fails,
      (error) => [...stage.fails, error.message],
    );
    failures += fails.length > 0 ? 1 : 0;
    console.log(fails.length > 0 ? `FAILS  ${name}: ${fails.join("; ")}` : `holds  ${name}`);
    await browser.send("Target.closeTarget", { targetId: page.target.targetId });
    server.close();
  }
} finally {
  await browser.close();
}
process.exitCode = failures === 0 ? 0 : 1;
