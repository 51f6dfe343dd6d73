// The player page: plays the films of one torrent, one at a time, while they download.
//
// It owns the document around the `<video>`, and decides which film is open. The film's session
// opens it and keeps it open. The document stays the same for all films, so full screen survives
// the change of episodes.

import { render } from "lit";
import type { Host } from "../host/host";
import { realClock } from "../model/clock";
import type { FileView } from "../model/generated/FileView";
import type { PiecesView } from "../model/generated/PiecesView";
import { playerPage, streamUrl } from "../model/locations";
import { splitPath } from "../text/format";
import { linkWords } from "../text/link_words";
import { t } from "../text/messages";
import { playlist, playlistName } from "../text/playlist";
import { soon } from "../ui/soon";
import { localStore } from "../ui/stores";
import { Controls } from "./controls/controls";
import type { ControlsModel } from "./controls/model";
import { NextCard } from "./controls/next_card";
import type { Neighbours } from "./episodes";
import { neighbours } from "./episodes";
import type { FilmName } from "./film_name";
import { topicOf } from "./film_name";
import { Session } from "./session";
import { recallSize, rememberSize } from "./subtitle_size";
import type { PlayerActions } from "./view";
import { footView, headView, overlayView } from "./view";

const PIECES_MS = 1_000;
const COPIED_MS = 1_500;

/** Starts the player in this document. */
export function startPlayer(host: Host): void {
  const find = <E extends Element>(selector: string) => document.querySelector<E>(selector)!;
  const head = find<HTMLElement>("#head");
  const stage = find<HTMLElement>("#stage");
  const overlay = find<HTMLElement>("#overlay");
  const layer = find<HTMLElement>("#subtitles");
  const foot = find<HTMLElement>("#foot");
  const video = find<HTMLVideoElement>("#video");

  const asked = addressOf(new URLSearchParams(location.search));
  let pieces: PiecesView | undefined;
  let copied: string | undefined;
  /** Why the user's own subtitle files were refused. */
  let refused: string | undefined;
  let subtitles: ControlsModel["subtitles"] = {
    tracks: [],
    selected: undefined,
    delayS: 0,
    size: 1,
  };
  let audio: ControlsModel["audio"] = { tracks: [], selected: undefined };
  const forever = new AbortController().signal;
  const update = soon(show);
  let session = open(asked.name, asked.startAt, !isBroughtBack());

  const controls = new Controls(
    stage,
    video,
    {
      seek: (to) => session.seek(to),
      selectAudio: (id) => session.selectAudio(id),
      selectSubtitles: (id) => session.selectSubtitles(id),
      addSubtitleFiles: (files) => void addSubtitles(files),
      setSubtitleDelay: (seconds) => (session.captions.delayS = seconds),
      setSubtitleSize: (factor) => {
        session.captions.size = factor;
        rememberSize(localStore, factor);
      },
      next: () => step(around().next),
      previous: () => step(around().previous),
      preview: (atS, signal) => session.preview(atS, signal),
    },
    forever,
  );
  const card = new NextCard(stage, realClock, { playNow: () => step(around().next) }, forever);

  const actions: PlayerActions = {
    act: (does) => {
      if (does === "retry") host.retry();
      else if (does === "take_over") host.takeOver();
      else if (does === "update") host.update();
      else if (does === "reload") session.reload();
      else if (does === "skip") session.skip();
      else session.resume();
    },
    play: () => void video.play().catch(() => {}),
    copy: () => void copyText(addressOfFilm() ?? "", "address"),
    copyRemedy: (command) => void copyText(command, "remedy"),
    playlist: () => downloadPlaylist(),
  };

  /** Opens a film in place of the current one. */
  function open(name: FilmName, startAt?: number, isOpenedByHand = true): Session {
    host.follow([topicOf(name), `torrent/${name.infoHash}`]);
    pieces = refused = undefined;
    const subtitleSize = recallSize(localStore);
    return new Session(
      { host, video, layer, clock: realClock, subtitleSize, isOpenedByHand, changed: update },
      name,
      startAt,
    );
  }

  function around(): Neighbours {
    return neighbours(
      host.topic(`torrent/${session.name.infoHash}`)?.files ?? [],
      session.name.index,
    );
  }

  function step(file: FileView | undefined): void {
    if (file) void change(file.index);
  }

  /** Changes to another film of the torrent. */
  async function change(index: number): Promise<void> {
    const { infoHash } = session.name;
    card.hide();
    await session.destroy();
    history.replaceState(null, "", playerPage(infoHash, index));
    session = open({ infoHash, index });
    update();
  }

  function show(): void {
    const { link } = host;
    const { status } = session;
    const { torrent, file } = session.view;
    const title = file ? splitPath(file.path).name : (torrent?.name ?? "JSTorrent");
    if (file) document.title = title;
    const audioOnly = file?.contentType.startsWith("audio/") ?? false;
    stage.classList.toggle("audio", audioOnly);
    render(headView(title, linkWords(link), link.kind), head);
    render(overlayView(status, session.starved, session.blocked, actions), overlay);
    const online = link.kind === "connected";
    const hint = refused ?? session.hint;
    render(
      footView({ status, torrent, file, hint, remedy: session.remedy, copied, online }, actions),
      foot,
    );
    const { previous, next } = around();
    controls.update({
      filmId: topicOf(session.name),
      title,
      pieces,
      audio: (audio = same(audio, { tracks: session.audio, selected: session.selectedAudio })),
      subtitles: (subtitles = same(subtitles, captionsModel())),
      hasNext: next !== undefined,
      hasPrevious: previous !== undefined,
      durationS: session.durationS ?? file?.durationS ?? undefined,
      audioOnly,
      beginsAtS: session.beginsAtS,
    });
  }

  function captionsModel(): ControlsModel["subtitles"] {
    const { tracks, selected, delayS, size } = session.captions;
    return { tracks, selected, delayS, size };
  }

  async function lookAtPieces(): Promise<void> {
    const { name, view } = session;
    if (!document.hidden && view.file) {
      const seen = await host.pieces(name.infoHash, name.index, controls.cells);
      if (session.name === name) pieces = seen ?? pieces;
      update();
    }
    setTimeout(() => void lookAtPieces(), PIECES_MS);
  }

  async function addSubtitles(files: readonly File[]): Promise<void> {
    const { captions } = session;
    const sentences = await captions.add(files);
    refused = sentences.length > 0 ? sentences.join(" ") : undefined;
    update();
  }

  function addressOfFilm(): string | undefined {
    const { file } = session.view;
    return file ? streamUrl(host.link, file) : undefined;
  }

  /** Saves a playlist for VLC, mpv and other players. */
  function downloadPlaylist(): void {
    const { file } = session.view;
    const url = addressOfFilm();
    if (!file || !url) return;
    const files = host.topic(`torrent/${session.name.infoHash}`)?.files ?? [];
    const beside = file.subtitles.flatMap(({ index }) =>
      files.filter((candidate) => candidate.index === index),
    );
    const title = splitPath(file.path).name;
    const text = playlist([
      {
        title,
        durationS: file.durationS,
        url,
        subtitles: beside.flatMap((it) => streamUrl(host.link, it) ?? []),
      },
    ]);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "audio/x-mpegurl" }));
    link.download = playlistName(title);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  async function copyText(text: string, what: string): Promise<void> {
    if (text === "") return;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // A page without HTTPS has no clipboard.
      prompt(t("playerCopyThis"), text);
      return;
    }
    copied = what;
    update();
    setTimeout(() => {
      copied = undefined;
      update();
    }, COPIED_MS);
  }

  video.addEventListener("ended", () => {
    const { next } = around();
    if (next) card.show(splitPath(next.path).name);
  });
  video.addEventListener("seeking", () => card.hide());
  // The controls report how much of the picture they cover.
  new MutationObserver(() => {
    session.captions.insetPx =
      Number.parseFloat(stage.style.getPropertyValue("--controls-inset")) || 0;
  }).observe(stage, { attributes: true, attributeFilter: ["style", "data-controls"] });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length > 0) void addSubtitles(files);
  });
  addEventListener("pagehide", () => {
    card.hide();
    void session.destroy();
  });
  // The browser restored the page from its back/forward cache.
  addEventListener("pageshow", (event) => {
    if (event.persisted) session = open(session.name, undefined, false);
  });

  update();
  void lookAtPieces();
}

/** Whether the browser reloaded this page or restored its tab by itself. */
function isBroughtBack(): boolean {
  const [navigation] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  const { wasDiscarded } = document as Document & { wasDiscarded?: boolean };
  return wasDiscarded === true || (navigation !== undefined && navigation.type !== "navigate");
}

/** Returns `before` if all its parts equal those of `now`. */
function same<T extends object>(before: T, now: T): T {
  return (Object.keys(now) as (keyof T)[]).every((key) => before[key] === now[key]) ? before : now;
}

/** The film that the page's address names, and where to begin. */
function addressOf(query: URLSearchParams): { name: FilmName; startAt: number | undefined } {
  const seconds = Number(query.get("t") ?? Number.NaN);
  return {
    name: { infoHash: query.get("torrent") ?? "", index: Number(query.get("file") ?? "0") },
    startAt: Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined,
  };
}
