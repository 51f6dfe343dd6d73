// Builds the extension into dist/ and the server's pages into dist-server/.
//
// It bundles the entry points and copies the other files. `cargo xtask build` puts the WebAssembly
// into dist/engine/, which this script does not touch. Everything else in both folders is deleted
// first, so that no stale file is shipped.

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { cp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { notices } from "./scripts/notices.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");

/** The pages of both hosts, without their scripts. */
const pages = {
  "app.html": "list/app.html",
  "app.css": "list/app.css",
  "dialogs.css": "list/dialogs.css",
  "toolbar.css": "list/toolbar.css",
  "list.css": "list/list.css",
  "contents.css": "list/contents.css",
  "player.html": "player/player.html",
  "player.css": "player/player.css",
  "controls.css": "player/controls/controls.css",
  "seek_bar.css": "player/controls/seek_bar.css",
  "menu.css": "player/controls/menu.css",
  "next_card.css": "player/controls/next_card.css",
  "base.css": "ui/base.css",
  "jassub/jassub.wasm": "../node_modules/jassub/dist/wasm/jassub-worker-modern.wasm",
  "jassub/default.woff2": "../node_modules/jassub/dist/default.woff2",
};
/** The player's workers, which pages start on demand. */
const workers = {
  media: "media/worker.ts",
  preview: "media/preview_worker.ts",
  // libass, which draws styled subtitles. Its files are separate, so that they can be replaced.
  "jassub/worker": "player/subtitles/ass_worker.ts",
};
/** Most bytes that an entry may load at its start: its script and static imports. */
const budgets = {
  background: 20_000,
  offscreen: 20_000,
  worker: 32_000,
  // 34,000 of it for the virtual list, 6,000 for the dialog for new torrents.
  app: 172_000,
  player: 126_000,
  token: 24_000,
  media: 86_000,
  preview: 60_000,
  "jassub/worker": 110_000,
};
// The version is defined only in package.json.
const { version } = JSON.parse(await readFile(join(here, "package.json"), "utf8"));
const manifest = JSON.parse(await readFile(join(source, "extension/manifest.json"), "utf8"));
/** Pages only render templates; lit's custom elements would be unused code. */
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
// A page compares this file with its own build id.
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

/**
 * Bundles entries into a folder, with pages, icons and notices. Deletes other files there, except
 * the engine.
 */
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
    // The licence texts are collected in one file instead of every chunk.
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

/** The files below a folder, in the same order on every machine. */
async function filesBelow(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** A hash of files. The same files have the same hash on every machine. */
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

/** Fails when an entry exceeds its budget: a person decides whether to raise the budget. */
function checkBudgets(metafile, folder, names) {
  for (const name of names) {
    const bytes = eager(metafile.outputs, `${folder}/${name}.js`).reduce(
      (sum, output) => sum + metafile.outputs[output].bytes,
      0,
    );
    if (bytes > budgets[name])
      throw new Error(
        `${name}.js loads ${bytes} bytes at once; \`budgets\` in build.mjs allows ${budgets[name]}`,
      );
  }
}

/** An output and everything that it imports statically. */
function eager(outputs, first) {
  const seen = new Set([first]);
  for (const output of seen) {
    for (const { path, kind } of outputs[output].imports)
      if (kind === "import-statement" && outputs[path]) seen.add(path);
  }
  return [...seen];
}
