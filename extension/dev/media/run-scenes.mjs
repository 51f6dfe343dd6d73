// Plays the scenes and says which fail: `npm run media:scenes [word…]`.

import { basename, join } from "node:path";
import { launch, until } from "../../scripts/chromium.mjs";
import { SCRATCH } from "./films.mjs";
import { scenes } from "./scenes.mjs";
import { bundle, serve } from "./serve.mjs";

const words = process.argv.slice(2);
const scripts = join(SCRATCH, "scripts-scenes");
await bundle(scripts);
const chosen = Object.entries(scenes).filter(([name]) => words.length === 0 || words.some((word) => name.includes(word)));
const paths = new Map(chosen.map(([, scene]) => [basename(scene.film()), scene.film()]));
const { server, base } = await serve(scripts, paths);
const browser = await launch({ args: ["--autoplay-policy=no-user-gesture-required"] });
let failures = 0;
try {
  for (const [name, scene] of chosen) {
    const page = await browser.open(`${base}/`);
    await until("the page", () => page.evaluate("!!globalThis.trial"));
    const fails = (await scene.play((text) => page.evaluate(text), `${base}/${basename(scene.film())}?part=1048576`)).filter(Boolean);
    failures += fails.length > 0 ? 1 : 0;
    console.log(fails.length > 0 ? `FAILS  ${name}: ${fails.join("; ")}` : `holds  ${name}`);
    await browser.send("Target.closeTarget", { targetId: page.target.targetId });
  }
} finally {
  await browser.close();
  server.close();
}
process.exitCode = failures === 0 ? 0 : 1;
