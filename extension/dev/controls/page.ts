// The test page of the player's controls: a film, made-up pieces, and a session that records its
// calls.

import "../sentences";
import { Controls } from "../../src/player/controls/controls";
import type { ControlsModel } from "../../src/player/controls/model";
import { NO_FILM } from "../../src/player/controls/model";
import { NextCard } from "../../src/player/controls/next_card";
import { realClock } from "../../src/model/clock";

const calls: unknown[][] = [];
const note = (...call: unknown[]) => void calls.push(call);
const video = document.querySelector("video")!;
const stage = document.querySelector<HTMLElement>("#stage")!;
video.muted = true;

const noise = (cell: number) => (Math.sin(cell * 12.9) * 43758.5) % 1;
const verified = Array.from({ length: 200 }, (_, cell) =>
  cell < 90 || (cell > 110 && Math.abs(noise(cell >> 2)) > 0.75) ? 255 : 0,
);
const underway = verified.map((_, cell) =>
  (cell >= 90 && cell < 96) || (cell >= 150 && cell < 162) ? 230 : 0,
);

let model: ControlsModel = {
  ...NO_FILM,
  filmId: "film",
  title: "The Long Night – 02 – Harbour",
  pieces: { verified, underway },
  audio: {
    tracks: [
      { id: "1", label: "", language: "en" },
      { id: "2", label: "Director’s commentary", language: "en" },
      { id: "3", label: "", language: "ger" },
    ],
    selected: "1",
  },
  subtitles: {
    tracks: [
      { id: "4", label: "", language: "en" },
      { id: "5", label: "For the hard of hearing", language: "en" },
      { id: "6", label: "", language: "pt-BR" },
      {
        id: "7",
        label: "The.Long.Night.S01E02.Harbour.1080p.WEB.h264-RATHER-LONG.srt",
        language: "",
      },
    ],
    selected: "4",
    delayS: 0,
    size: 1,
  },
  hasNext: true,
  hasPrevious: true,
};

// Headless Chrome has neither wake locks nor picture-in-picture, so the page only records requests
// for them.
const locks: { released: boolean }[] = [];
Object.defineProperty(navigator, "wakeLock", {
  value: {
    request: async () => {
      const lock = { released: false, release: async () => void (lock.released = true) };
      locks.push(lock);
      note("wakeLock");
      return lock;
    },
  },
});
HTMLVideoElement.prototype.requestPictureInPicture = async () => {
  note("pip");
  return {} as PictureInPictureWindow;
};
Object.defineProperty(Document.prototype, "pictureInPictureEnabled", { value: true });

function change(part: Partial<ControlsModel>): void {
  model = { ...model, ...part };
  controls.update(model);
}

const lifetime = new AbortController();
const controls = new Controls(
  stage,
  video,
  {
    seek: (to) => {
      note("seek", to);
      video.currentTime = to;
    },
    selectAudio: (selected) => {
      note("audio", selected);
      change({ audio: { ...model.audio, selected } });
    },
    selectSubtitles: (selected) => {
      note("subtitles", selected ?? null);
      change({ subtitles: { ...model.subtitles, selected } });
    },
    addSubtitleFiles: (files) =>
      note(
        "files",
        files.map(({ name }) => name),
      ),
    setSubtitleDelay: (delayS) => {
      note("delay", delayS);
      change({ subtitles: { ...model.subtitles, delayS } });
    },
    setSubtitleSize: (size) => {
      note("size", size);
      change({ subtitles: { ...model.subtitles, size } });
    },
    next: () => note("next"),
    previous: () => note("previous"),
    preview: async (atS) => {
      note("preview", atS);
      const canvas = new OffscreenCanvas(160, 90);
      const context = canvas.getContext("2d")!;
      context.fillStyle = `hsl(${atS * 6} 60% 40%)`;
      context.fillRect(0, 0, 160, 90);
      return canvas.transferToImageBitmap();
    },
  },
  lifetime.signal,
);
controls.update(model);
const card = new NextCard(
  stage,
  realClock,
  { playNow: () => note("playNow"), cancelled: () => note("cancelled") },
  lifetime.signal,
);

Object.assign(globalThis, {
  trial: { calls, locks, change, card, controls, lifetime, model: () => model },
});
