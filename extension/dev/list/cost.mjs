// Measures the cost of showing the list: `npm run list:cost [-- word…]`, after `npm run build`.
//
// Measures the processor time of the page's renderer, including the compositor, and the page's
// layouts. The server's page runs in a renderer of its own, so nothing else counts. LIST_COST_S
// sets the duration in seconds (default: 30). LIST_COST_PAGES sets the folder of the pages, to
// compare two builds.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { launch, until } from "../../scripts/chromium.mjs";
import { file, torrent, world } from "../scenes.mjs";
import { serve } from "./engine.mjs";

const SECONDS = Number(process.env.LIST_COST_S ?? 30);
const MB = 1e6;
const words = process.argv.slice(2);
const pages =
  process.env.LIST_COST_PAGES ?? join(dirname(fileURLToPath(import.meta.url)), "../../dist-server");

const films = (count, length) =>
  Array.from({ length: count }, (_, at) =>
    file(
      at,
      `The Long Night/Season ${1 + Math.floor(at / 100)}/` +
        `The Long Night – ${at + 1} – An episode.mkv`,
      length,
      0.1,
      "video/x-matroska",
    ),
  );
const hundred = Array.from({ length: 100 }, (_, at) =>
  torrent(
    at + 1,
    `Torrent number ${at + 1}`,
    at % 2 ? "complete" : "downloading",
    at % 2 ? 1 : 0.1,
    { peers: at % 40 },
  ),
);
const scenes = {
  "1 torrent, open": {
    torrents: [torrent(1, "The Long Night", "downloading", 0.1, { files: films(10, 700 * MB) })],
    active: 1,
  },
  "1 torrent, open, with details": {
    torrents: [torrent(1, "The Long Night", "downloading", 0.1, { files: films(10, 700 * MB) })],
    active: 1,
  },
  "100 torrents": { torrents: hundred, active: 1 },
  "100 torrents, all active": { torrents: hundred, active: 100 },
  "3,000 files, open": {
    torrents: [torrent(1, "The Long Night", "downloading", 0.1, { files: films(3000, 7 * MB) })],
    active: 1,
  },
};

const rows = [];
for (const [name, scene] of Object.entries(scenes)) {
  if (words.length > 0 && !words.some((word) => name.includes(word))) continue;
  rows.push([name, ...(await measured(name, scene))]);
}
print([["", "renderer", "GPU process", "layouts/s", "styles/s", "nodes", "deselect all"], ...rows]);

async function measured(name, { torrents, active }) {
  const server = await serve({ pages, torrents, world, active, rateBps: MB });
  const browser = await launch({ args: ["--force-color-profile=srgb"] });
  try {
    const page = await browser.open("about:blank");
    await page.size(1280, 800);
    await page.send("Page.navigate", { url: `${server.origin}/app.html` });
    await until("the list", () =>
      page.evaluate("!!document.querySelector('[data-testid=torrent]')"),
    );
    const isOpen = name.includes("open");
    if (isOpen) {
      await page.evaluate("document.querySelector('[data-testid=toggle]').click()");
      await until("the files", () =>
        page.evaluate("!!document.querySelector('[data-testid=file]')"),
      );
    }
    if (name.includes("details")) {
      await page.evaluate("document.querySelector('[data-testid=details]').click()");
      await until("the peers", () =>
        page.evaluate("!!document.querySelector('[data-testid=peer]')"),
      );
    }
    // A page may show the files in portions. Waits until all files are there.
    while (
      await page.evaluate(
        `(() => {
          const more = document.querySelector("[data-testid=more-files]");
          more?.click();
          return !!more;
        })()`,
      )
    )
      await new Promise((resolve) => setTimeout(resolve, 50));
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await page.send("Performance.enable");
    const before = await look(browser, page);
    await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
    const after = await look(browser, page);
    const seconds = after.at - before.at;
    const per = (what) => (after[what] - before[what]) / seconds;
    const share = (what) => `${(100 * per(what)).toFixed(1)} %`;
    const deselecting = isOpen ? `${Math.round(await deselect(page))} ms` : "";
    return [
      share("renderer"),
      share("gpu"),
      per("layouts").toFixed(1),
      per("styles").toFixed(1),
      String(after.nodes),
      deselecting,
    ];
  } finally {
    await browser.close();
    server.close();
  }
}

async function look(browser, page) {
  const { processInfo } = await browser.send("SystemInfo.getProcessInfo");
  const { metrics } = await page.send("Performance.getMetrics");
  const cpu = (type) =>
    processInfo
      .filter((process) => process.type === type)
      .reduce((sum, { cpuTime }) => sum + cpuTime, 0);
  const metric = (name) => metrics.find((one) => one.name === name).value;
  return {
    at: performance.now() / 1000,
    renderer: cpu("renderer"),
    gpu: cpu("GPU"),
    layouts: metric("LayoutCount"),
    styles: metric("RecalcStyleCount"),
    nodes: await page.evaluate("document.querySelectorAll('*').length"),
  };
}

/**
 * Deselects all files. Resolves with the time in ms from the click to the frame that shows the
 * result.
 */
function deselect(page) {
  return page.evaluate(`new Promise((resolve) => {
    const box = () => document.querySelector("[data-testid=want-all]");
    const from = performance.now();
    const look = () => {
      const { priority } = document.querySelector("[data-testid=file]")?.dataset ?? {};
      if (priority !== "skip" || box().checked || box().indeterminate) return setTimeout(look, 5);
      requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - from)));
    };
    box().click();
    look();
  })`);
}

function print(table) {
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  for (const row of table)
    console.log(
      row.map((cell, at) => (at ? cell.padStart(widths[at]) : cell.padEnd(widths[at]))).join("  "),
    );
}
