// Takes pictures of the scenes in dev/scenes.mjs, dark and light, wide and narrow: `npm run shots
// [word…]`.
//
// Fails if axe finds a problem in the list, or if the list is wider than its window.
// `SHOTS_LANGUAGE=de` sets the language and adds it to the pictures' names.
//
// The pages are those of dist/; a script in the page plays the engine's part of the channel. The
// player's film is made with ffmpeg and served from here.

import { createReadStream, readFileSync, statSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { EXTENSION_ID, launch, until } from "../scripts/chromium.mjs";
import { filmAt } from "./film.mjs";
import { appScenes, playerScenes } from "./scenes.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const shots = join(here, "shots");
const words = process.argv.slice(2);
const wanted = (name) => words.length === 0 || words.some((word) => name.includes(word));
const build = readFileSync(join(here, "../dist/build.txt"), "utf8").trim();
const language = process.env.SHOTS_LANGUAGE;
const suffix = language ? `-${language}` : "";
const base = `chrome-extension://${EXTENSION_ID}`;
const REPORT = `JSTorrent: a report of how things are

Engine: 0.1.0 in a browser
Daemon: jstorrent-io-daemon 0.1.0
System: linux x86_64
Torrents: 0
`;

function film() {
  const path = join(shots, "film.webm");
  filmAt(path, { source: "mandelbrot=size=1280x720:rate=24", rate: "1M" });
  return path;
}

function serve(path) {
  const total = statSync(path).size;
  const server = createServer((request, response) => {
    if (/^\/stream\/0{39}[56]/.test(request.url)) {
      response.writeHead(200, { "Access-Control-Allow-Origin": "*" });
      response.end(
        "1\n00:00:02,000 --> 00:00:50,000\nThe harbour lights went out\none after another.\n",
      );
      return;
    }
    const [, from = "0", to = ""] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "") ?? [];
    const start = Number(from);
    const end = to ? Number(to) : total - 1;
    response.writeHead(206, {
      "Content-Type": "video/webm",
      "Content-Range": `bytes ${start}-${end}/${total}`,
      "Content-Length": end - start + 1,
      "Accept-Ranges": "bytes",
      "Access-Control-Allow-Origin": "*",
      "Access-Control-Expose-Headers": "Content-Range",
    });
    if (request.url.startsWith("/stream/0000000000000000000000000000000000000001"))
      createReadStream(path, { start, end }).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

/**
 * A script that plays the engine in the page: it sends updates a few times a second, and answers
 * requests.
 */
function fakeEngine(state) {
  return `(() => {
    const channel = new BroadcastChannel("jstorrent");
    const state = ${JSON.stringify(state)};
    const build = ${JSON.stringify(build)};
    const { torrents, streams, ...world } = state.snapshot;
    let own, topics = [], revision = 0;
    const row = ({ files, trackers, ...torrent }) => ({ ...torrent, files: [], trackers: [] });
    const change = (topic) => {
      const [kind, hash, index] = topic.split("/");
      const torrent = torrents.find((candidate) => candidate.infoHash === hash);
      const { files = [], trackers = [] } = torrent ?? {};
      if (kind === "list") {
        const order = torrents.map(({ infoHash }) => infoHash);
        return { kind, order, torrents: torrents.map(row), world };
      }
      if (kind === "peers") return { kind, peers: state.peers };
      if (kind === "torrent") {
        const order = files.map(({ index }) => index);
        return { kind, order, files, trackers };
      }
      const isIts = ({ infoHash, fileIndex }) => infoHash === hash && fileIndex === Number(index);
      const film = {
        torrent: torrent ? row(torrent) : null,
        file: files.find((candidate) => candidate.index === Number(index)) ?? null,
        streams: streams.filter(isIts),
      };
      return { kind, film };
    };
    const say = (message) => own?.postMessage({ build, ...message });
    const update = (topic) => ({ topic, from: null, revision: ++revision, change: change(topic) });
    const publish = () => {
      if (topics.length === 0) return;
      say({ kind: "state", session: "shots", link: state.link, updates: topics.map(update) });
    };
    const noise = (cell) => {
      const x = Math.sin(cell * 12.9) * 43758.5;
      return x - Math.floor(x);
    };
    const replyTo = (intent) => {
      if (intent.kind === "report") {
        const text = ${JSON.stringify(REPORT)};
        return { kind: "text", text };
      }
      return intent.kind === "add_url"
        ? {
            kind: "failed",
            message: "The server answered 404.",
            says: { code: "fetch_status", status: 404 },
          }
        : {
            kind: "failed",
            message: "The torrent file is damaged: no pieces",
            says: { code: "torrent_damaged", detail: "no pieces" },
          };
    };
    channel.onmessage = ({ data }) => {
      if (data.page) own ??= new BroadcastChannel("jstorrent/" + data.page);
      if (data.kind === "watch") {
        topics = data.topics;
        publish();
      }
      if (data.kind !== "request") return;
      const { id, request } = data;
      const { cells } = request;
      const answer = (reply) => say({ kind: "reply", id, reply });
      if (request.kind === "everything") answer({ kind: "everything", state });
      if (request.kind === "pieces") {
        const verified = Array.from({ length: cells }, (_, cell) =>
          cell < cells * 0.3 || noise(cell >> 3) > 0.82 ? 255 : 0,
        );
        const underway = verified.map((_, cell) =>
          cell > cells * 0.3 && cell < cells * 0.36 ? 200 : 0,
        );
        answer({ kind: "pieces", pieces: { verified, underway } });
      } else if (request.kind === "intent") {
        answer({ kind: "intent", reply: replyTo(request.intent) });
      }
    };
    clearInterval(globalThis.publishing);
    globalThis.publishing = setInterval(publish, 300);
    // The page answers a new engine's hello with its topics.
    new BroadcastChannel("jstorrent/hello").postMessage({ build });
    publish();
  })()`;
}

const axe = readFileSync(join(here, "../node_modules/axe-core/axe.min.js"), "utf8");
let failures = 0;
const server = await serve(film());
const port = server.address().port;
const browser = await launch({
  extension: join(here, "../dist"),
  args: [
    "--autoplay-policy=no-user-gesture-required",
    "--force-color-profile=srgb",
    ...(language ? [`--lang=${language}`] : []),
  ],
  env: language ? { LANGUAGE: language } : {},
});
try {
  await mkdir(shots, { recursive: true });
  const background = await browser.attach(
    (target) => target.type === "service_worker" && target.url.startsWith(base),
  );
  // Ends the real engine, which would send updates, too.
  await until("the background", () =>
    background.evaluate("typeof chrome !== 'undefined' && !!chrome.offscreen?.closeDocument"),
  );
  await until("the offscreen document", () =>
    background.evaluate("chrome.offscreen.hasDocument()"),
  );
  await background.evaluate(
    "chrome.offscreen.createDocument = async () => {}; " +
      "chrome.offscreen.closeDocument().then(() => 1)",
  );

  for (const [width, height] of [
    [1280, 800],
    [2560, 1300],
    [400, 800],
    [320, 800],
  ]) {
    for (const theme of ["dark", "light"]) {
      for (const [name, scene] of Object.entries(appScenes)) {
        const title = `app-${name}-${theme}-${width}${suffix}`;
        if (!wanted(title) || width === 400) continue;
        const page = await prepared(`${base}/app.html`, width, height, theme, scene.state);
        await actOut(page, scene);
        await check(page, title);
        await shoot(page, title);
      }
      if (width === 2560 || width === 320) continue;
      for (const [name, scene] of Object.entries(playerScenes)) {
        const title = `player-${name}-${theme}-${width}${suffix}`;
        // On a narrow stage, the subtitle menu is behind another one.
        if (!wanted(title) || (scene.choose && (width < 640 || language))) continue;
        const state = structuredClone(scene.state);
        if (state.link.baseUrl) state.link.baseUrl = `http://127.0.0.1:${port}`;
        const page = await prepared(
          `${base}/player.html?torrent=${"1".padStart(40, "0")}&file=1&t=12`,
          width,
          height,
          theme,
          scene.film
            ? {
                ...state,
                link: { kind: "connected", baseUrl: `http://127.0.0.1:${port}`, version: "0" },
              }
            : withoutFilm(state),
        );
        if (scene.film) {
          await until("the film", () =>
            page.evaluate("document.querySelector('video').currentTime > 12.5"),
          );
          if (scene.choose) await choose(page, scene);
          if (scene.ends) await page.evaluate("document.querySelector('video').currentTime = 58.5");
          if (scene.ends)
            await until("the card", () =>
              page.evaluate("!!document.querySelector('[data-testid=next-play]')"),
            );
          else await page.evaluate("document.querySelector('video').pause()");
          if (state.link.kind !== "connected") await page.evaluate(fakeEngine(state));
        }
        await new Promise((resolve) => setTimeout(resolve, 1300));
        await shoot(page, title);
      }
    }
  }
} finally {
  await browser.close();
  server.close();
}

if (failures > 0) console.log(`${failures} pages failed`);
process.exitCode = failures > 0 ? 1 : 0;

/** Counts the page as failed if axe finds a problem, or if the page is wider than its window. */
async function check(page, title) {
  await page.evaluate(axe);
  const found = await page.evaluate(`(async () => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    const places = (nodes) =>
      nodes
        .slice(0, 3)
        .map(({ html, failureSummary }) => html.slice(0, 160) + " " + failureSummary.slice(0, 300))
        .join(" | ");
    const words = violations.map(({ id, nodes }) => id + ": " + places(nodes));
    const wide = document.documentElement.scrollWidth - innerWidth;
    return wide > 0 ? [...words, "wider than the window by " + wide + " px"] : words;
  })()`);
  for (const words of found) console.log(`FAILS ${title}: ${words}`);
  failures += found.length > 0 ? 1 : 0;
}

/** Makes the film's address one that never answers. */
function withoutFilm(state) {
  for (const torrent of state.snapshot.torrents)
    for (const file of torrent.files) file.url = file.url.replace("0001?", "0009?");
  return state;
}

async function prepared(url, width, height, theme, state) {
  const page = await browser.open("about:blank");
  await page.size(width, height);
  await page.theme(theme);
  await page.send("Page.navigate", { url });
  await until("the page", () => page.evaluate("!!globalThis.jstorrent"));
  await page.evaluate(fakeEngine(state));
  await until("a state", () =>
    page.evaluate(
      "document.querySelector('[data-testid=link-status]').dataset.state !== 'starting'",
    ),
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  return page;
}

async function actOut(page, scene) {
  const click = (selector) =>
    page.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);
  if (scene.open) await click("[data-testid=toggle]");
  await new Promise((resolve) => setTimeout(resolve, 100));
  if (scene.details) await click("[data-testid=details]");
  for (let at = 0; at < (scene.select ?? 0); at += 1)
    await page.evaluate(`document.querySelectorAll("[data-testid=select]")[${at}].click()`);
  if (scene.remove) await click("[data-testid=remove]");
  if (scene.decide) await click("[data-testid=decide]");
  if (scene.report) await click("[data-testid=report]");
  if (scene.settings) {
    await click("[data-testid=settings]");
    await until("the settings", () => page.evaluate("!!document.querySelector('#settings[open]')"));
    for (const [field, typed] of Object.entries(scene.settings)) {
      await page.evaluate(
        `document.querySelector("[data-testid=set-${field}]").value = ${JSON.stringify(typed)}`,
      );
      await click("[data-testid=settings-save]");
    }
    if (scene.typed)
      await page.evaluate(`
        document.querySelector("[data-testid=set-downloads]").value =
          ${JSON.stringify(scene.typed)}
      `);
    if (scene.leave) {
      for (let times = 0; times < 2; times++) {
        for (const type of ["rawKeyDown", "keyUp"])
          await page.send("Input.dispatchKeyEvent", {
            type,
            key: "Escape",
            code: "Escape",
            windowsVirtualKeyCode: 27,
          });
      }
    }
    if (scene.below)
      await page.evaluate("document.querySelector('.settings-body').scrollTo(0, 9999)");
  }
  if (scene.drop) await page.evaluate("dispatchEvent(new DragEvent('dragenter'))");
  if (scene.link !== undefined) {
    await click("[data-testid=add-link]");
    await page.evaluate(
      `document.querySelector("[data-testid=link-input]").value = ${JSON.stringify(scene.link)}`,
    );
    if (scene.link) await click("[data-testid=link-add]");
  }
  if (scene.paste) {
    await page.evaluate(`(() => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text/plain", ${JSON.stringify(scene.paste)});
      dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
    })()`);
  }
  if (scene.notes) {
    await page.evaluate(`(() => {
      const data = new DataTransfer();
      data.items.add(new File(["<html>"], "page.html"));
      data.items.add(new File(["d4:infod"], "broken.torrent"));
      const name = "The film itself, all of it, in one file with a rather long name.mkv";
      data.items.add(new File([new Uint8Array(9e6)], name));
      dispatchEvent(new DragEvent("drop", { dataTransfer: data }));
    })()`);
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
}

/** Chooses subtitles in the menu. With `menu`, leaves it open. */
async function choose(page, /** @type {any} */ { choose, menu }) {
  const button = "document.querySelector('[data-testid=control-subtitles]')";
  const entries = "[...document.querySelectorAll('[role=menuitemradio]')]";
  const entry = `${entries}.find((it) => it.innerText.includes(${JSON.stringify(choose)}))`;
  await until("the button", () => page.evaluate(`!!${button}`));
  await page.evaluate(`${button}.click()`);
  await until("the entry", () => page.evaluate(`!!${entry}`));
  await page.evaluate(`${entry}.click()`);
  await until("the words", () =>
    page.evaluate("!!document.querySelector('#subtitles [data-cue]')"),
  );
  const isOpen = await page.evaluate("!!document.querySelector('[data-testid=control-menu]')");
  if (isOpen !== Boolean(menu)) await page.evaluate(`${button}.click()`);
}

async function shoot(page, title) {
  await writeFile(join(shots, `${title}.png`), await page.picture());
  await browser.send("Target.closeTarget", { targetId: page.target.targetId });
  console.log(title);
}
