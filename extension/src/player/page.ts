// The player page: one file of one torrent, played while it comes.
//
// The `<video>` speaks to the daemon by itself; this page points it at the right address, keeps it there, and says what
// is going on. It is told nothing that a reload would lose, but for the place in the film, which it stores.

import { render } from "lit";
import { realClock } from "../model/clock";
import type { PiecesView } from "../model/generated/PiecesView";
import type { Host } from "../host/host";
import { percent, splitPath } from "../text/format";
import { linkWords } from "../text/link_words";
import { playerUrl, streamUrl } from "../model/locations";
import { soon } from "../ui/soon";
import type { Lack } from "./failure";
import { lackWords } from "./failure";
import { Carrier, isLookedInto } from "./carrier";
import type { MseListener } from "./engines/mse";
import { watchKeys } from "./keys";
import { recall, remember } from "./places";
import { Source } from "./source";
import type { Status } from "./status";
import { status, waitOf } from "./status";
import { cellsFor, paint, timeAt } from "./strip";
import type { PlayerActions } from "./view";
import { footView, headView, overlayView } from "./view";

const PIECES_MS = 1_000;
const REMEMBER_MS = 5_000;
const COPIED_MS = 1_500;
/** What a film lacks is told by what was not decoded in so many seconds of playing. */
const LACK_AFTER_S = 3;

/** Chrome counts what it decoded; the standard has no word for it. */
type CountingVideo = HTMLVideoElement & { readonly webkitAudioDecodedByteCount?: number };

/** Shows the player in this document. */
export function startPlayer(client: Host): void {
  const query = new URLSearchParams(location.search);
  const infoHash = query.get("torrent") ?? "";
  const fileIndex = Number(query.get("file") ?? "0");
  const film = `${infoHash}/${fileIndex}`;

  const find = <E extends Element>(selector: string) => document.querySelector<E>(selector)!;
  const head = find<HTMLElement>("#head");
  const stage = find<HTMLElement>("#stage");
  const overlay = find<HTMLElement>("#overlay");
  const foot = find<HTMLElement>("#foot");
  const strip = find<HTMLCanvasElement>("#strip");
  const video = find<CountingVideo>("#video");

  let pieces: PiecesView | undefined;
  let blocked = false;
  let copied = false;
  let lack: Lack = { picture: false, sound: false };
  let wasConnected = false;
  let playedS = 0;
  let lastTime = 0;
  const update = soon(show);

  client.follow([`film/${infoHash}/${fileIndex}`]);
  const carrier = new Carrier(video, () => {
    const { file } = current();
    return { path: file?.path ?? "", length: file?.length ?? 0, contentType: file?.contentType ?? "" };
  });
  const source = new Source(carrier, realClock, () => current().file?.path ?? "", update, startAt());
  /** Who opens the film is decided once its name is known. */
  let decided = false;
  let ready = false;
  const listener: MseListener = {
    // What the `<video>` plays by itself it plays best.
    inspected: (_, verdict) => {
      if (verdict.path === "native") playNatively();
    },
    audio: () => {},
    failed: (words, isFinal) => source.handleFailure(words, isFinal),
  };
  watchKeys(video);

  const actions: PlayerActions = {
    act: (does) => {
      if (does === "retry") client.retry();
      else if (does === "take_over") client.takeOver();
      else if (does === "update") client.update();
      else if (does === "reload") source.reload();
      else void client.intent({ kind: "resume", infoHash });
    },
    play: () => void video.play().catch(() => {}),
    copy: () => void copyAddress(),
  };

  /** Where to begin: where the address says, or where the film was left. */
  function startAt(): number {
    const asked = query.get("t");
    const seconds = asked === null ? recall(localStorage, film) : Number(asked);
    return Number.isFinite(seconds) && seconds > 0 ? seconds : 0;
  }

  function current() {
    const known = client.topic(`film/${infoHash}/${fileIndex}`);
    return { torrent: known?.torrent ?? undefined, file: known?.file ?? undefined, streams: known?.streams };
  }

  function handleState(): void {
    const { file } = current();
    wasConnected ||= client.link.kind === "connected";
    // A silent engine says nothing about the daemon, which may well be serving on.
    if (client.link.kind !== "reconnecting") {
      const url = file && playerUrl(client.link, file);
      if (file !== undefined && !decided) void decide(file.path);
      if (ready) source.setUrl(url);
    }
    update();
  }

  /** Loads what looks into films, if this one is to be looked into. An ordinary film does not wait for it. */
  async function decide(path: string): Promise<void> {
    decided = true;
    if (isLookedInto(path) && "MediaSource" in globalThis && "AudioEncoder" in globalThis) {
      // Without it the `<video>` plays what it can.
      const engine = await import("./engines/mse").catch(() => undefined);
      if (engine) carrier.use(engine.makeMse(video, listener));
    }
    ready = true;
    handleState();
  }

  function show(): void {
    const { link } = client;
    const { torrent, file, streams } = current();
    const starved = video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA && !video.ended;
    const now: Status = status({
      link,
      wasConnected,
      torrent,
      file,
      wait: waitOf(streams ?? []),
      media: {
        starved,
        paused: video.paused,
        seeking: video.seeking,
        ended: video.ended,
        opened: video.readyState > 0,
      },
      trouble: source.trouble,
      recovering: source.recovering,
    });
    if (file) {
      document.title = splitPath(file.path).name;
      stage.classList.toggle("audio", file.contentType.startsWith("audio/"));
      strip.setAttribute("aria-label", `${percent(file.verified, file.length)} of this file is there`);
    }
    render(headView(file, torrent, linkWords(link), link.kind), head);
    render(overlayView(now, starved, blocked, actions), overlay);
    const online = link.kind === "connected";
    render(footView({ status: now, torrent, file, hint: lackWords(lack), copied, online }, actions), foot);
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
    if (!document.hidden && current().file) {
      pieces = (await client.pieces(infoHash, fileIndex, cellsFor(strip.clientWidth))) ?? pieces;
      paintStrip();
    }
    setTimeout(() => void lookAtPieces(), PIECES_MS);
  }

  async function copyAddress(): Promise<void> {
    const { file } = current();
    const url = file && streamUrl(client.link, file);
    if (!url) return;
    await navigator.clipboard.writeText(url);
    copied = true;
    update();
    setTimeout(() => {
      copied = false;
      update();
    }, COPIED_MS);
  }

  /** The browser may want a click before it plays anything with sound. */
  function tryToPlay(): void {
    if (!video.paused || !video.autoplay) return;
    video.play().catch((error: unknown) => {
      blocked = error instanceof DOMException && error.name === "NotAllowedError";
      update();
    });
  }

  function handleTime(): void {
    const step = video.currentTime - lastTime;
    lastTime = video.currentTime;
    if (step > 0 && step < 1) playedS += step;
    if (playedS < LACK_AFTER_S) return;
    const isVideo = current().file?.contentType.startsWith("video/") ?? false;
    const picture = isVideo && video.videoWidth === 0;
    lack = { picture, sound: !picture && video.webkitAudioDecodedByteCount === 0 };
  }

  function playNatively(): void {
    carrier.use(undefined);
    source.reload();
  }

  function rememberPlace(): void {
    if (video.readyState > 0) remember(localStorage, film, video.currentTime, video.duration, Date.now());
  }

  const on = (types: string[], listener: () => void) => types.forEach((type) => video.addEventListener(type, listener));
  on(["loadedmetadata"], () => source.handleMetadata());
  on(["timeupdate", "seeking"], () => source.handleMove());
  on(["timeupdate"], handleTime);
  on(["playing", "seeked"], () => source.handleShown());
  on(["play"], () => source.handleWish(true));
  on(["pause"], () => source.handleWish(false));
  on(["playing"], () => (blocked = false));
  // Once it plays, a pause is a person's wish that a later `canplay` must not undo.
  on(["playing"], () => (video.autoplay = false));
  on(["canplay"], tryToPlay);
  on(["error"], () => source.handleError());
  on(
    ["loadedmetadata", "waiting", "stalled", "playing", "pause", "seeking", "seeked", "ended", "error", "canplay", "progress", "timeupdate", "emptied"],
    update,
  );

  strip.addEventListener("click", (event) => {
    if (video.readyState > 0) video.currentTime = timeAt(event.offsetX, video.duration, strip.clientWidth);
  });
  new ResizeObserver(paintStrip).observe(strip);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintStrip);
  setInterval(rememberPlace, REMEMBER_MS);
  addEventListener("pagehide", rememberPlace);

  client.listen(handleState, new AbortController().signal);
  handleState();
  void lookAtPieces();
}
