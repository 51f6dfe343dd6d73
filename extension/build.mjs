// Builds the unpacked extension into dist/ and the server's pages into dist-server/: bundles the
// entry points of each and copies what is not code.
//
// dist/engine/ belongs to `cargo xtask build`, which puts the WebAssembly there; this script never
// touches it. All else in both folders is emptied first, so that nothing stale is ever shipped.

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { cp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { notices } from "./scripts/notices.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");

/** What both hosts' pages consist of besides their scripts. */
const pages = {
  "app.html": "list/app.html",
  "app.css": "list/app.css",
  "list.css": "list/list.css",
  "player.html": "player/player.html",
  "player.css": "player/player.css",
  "controls.css": "player/controls/controls.css",
  "base.css": "ui/base.css",
  "jassub/jassub.wasm": "../node_modules/jassub/dist/wasm/jassub-worker-modern.wasm",
  "jassub/default.woff2": "../node_modules/jassub/dist/default.woff2",
};
/** The player's workers, which both hosts' pages start when a film needs them, and no sooner. */
const workers = {
  media: "media/worker.ts",
  preview: "media/preview_worker.ts",
  // libass, which draws styled subtitles: a script with its files beside it, which may be replaced.
  "jassub/worker": "player/subtitles/ass_worker.ts",
};
/** Most bytes that an entry may load before it shows anything: its script and what that imports, but for `import()`. */
const budgets = {
  background: 20_000,
  offscreen: 20_000,
  worker: 32_000,
  // 34,000 of it for the virtual list, 6,000 for the sheet in which a torrent is decided about.
  app: 170_000,
  player: 126_000,
  token: 24_000,
  media: 86_000,
  preview: 60_000,
  "jassub/worker": 110_000,
};
// The version is written once, in package.json.
const { version } = JSON.parse(await readFile(join(here, "package.json"), "utf8"));
const manifest = JSON.parse(await readFile(join(source, "extension/manifest.json"), "utf8"));
/** The pages render templates; what lit has for custom elements would come along unused. */
const templatesOnly = {
  name: "templates only",
  setup: ({ onResolve, resolve }) =>
    onResolve({ filter: /^lit$/ }, ({ resolveDir, kind }) =>
      resolve("lit/html.js", { resolveDir, kind }),
    ),
};
const buildId = await hashOf([
  ...(await filesBelow(source)),
  ...(await filesBelow(join(here, "_locales"))),
  join(here, "package-lock.json"),
]);

const extension = join(here, "dist");
await bundle(extension, {
  ...Object.fromEntries(
    ["background", "offscreen", "worker", "app", "player"].map((name) => [
      name,
      `extension/${name}.ts`,
    ]),
  ),
  ...workers,
});
await cp(join(here, "_locales"), join(extension, "_locales"), { recursive: true });
await cp(join(source, "extension/offscreen.html"), join(extension, "offscreen.html"));
// By this a page tells which of two builds is on the disk.
await writeFile(join(extension, "build.txt"), `${buildId}\n`);
await writeFile(
  join(extension, "manifest.json"),
  `${JSON.stringify({ ...manifest, version }, null, 2)}\n`,
);

await bundle(join(here, "dist-server"), {
  app: "server/app.ts",
  player: "server/player.ts",
  token: "server/token.ts",
  ...workers,
});
await cp(join(source, "server/token.html"), join(here, "dist-server/token.html"));

/** Bundles these entries into a folder, with the pages, the icons and the notices. Whatever else lay there, but for the engine, goes. */
async function bundle(dist, entries) {
  await mkdir(dist, { recursive: true });
  for (const entry of await readdir(dist)) {
    if (entry !== "engine") await rm(join(dist, entry), { recursive: true, force: true });
  }
  const { metafile } = await build({
    entryPoints: Object.fromEntries(
      Object.entries(entries).map(([name, path]) => [name, join(source, path)]),
    ),
    outdir: dist,
    absWorkingDir: here,
    bundle: true,
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    format: "esm",
    target: `chrome${manifest.minimum_chrome_version}`,
    charset: "utf8",
    // Gathered in one file: the licences of what is bundled ask for their words, not for a copy in
    // every chunk.
    legalComments: "none",
    minifySyntax: true,
    minifyWhitespace: true,
    metafile: true,
    plugins: [templatesOnly],
    define: {
      BUILD_ID: JSON.stringify(buildId),
      BUILD_VERSION: JSON.stringify(version),
      "process.env.NODE_ENV": JSON.stringify("production"),
    },
    logLevel: "warning",
  });
  checkBudgets(metafile, relative(here, dist), Object.keys(entries));
  await writeFile(join(dist, "NOTICES.txt"), await notices(metafile, here));
  for (const [to, from] of Object.entries(pages)) await cp(join(source, from), join(dist, to));
  await mkdir(join(dist, "icons"));
  for (const icon of await readdir(join(source, "extension/icons"))) {
    if (icon.endsWith(".png"))
      await cp(join(source, "extension/icons", icon), join(dist, "icons", icon));
  }
}

/** The files below a folder, in one order everywhere. */
async function filesBelow(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** A name for what these files hold: the same files have the same name on every machine. */
async function hashOf(paths) {
  const hash = createHash("sha256");
  for (const path of paths)
    hash
      .update(relative(here, path).replaceAll("\\", "/"))
      .update("\0")
      .update(await readFile(path))
      .update("\0");
  return hash.digest("hex").slice(0, 16);
}

/** Fails when an entry is heavier than its budget: a person decides whether the budget or the entry is wrong. */
function checkBudgets(metafile, folder, names) {
  for (const name of names) {
    const bytes = eager(metafile.outputs, `${folder}/${name}.js`).reduce(
      (sum, output) => sum + metafile.outputs[output].bytes,
      0,
    );
    if (bytes > budgets[name])
      throw new Error(
        `${name}.js loads ${bytes} bytes at once, its budget is ${budgets[name]}: see \`budgets\` in build.mjs`,
      );
  }
}

/** An output and all that it imports statically. */
function eager(outputs, first) {
  const seen = new Set([first]);
  for (const output of seen) {
    for (const { path, kind } of outputs[output].imports)
      if (kind === "import-statement" && outputs[path]) seen.add(path);
  }
  return [...seen];
}
