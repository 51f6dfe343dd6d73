// Plays the scenes and reports failures: `npm run media:scenes [word…]`.

import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { launch, until } from "../../scripts/chromium.mjs";
import { SCRATCH } from "./films.mjs";
import { scenes as films } from "./scenes.mjs";
import { scenes as subtitles } from "./subtitle_scenes.mjs";
import { bundle, serve } from "./serve.mjs";

const words = process.argv.slice(2);
const scripts = join(SCRATCH, "scripts-scenes");
await bundle(scripts);
const chosen = Object.entries({ ...films, ...subtitles }).filter(
  ([name]) => words.length === 0 || words.some((word) => name.includes(word)),
);
const paths = new Map(
  chosen
    .flatMap(([, scene]) => [scene.film(), ...(scene.beside?.() ?? [])])
    .map((path) => [basename(path), path]),
);
/** Pictures of the page, to look at. */
const pictures = join(SCRATCH, "pictures");
await mkdir(pictures, { recursive: true });
const { server, base } = await serve(scripts, paths);
const browser = await launch({ args: ["--autoplay-policy=no-user-gesture-required"] });
let failures = 0;
try {
  for (const [name, scene] of chosen) {
    const page = await browser.open(`${base}/`);
    await until("the page", () => page.evaluate("!!globalThis.trial"));
    const shoot = async (to) => writeFile(join(pictures, `${to}.png`), await page.picture());
    const fails = (
      await scene.play(
        (text) => page.evaluate(text),
        `${base}/stream/${basename(scene.film())}?part=1048576`,
        shoot,
      )
    ).filter(Boolean);
    failures += fails.length > 0 ? 1 : 0;
    console.log(fails.length > 0 ? `FAILS  ${name}: ${fails.join("; ")}` : `holds  ${name}`);
    await browser.send("Target.closeTarget", { targetId: page.target.targetId });
  }
} finally {
  await browser.close();
  server.close();
}
process.exitCode = failures === 0 ? 0 : 1;
