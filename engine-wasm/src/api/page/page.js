// The page of the plain server: it lists torrents, adds one, plays it. All words of strangers are set as text, never as HTML. It keeps nothing:
// what it shows comes from /events, and files from one call when a torrent is opened.
"use strict";

const token = new URLSearchParams(location.search).get("token");
const byId = (id) => document.getElementById(id);
/** Files of opened torrents, by info hash. */
const files = new Map();
const open = new Set();
let playing;
let last = [];

/** A path of the API, with the token that opened this page. */
function api(path) {
  if (!token) return path;
  return `${path}${path.includes("?") ? "&" : "?"}token=${encodeURIComponent(token)}`;
}

async function call(method, path, type, body) {
  const headers = type ? { "content-type": type } : {};
  const response = await fetch(api(path), { method, headers, body });
  const text = await response.text();
  let answer = {};
  try {
    answer = text ? JSON.parse(text) : {};
  } catch {
    // The server in front of the engine may answer in plain words.
  }
  if (!response.ok) throw new Error(answer.error ?? (text || `the server answered ${response.status}`));
  return answer;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function button(label, className, act) {
  const made = element("button", className, label);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(unit === 0 || value >= 99.95 ? 0 : 1)} ${units[unit]}`;
}

const STATES = {
  metadata: "Looking for its description",
  checking: "Checking",
  downloading: "Downloading",
  complete: "Complete",
  paused: "Paused",
  error: "Stopped",
};

function facts(torrent) {
  const words = [STATES[torrent.state] ?? torrent.state];
  if (torrent.state !== "metadata") {
    words.push(`${Math.floor(torrent.progress * 100)}% of ${size(torrent.length)}`);
  }
  if (torrent.state !== "complete") words.push(`${torrent.peers} ${torrent.peers === 1 ? "peer" : "peers"}`);
  if (torrent.downloadRate > 0) words.push(`${size(torrent.downloadRate)}/s`);
  if (torrent.temporary) words.push("temporary");
  return words.join(" · ");
}

function fileRow(hash, file) {
  const row = element("li", "file");
  row.append(element("bdi", "", file.path), element("span", "file-size", size(file.length)));
  const link = element("a", "quiet-button", "Download");
  link.href = file.url;
  link.rel = "noreferrer";
  link.download = file.name;
  row.append(link);
  if (file.playable) row.append(button("Play", "button primary", () => play(hash, file)));
  return row;
}

function card(torrent) {
  const hash = torrent.infoHash;
  const item = element("li", "card torrent");
  const head = element("div", "torrent-head");
  const shown = open.has(hash);
  const name = element("h2");
  name.append(element("bdi", "", torrent.name));
  head.append(name);
  if (torrent.fileCount > 0) {
    const list = element("a", "quiet-button", "Playlist");
    list.href = api(`/torrents/${hash}/playlist.m3u8`);
    list.rel = "noreferrer";
    head.append(button(shown ? "Hide files" : "Files", "button", () => toggle(hash)), list);
  }
  head.append(button("Remove", "quiet-button", () => remove(torrent)));
  const bar = element("progress", "bar");
  bar.max = 1;
  bar.value = torrent.progress;
  bar.setAttribute("aria-label", `Progress of ${torrent.name}`);
  item.append(head, bar, element("p", "facts", facts(torrent)));
  if (torrent.message) item.append(element("p", torrent.state === "error" ? "message" : "facts", torrent.message));
  if (shown && files.has(hash)) {
    const list = element("ul", "files");
    list.append(...files.get(hash).map((file) => fileRow(hash, file)));
    item.append(list);
  }
  return item;
}

/** What a card shows but for numbers: only when that changes it is made anew, so that a button stays under the finger. */
function shape(torrent) {
  const shown = open.has(torrent.infoHash) && files.has(torrent.infoHash);
  return JSON.stringify([torrent.infoHash, torrent.name, torrent.fileCount, torrent.message, torrent.state, shown]);
}

function show(torrents) {
  last = torrents;
  const list = byId("torrents");
  const before = new Map([...list.children].map((item) => [item.dataset.shape, item]));
  const cards = torrents.map((torrent) => {
    const key = shape(torrent);
    const item = before.get(key) ?? card(torrent);
    item.dataset.shape = key;
    item.querySelector(".facts").textContent = facts(torrent);
    item.querySelector("progress").value = torrent.progress;
    return item;
  });
  if (cards.length !== list.children.length || cards.some((item, at) => item !== list.children[at])) {
    list.replaceChildren(...cards);
  }
  byId("empty").hidden = torrents.length > 0;
  showWait(torrents);
}

const REASONS = {
  downloading: "Fetching what comes next",
  checking: "Checking what is there",
  no_peers: "No peers yet",
  no_source: "No connected peer has this part",
  stopped: "The torrent is stopped",
};

/** What a person has to know. Only what changed is touched, so that screen readers say nothing twice. */
function showNotices(notices) {
  const box = byId("notices");
  const words = notices.map((notice) => notice.message);
  if (JSON.stringify(words) === JSON.stringify([...box.children].map((line) => line.textContent))) return;
  box.replaceChildren(
    ...words.map((message) => element("p", "card notice", message)),
  );
}

function showWait(torrents) {
  const torrent = torrents.find((it) => it.infoHash === playing?.hash);
  const stream = torrent?.streams.find((it) => it.fileIndex === playing.index && it.waiting);
  byId("waiting").textContent = stream ? (REASONS[stream.waiting.reason] ?? "") : "";
}

async function toggle(hash) {
  if (open.delete(hash)) return show(last);
  try {
    files.set(hash, (await call("GET", `/torrents/${hash}`)).files);
    open.add(hash);
    show(last);
  } catch (error) {
    say(error.message, true);
  }
}

function play(hash, file) {
  playing = { hash, index: file.index };
  byId("stage").hidden = false;
  byId("playing").textContent = file.name;
  byId("video").src = file.url;
  byId("stage").scrollIntoView({ block: "nearest" });
}

function stop() {
  playing = undefined;
  byId("video").removeAttribute("src");
  byId("video").load();
  byId("stage").hidden = true;
}

async function remove(torrent) {
  if (!confirm(`Remove “${torrent.name}” and what it downloaded?`)) return;
  if (playing?.hash === torrent.infoHash) stop();
  try {
    const left = await call("DELETE", `/torrents/${torrent.infoHash}?data=1`);
    if (left.message) say(left.message);
  } catch (error) {
    say(error.message, true);
  }
}

function say(text, isBad = false) {
  byId("said").textContent = text;
  byId("said").toggleAttribute("data-bad", isBad);
}

async function add(type, body) {
  const keep = byId("keep").checked;
  say("Looking for it …");
  try {
    const added = await call("POST", keep ? "/add?keep=1" : "/add", type, body);
    say("");
    byId("magnet").value = "";
    files.set(added.infoHash, added.files);
    open.add(added.infoHash);
    show(last);
  } catch (error) {
    say(error.message, true);
  }
}

byId("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const magnet = byId("magnet").value.trim();
  if (magnet) add("application/json", JSON.stringify({ magnet }));
});
byId("choose").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", () => {
  const [file] = byId("file").files;
  byId("file").value = "";
  if (file) add("application/x-bittorrent", file);
});
byId("close").addEventListener("click", stop);
byId("video").addEventListener("error", () => {
  if (playing) byId("waiting").textContent = "This browser can't play it, or it did not come.";
});

const events = new EventSource(api("/events"));
events.addEventListener("open", () => link(true));
events.addEventListener("error", () => link(false));
events.addEventListener("message", (event) => {
  const { torrents, notices } = JSON.parse(event.data);
  showNotices(notices);
  show(torrents);
});

function link(isOn) {
  byId("dot").toggleAttribute("data-on", isOn);
  byId("link").textContent = isOn ? "Connected" : "Connecting";
}
