// Builds the unpacked extension into dist/: bundles the five entry points and copies what is not code.
//
// dist/engine/ belongs to `cargo xtask build`, which puts the WebAssembly there; this script never touches it. All
// else in dist/ is emptied first, so that nothing stale is ever shipped.

import { build } from "esbuild";
import { cp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");
const dist = join(here, "dist");

const scripts = {
  background: "background.ts",
  offscreen: "offscreen.ts",
  worker: "worker.ts",
  app: "app/app.ts",
  player: "player/player.ts",
};
const copies = {
  "offscreen.html": "offscreen.html",
  "app.html": "app/app.html",
  "app.css": "app/app.css",
  "player.html": "player/player.html",
  "player.css": "player/player.css",
  "base.css": "page/base.css",
};

await mkdir(dist, { recursive: true });
for (const entry of await readdir(dist)) {
  if (entry !== "engine") await rm(join(dist, entry), { recursive: true, force: true });
}

await build({
  entryPoints: Object.fromEntries(Object.entries(scripts).map(([name, path]) => [name, join(source, path)])),
  outdir: dist,
  bundle: true,
  format: "esm",
  target: "chrome120",
  charset: "utf8",
  legalComments: "none",
  minifySyntax: true,
  minifyWhitespace: true,
  logLevel: "warning",
});

for (const [to, from] of Object.entries(copies)) await cp(join(source, from), join(dist, to));
await mkdir(join(dist, "icons"));
for (const icon of await readdir(join(source, "icons"))) {
  if (icon.endsWith(".png")) await cp(join(source, "icons", icon), join(dist, "icons", icon));
}

// The version is written once, in package.json.
const { version } = JSON.parse(await readFile(join(here, "package.json"), "utf8"));
const manifest = JSON.parse(await readFile(join(source, "manifest.json"), "utf8"));
await writeFile(join(dist, "manifest.json"), JSON.stringify({ ...manifest, version }, null, 2) + "\n");
