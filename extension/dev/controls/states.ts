// The test page of the player's messages: it shows the player in each state.

import "../sentences";
import { render } from "lit";
import type { PageLink } from "../../src/model/link";
import { realClock } from "../../src/model/clock";
import { linkWords } from "../../src/text/link_words";
import { Controls } from "../../src/player/controls/controls";
import { NO_FILM } from "../../src/player/controls/model";
import { damagedPlace } from "../../src/player/failure";
import type { Situation } from "../../src/player/status";
import { status } from "../../src/player/status";
import type { Foot, PlayerActions } from "../../src/player/view";
import { footView, headView, overlayView } from "../../src/player/view";
import { file, torrent, wait } from "../../test/samples";

const find = <E extends HTMLElement>(selector: string) => document.querySelector<E>(selector)!;
const title = "The Long Night – 02 – Harbour.1080p.WEB.h264-RATHER-LONG-NAME.mkv";
const calls: unknown[][] = [];
const actions: PlayerActions = {
  act: (does) => calls.push(["act", does]),
  play: () => calls.push(["play"]),
  copy: () => calls.push(["copy"]),
  copyRemedy: (command) => calls.push(["copyRemedy", command]),
  playlist: () => calls.push(["playlist"]),
};

const connected: PageLink = { kind: "connected", baseUrl: "http://127.0.0.1:1", version: "1" };
const film = file({ path: title, length: 1_234_567_890, verified: 234_567_890 });
const fetching = torrent({
  name: "The Long Night",
  peers: 12,
  knownPeers: 40,
  downRateBps: 3_400_000,
  length: film.length,
});
const starved = { starved: true, paused: false, seeking: false, ended: false, opened: true };
const usual: Situation = {
  link: connected,
  wasConnected: true,
  known: true,
  torrent: fetching,
  file: film,
  wait: undefined,
  media: { ...starved, starved: false },
  trouble: undefined,
  recovering: false,
};

/** How a state of the player differs from the usual one. */
interface State {
  situation?: Partial<Situation>;
  foot?: Partial<Foot>;
  blocked?: boolean;
}

const states: Record<string, State> = {
  playing: {},
  waiting: { situation: { media: starved, wait: wait() } },
  retrying: { situation: { media: starved, recovering: true } },
  paused: {
    situation: {
      media: starved,
      torrent: { ...fetching, state: "paused", peers: 0, downRateBps: 0 },
    },
  },
  fulldisk: {
    situation: {
      media: starved,
      torrent: {
        ...fetching,
        state: "error",
        message: "The disk is full. Free some space; it continues automatically.",
        peers: 0,
        downRateBps: 0,
      },
    },
  },
  skip: { situation: { media: starved, trouble: damagedPlace() } },
  lost: { situation: { media: starved, link: { kind: "connecting" } }, foot: { online: false } },
  remedy: {
    situation: { media: starved, trouble: { words: "HEVC video: needs ffmpeg.", isHere: false } },
    foot: { remedy: "sudo apt install ffmpeg", hint: undefined },
  },
  hint: {
    foot: { hint: "No sound: this film has none, or Chrome can’t decode it (often AC-3 or DTS)." },
  },
  blocked: { situation: { media: { ...starved, starved: false, paused: true } }, blocked: true },
};

function show(name: string): void {
  const { situation, foot, blocked = false } = states[name]!;
  const whole = { ...usual, ...situation };
  const shown = status(whole);
  render(headView(title, linkWords(whole.link), whole.link.kind), find("#head"));
  render(overlayView(shown, whole.media.starved, blocked, actions), find("#overlay"));
  const rest = { status: shown, torrent: whole.torrent ?? null, file: whole.file ?? null };
  const lines: Foot = {
    hint: undefined,
    remedy: undefined,
    copied: undefined,
    online: true,
    ...foot,
    ...rest,
  };
  render(footView(lines, actions), find("#foot"));
}

const verified = Array.from({ length: 200 }, (_, cell) => (cell < 90 ? 255 : 0));
const idle = () => {};
const controls = new Controls(
  find("#stage"),
  find<HTMLVideoElement>("video"),
  {
    seek: idle,
    selectAudio: idle,
    selectSubtitles: idle,
    addSubtitleFiles: idle,
    setSubtitleDelay: idle,
    setSubtitleSize: idle,
    next: idle,
    previous: idle,
  },
  new AbortController().signal,
  realClock,
);
controls.update({
  ...NO_FILM,
  filmId: "film",
  title,
  pieces: { verified, underway: verified.map(() => 0) },
  hasNext: true,
});
show("playing");
Object.assign(globalThis, { trial: { show, calls, states: Object.keys(states) } });
