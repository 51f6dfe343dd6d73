// Plays one film and prints events: `node dev/media/one.mjs FILE [plain|mse|ffmpeg] [seconds]
// [seek…]`.

import { basename, join } from "node:path";
import { launch, until } from "../../scripts/chromium.mjs";
import { film, manyTracks, SCRATCH } from "./films.mjs";
import { bundle, serve } from "./serve.mjs";

const [what = "h264-ac3.mkv", way = "mse", seconds = "5", ...seeks] = process.argv.slice(2);
const named = /^(\w+)-(\w+)\.(\w+)$/.exec(what);
const path =
  what === "many" ? manyTracks() : what.includes("/") ? what : film(named[1], named[2], named[3]);
const scripts = join(SCRATCH, "scripts");
console.log(await bundle(scripts));
const { server, sent, base } = await serve(scripts, new Map([[basename(path), path]]));
const browser = await launch({ args: ["--autoplay-policy=no-user-gesture-required"] });
try {
  const page = await browser.open(`${base}/`);
  await until("the page", () => page.evaluate("!!globalThis.trial"));
  browser.listeners.add((message) => {
    if (
      message.method === "Runtime.consoleAPICalled" ||
      message.method === "Runtime.exceptionThrown"
    )
      console.log(JSON.stringify(message.params).slice(0, 600));
  });
  const show = async () =>
    console.log(
      JSON.stringify(
        await page.evaluate("trial.state()"),
        (key, value) =>
          key === "header" || (key === "cues" && value.length > 6) ? `${value.length}` : value,
        1,
      ).replace(/\n\s+/g, " "),
      await page.evaluate("trial.measure()"),
      "sent",
      sent.get(basename(path)),
    );
  const url = JSON.stringify(`${base}/stream/${basename(path)}`);
  await page.evaluate(`void trial.${way}(${url}).catch((error) => console.log(String(error)))`);
  await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000));
  await show();
  for (const at of seeks) {
    console.log("seek", at, await page.evaluate(`trial.seek(${at})`), "ms");
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await show();
  }
} finally {
  await browser.close();
  server.close();
}
