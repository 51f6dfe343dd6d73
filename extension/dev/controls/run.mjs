// Tests the player's controls in a real browser and takes pictures: `npm run controls [word…]`.
//
// Each scene has a page of its own and reports what failed. Pictures are saved to dev/shots/. Needs
// ffmpeg and Chromium.

import { build } from "esbuild";
import { mkdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { launch, until } from "../../scripts/chromium.mjs";
import { filmAt } from "../film.mjs";
import { layoutScenes } from "./layout_scenes.mjs";
import { scenes } from "./scenes.mjs";
import { Stage } from "./stage.mjs";
import { states } from "./states.mjs";

/**
 * A scene: its steps, and the page and screen on which they happen.
 * @typedef {object} Scene
 * @property {string} [page]
 * @property {number} [width] in px
 * @property {number} [height] in px
 * @property {{ name: string, value: string }[]} [features] media features to emulate
 * @property {boolean} [touch]
 * @property {(stage: Stage) => Promise<void>} play
 */

/**
 * Largest size of the controls in bytes, minified and gzipped, without lit and code shared by all
 * pages.
 */
const BUDGET = 15 * 1024;
const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const shots = join(root, "dev/shots");
const words = process.argv.slice(2);
await mkdir(shots, { recursive: true });

const film = join(shots, "controls.webm");
filmAt(film, { source: "testsrc2=s=640x360:r=25", rate: "600k", more: "-g 50" });

const bundle = (options) =>
  build({
    bundle: true,
    write: false,
    format: "esm",
    target: "chrome120",
    charset: "utf8",
    logLevel: "error",
    ...options,
  });
const controls = await bundle({ entryPoints: [join(here, "page.ts")] });
const statesBundle = await bundle({ entryPoints: [join(here, "states.ts")] });
/** Leaves out code that the page loads without the controls, too. */
const shared = {
  name: "shared",
  setup: ({ onResolve }) =>
    onResolve({ filter: /\/(ui|model)\// }, ({ path }) => ({ path, external: true })),
};
const sized = await bundle({
  stdin: {
    contents: 'export * from "./controls"; export * from "./next_card";',
    resolveDir: join(root, "src/player/controls"),
  },
  external: ["lit", "lit/*"],
  plugins: [shared],
  minify: true,
});
const { contents } = sized.outputFiles[0];
const gzipped = gzipSync(contents, { level: 9 }).length;
console.log(`the controls are ${contents.length} bytes, ${gzipped} gzipped, of ${BUDGET}`);

const text = (path) => readFile(join(root, path));
const files = {
  "": ["text/html", await text("dev/controls/page.html")],
  "page.js": ["text/javascript", controls.outputFiles[0].contents],
  "states.html": ["text/html", await text("dev/controls/states.html")],
  "states.js": ["text/javascript", statesBundle.outputFiles[0].contents],
  "player.css": ["text/css", await text("src/player/player.css")],
  "page.css": ["text/css", await text("dev/controls/page.css")],
  "base.css": ["text/css", await text("src/ui/base.css")],
  "controls.css": ["text/css", await text("src/player/controls/controls.css")],
  "seek_bar.css": ["text/css", await text("src/player/controls/seek_bar.css")],
  "menu.css": ["text/css", await text("src/player/controls/menu.css")],
  "next_card.css": ["text/css", await text("src/player/controls/next_card.css")],
  "axe.js": ["text/javascript", await text("node_modules/axe-core/axe.min.js")],
  "film.webm": ["video/webm", await readFile(film)],
};
const server = createServer((request, response) => {
  const [type, body] = files[request.url.slice(1)] ?? [];
  if (!body) return response.writeHead(404).end();
  // The content policy of extension pages, so that violations fail here, too.
  const headers = {
    "Content-Type": type,
    "Content-Security-Policy": "script-src 'self' 'wasm-unsafe-eval'; object-src 'self'",
  };
  const [, from] = /bytes=(\d+)-/.exec(request.headers.range ?? "") ?? [];
  if (from === undefined) return response.writeHead(200, headers).end(body);
  const start = Number(from);
  response
    .writeHead(206, {
      ...headers,
      "Accept-Ranges": "bytes",
      "Content-Range": `bytes ${start}-${body.length - 1}/${body.length}`,
    })
    .end(body.subarray(start));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
const address = /** @type {import("node:net").AddressInfo} */ (server.address());
const origin = `http://127.0.0.1:${address.port}`;

const browser = await launch({
  args: ["--autoplay-policy=no-user-gesture-required", "--force-color-profile=srgb"],
});
let failures = gzipped > BUDGET ? 1 : 0;
try {
  for (const [name, scene] of Object.entries(
    /** @type {Record<string, Scene>} */ ({ ...scenes, ...layoutScenes, ...states }),
  )) {
    if (words.length > 0 && !words.some((word) => name.includes(word))) continue;
    const { page = "", width = 960, height = 720, features = [], touch = false } = scene;
    const target = await browser.open("about:blank");
    await target.send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: touch,
    });
    if (touch)
      await target.send("Emulation.setTouchEmulationEnabled", { enabled: true, maxTouchPoints: 2 });
    await target.send("Emulation.setEmulatedMedia", { features });
    await browser.send(
      "Storage.clearDataForOrigin",
      { origin, storageTypes: "local_storage" },
      target.sessionId,
    );
    await target.send("Page.navigate", { url: `${origin}/${page}` });
    await until("the film", () =>
      target.evaluate("!!globalThis.trial && document.querySelector('video').readyState > 2"),
    );
    const stage = new Stage(target);
    const fails = await scene.play(stage).then(
      () => stage.fails,
      (error) => [...stage.fails, error.message],
    );
    failures += fails.length > 0 ? 1 : 0;
    console.log(fails.length > 0 ? `FAILS  ${name}: ${fails.join("; ")}` : `holds  ${name}`);
    await browser.send("Target.closeTarget", { targetId: target.target.targetId });
  }
} finally {
  await browser.close();
  server.close();
}
process.exitCode = failures === 0 ? 0 : 1;
