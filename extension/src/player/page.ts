// The player page: the films of one torrent, one at a time, played while they come.
//
// It holds the document: what surrounds the `<video>`, and which film is in it. How a film is opened and kept open is its
// session's business. The document outlives its films, so that full screen outlives an episode.

import { render } from "lit";
import type { Host } from "../host/host";
import { realClock } from "../model/clock";
import type { PiecesView } from "../model/generated/PiecesView";
import { playerPage, streamUrl } from "../model/locations";
import { percent, splitPath } from "../text/format";
import { linkWords } from "../text/link_words";
import { soon } from "../ui/soon";
import { neighbours } from "./episodes";
import { lackWords } from "./failure";
import { watchKeys } from "./keys";
import type { FilmName } from "./session";
import { Session, topicOf } from "./session";
import { cellsFor, paint, timeAt } from "./strip";
import type { PlayerActions } from "./view";
import { footView, headView, overlayView } from "./view";

const PIECES_MS = 1_000;
const COPIED_MS = 1_500;

/** Shows the player in this document. */
export function startPlayer(host: Host): void {
  const find = <E extends Element>(selector: string) => document.querySelector<E>(selector)!;
  const head = find<HTMLElement>("#head");
  const stage = find<HTMLElement>("#stage");
  const overlay = find<HTMLElement>("#overlay");
  const foot = find<HTMLElement>("#foot");
  const strip = find<HTMLCanvasElement>("#strip");
  const video = find<HTMLVideoElement>("#video");

  const asked = addressOf(new URLSearchParams(location.search));
  let pieces: PiecesView | undefined;
  let copied = false;
  const update = soon(show);
  let session = open(asked.name, asked.startAt);

  const actions: PlayerActions = {
    act: (does) => {
      if (does === "retry") host.retry();
      else if (does === "take_over") host.takeOver();
      else if (does === "update") host.update();
      else if (does === "reload") session.reload();
      else void host.intent({ kind: "resume", infoHash: session.name.infoHash });
    },
    play: () => void video.play().catch(() => {}),
    copy: () => void copyAddress(),
  };

  /** Opens a film in place of whatever is open. */
  function open(name: FilmName, startAt?: number): Session {
    host.follow([topicOf(name), `torrent/${name.infoHash}`]);
    pieces = undefined;
    return new Session({ host, video, clock: realClock, store: localStorage, changed: update }, name, startAt);
  }

  /** Goes on with another film of the torrent. */
  async function change(index: number): Promise<void> {
    const { infoHash } = session.name;
    await session.destroy();
    history.replaceState(null, "", playerPage(infoHash, index));
    session = open({ infoHash, index });
    update();
  }

  function show(): void {
    const { link } = host;
    const { status } = session;
    const { torrent, file } = session.view;
    if (file) {
      document.title = splitPath(file.path).name;
      stage.classList.toggle("audio", file.contentType.startsWith("audio/"));
      strip.setAttribute("aria-label", `${percent(file.verified, file.length)} of this file is there`);
    }
    render(headView(file, torrent, linkWords(link), link.kind), head);
    render(overlayView(status, session.starved, session.blocked, actions), overlay);
    const online = link.kind === "connected";
    render(footView({ status, torrent, file, hint: lackWords(session.lack), copied, online }, actions), foot);
    paintStrip();
  }

  function paintStrip(): void {
    const scale = devicePixelRatio;
    const width = Math.round(strip.clientWidth * scale);
    const height = Math.round(strip.clientHeight * scale);
    if (strip.width !== width) strip.width = width;
    if (strip.height !== height) strip.height = height;
    const context = strip.getContext("2d");
    if (!context || width === 0) return;
    const buffered = Array.from({ length: video.buffered.length }, (_, index) => ({
      start: video.buffered.start(index),
      end: video.buffered.end(index),
    }));
    const style = getComputedStyle(strip);
    const colours = {
      track: style.getPropertyValue("--strip-track"),
      accent: style.getPropertyValue("--strip-lit"),
      playhead: style.getPropertyValue("--strip-head"),
      page: style.getPropertyValue("--strip-page"),
    };
    paint(context, { pieces, time: video.currentTime, duration: video.duration, buffered }, colours, scale);
  }

  async function lookAtPieces(): Promise<void> {
    const { name, view } = session;
    if (!document.hidden && view.file) {
      const seen = await host.pieces(name.infoHash, name.index, cellsFor(strip.clientWidth));
      if (session.name === name) pieces = seen ?? pieces;
      paintStrip();
    }
    setTimeout(() => void lookAtPieces(), PIECES_MS);
  }

  async function copyAddress(): Promise<void> {
    const { file } = session.view;
    const url = file ? streamUrl(host.link, file) : undefined;
    if (!url) return;
    await navigator.clipboard.writeText(url);
    copied = true;
    update();
    setTimeout(() => {
      copied = false;
      update();
    }, COPIED_MS);
  }

  watchKeys(video, {
    next: (step) => {
      const files = host.topic(`torrent/${session.name.infoHash}`)?.files ?? [];
      const around = neighbours(files, session.name.index);
      const file = step > 0 ? around.next : around.previous;
      if (file) void change(file.index);
    },
  });
  strip.addEventListener("click", (event) => {
    if (video.readyState > 0) video.currentTime = timeAt(event.offsetX, video.duration, strip.clientWidth);
  });
  new ResizeObserver(paintStrip).observe(strip);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintStrip);
  addEventListener("pagehide", () => void session.destroy());
  // The page came back from where a browser keeps pages that were left.
  addEventListener("pageshow", (event) => {
    if (event.persisted) session = open(session.name);
  });

  update();
  void lookAtPieces();
}

/** Which film an address of this page names, and where to begin. */
function addressOf(query: URLSearchParams): { name: FilmName; startAt: number | undefined } {
  const seconds = Number(query.get("t") ?? Number.NaN);
  return {
    name: { infoHash: query.get("torrent") ?? "", index: Number(query.get("file") ?? "0") },
    startAt: Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined,
  };
}
