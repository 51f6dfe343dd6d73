// The test page: plays a film and detects its flashes and beeps.
//
// Flashes are detected in presented frames, beeps in the sound through Web Audio.

import "../sentences";
import type { Cue, Film, Verdict } from "../../src/media/protocol";
import { FfmpegEngine } from "../../src/player/engines/ffmpeg";
import { MseEngine } from "../../src/player/engines/mse";
import { Subtitles, type BesideFile } from "../../src/player/subtitles/subtitles";

interface Event {
  /** Time of the page's clock in ms. */
  at: number;
  /** Time of the film in seconds. */
  media: number;
  /** A beep's pitch in Hz. */
  pitch?: number;
}

const video = document.querySelector("video")!;
/** The film with the subtitles over it. */
const stage = document.createElement("div");
const host = document.createElement("div");
stage.style.cssText = "position: relative; width: 640px; height: 360px; background: #000";
host.style.cssText = "position: absolute; inset: 0; pointer-events: none; overflow: hidden";
video.style.cssText = "display: block; width: 100%; height: 100%; object-fit: contain";
video.replaceWith(stage);
stage.append(video, host);
const canvas = new OffscreenCanvas(16, 9);
const context = canvas.getContext("2d", { willReadFrequently: true })!;

const state = {
  film: undefined as Film | undefined,
  verdict: undefined as Verdict | undefined,
  cues: [] as Cue[],
  troubles: [] as string[],
  flashes: [] as Event[],
  beeps: [] as Event[],
  frames: 0,
  firstFrame: undefined as number | undefined,
  /** The number and duration of stalls while playing. */
  stalls: 0,
  stalledMs: 0,
  duration: 0,
  audio: undefined as string | undefined,
};
let playback: MseEngine | FfmpegEngine | undefined;
let subtitles: Subtitles | undefined;
let since = 0;

let bright = false;
function look(_now: number, frame: VideoFrameCallbackMetadata): void {
  state.frames += 1;
  state.firstFrame ??= performance.now() - since;
  context.drawImage(video, 0, 0, 16, 9);
  const now = context.getImageData(12, 4, 1, 1).data[0]! > 128;
  if (now && !bright) state.flashes.push({ at: frame.expectedDisplayTime, media: frame.mediaTime });
  bright = now;
  video.requestVideoFrameCallback(look);
}
video.requestVideoFrameCallback(look);

const STEP = 256;
/** Number of blocks over which the pitch is measured, after the beep's first block. */
const COUNTED = 8;
async function listen(): Promise<void> {
  const audio = new AudioContext({ latencyHint: "interactive", sampleRate: 48_000 });
  const node = audio.createScriptProcessor(STEP, 2, 2);
  let loudBefore = 0;
  let counted = COUNTED;
  let crossings = 0;
  let side = 0;
  node.onaudioprocess = ({ inputBuffer, playbackTime }) => {
    const samples = inputBuffer.getChannelData(0);
    if (counted < COUNTED) {
      for (const sample of samples) {
        // Ignores noise near zero.
        if (Math.abs(sample) < 0.05 || Math.sign(sample) === side) continue;
        side = Math.sign(sample);
        crossings += 1;
      }
      counted += 1;
      const beep = state.beeps.at(-1);
      if (beep && counted === COUNTED) beep.pitch = (crossings / 2 / (COUNTED * STEP)) * 48_000;
    }
    const loud = samples.findIndex((sample) => Math.abs(sample) > 0.05);
    if (loud < 0) return;
    const time = playbackTime + loud / 48_000;
    if (time - loudBefore > 0.5) {
      const { contextTime, performanceTime } = audio.getOutputTimestamp();
      state.beeps.push({
        at: performanceTime! + (time - contextTime!) * 1000,
        media: video.currentTime,
        pitch: 0,
      });
      counted = crossings = 0;
    }
    loudBefore = time;
  };
  audio.createMediaElementSource(video).connect(node).connect(audio.destination);
  await audio.resume();
}

const mse = (url: string, at = 0) => fed(MseEngine, url, at);
const ffmpeg = (url: string, at = 0) => fed(FfmpegEngine, url, at);

async function fed(
  Kind: typeof MseEngine | typeof FfmpegEngine,
  url: string,
  at: number,
): Promise<void> {
  await listen();
  since = performance.now();
  video.autoplay = true;
  playback = new Kind(
    video,
    {
      inspected: (film, verdict) => {
        Object.assign(state, { film, verdict });
        subtitles?.setInside(film.subtitles);
      },
      cues: (cues) => {
        state.cues.push(...cues);
        subtitles?.take(cues);
      },
      failed: (words) => state.troubles.push(words),
      duration: (seconds) => (state.duration = seconds),
      audio: (_tracks, selected) => (state.audio = selected),
    },
    () => new Worker("worker.js", { type: "module" }),
  );
  playback.open({ url, path: "", length: 0, contentType: "" }, at);
}

async function plain(url: string): Promise<void> {
  await listen();
  since = performance.now();
  video.src = url;
  await video.play();
}

/** Draws subtitles over the next film. */
function titled(files: BesideFile[] = []): void {
  subtitles = new Subtitles(video, host, {
    selectSubtitles: (tracks) => playback?.selectSubtitles(tracks),
    fonts: () => playback?.fonts() ?? Promise.resolve([]),
    font: (at, size) => playback?.font(at, size) ?? Promise.resolve(undefined),
  });
  subtitles.setBeside(files);
  Object.assign(globalThis, { subtitles });
}

/**
 * What is drawn over the film: the lines of text, and the opaque part of the canvas, in pixels of
 * the canvas.
 */
function drawn() {
  const top = stage.getBoundingClientRect().top;
  const lines = [...host.querySelectorAll<HTMLElement>("[data-cue]")].map((line) => {
    const rect = line.getBoundingClientRect();
    return {
      text: line.innerText,
      place: line.parentElement!.dataset["place"],
      top: rect.top - top,
      bottom: rect.bottom - top,
      height: rect.height,
      italic: getComputedStyle(line.querySelector("span") ?? line).fontStyle,
    };
  });
  return { lines, canvas: canvasDrawn(), time: video.currentTime, children: host.children.length };
}

function canvasDrawn() {
  const canvas = host.querySelector("canvas");
  if (!canvas || canvas.width === 0) return undefined;
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d")!;
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  const box = { left: canvas.width, top: canvas.height, right: 0, bottom: 0 };
  let opaque = 0;
  for (let at = 3; at < data.length; at += 4) {
    if (data[at]! < 128) continue;
    const x = ((at - 3) / 4) % canvas.width;
    const y = Math.floor((at - 3) / 4 / canvas.width);
    opaque += 1;
    box.left = Math.min(box.left, x);
    box.top = Math.min(box.top, y);
    box.right = Math.max(box.right, x + 1);
    box.bottom = Math.max(box.bottom, y + 1);
  }
  return { width: canvas.width, height: canvas.height, opaque, box };
}

/**
 * The canvas's colour at a place. The place is given as shares of the canvas's width and height.
 */
function colour(x: number, y: number): number[] | undefined {
  const canvas = host.querySelector("canvas");
  if (!canvas || canvas.width === 0) return undefined;
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d")!;
  copy.drawImage(canvas, 0, 0);
  return [
    ...copy.getImageData(Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1).data,
  ];
}

/** Time from the start to the first frame in ms. */
async function first(): Promise<number> {
  while (state.firstFrame === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  return state.firstFrame;
}

/** Since when the element has been stalled, if it is. */
let stalledSince: number | undefined;
video.addEventListener("waiting", () => {
  if (video.seeking || state.firstFrame === undefined || stalledSince !== undefined) return;
  stalledSince = performance.now();
  state.stalls += 1;
});
for (const event of ["playing", "seeking"]) {
  video.addEventListener(event, () => {
    if (stalledSince !== undefined) state.stalledMs += performance.now() - stalledSince;
    stalledSince = undefined;
  });
}

function forget(): void {
  state.flashes = [];
  state.beeps = [];
  state.frames = 0;
  state.firstFrame = undefined;
  state.stalls = state.stalledMs = 0;
  bright = false;
}

/** Seeks. Resolves with the time until a new frame is presented, in ms. */
function seek(at: number, mostMs = 8000): Promise<number> {
  forget();
  const begin = performance.now();
  video.currentTime = at;
  return new Promise((resolve) => {
    const wait = (_now: number, frame: VideoFrameCallbackMetadata): void => {
      if (Math.abs(frame.mediaTime - at) < 1.5) resolve(performance.now() - begin);
      else video.requestVideoFrameCallback(wait);
    };
    video.requestVideoFrameCallback(wait);
    setTimeout(() => resolve(-1), mostMs);
  });
}

Object.assign(globalThis, {
  trial: {
    mse,
    ffmpeg,
    plain,
    seek,
    first,
    forget,
    speed: (rate: number) => (video.playbackRate = rate),
    state: () => ({
      ...state,
      error: video.error?.message,
      time: video.currentTime,
      ready: video.readyState,
      buffered: ranges(),
      ended: video.ended,
      cues: state.cues.map((cue) => ({ ...cue, data: new TextDecoder().decode(cue.data) })),
    }),
    measure: () => playback?.measure(),
    audio: (track: number) => playback?.selectAudio(String(track)),
    destroy: () => playback?.destroy(),
    titled,
    drawn,
    colour,
    linked: (connected: boolean) => playback?.linked(connected),
    subtitles: (tracks: number[]) => playback?.selectSubtitles(tracks),
    pause: () => video.pause(),
    play: () => video.play(),
  },
});

function ranges(): [number, number][] {
  return Array.from({ length: video.buffered.length }, (_, i) => [
    video.buffered.start(i),
    video.buffered.end(i),
  ]);
}
