// Entry of the media worker: takes the player's messages, answers with the film and a MediaSource.

import type { Beside } from "./beside";
import type { Conversion } from "./conversion";
import { Cues } from "./cues";
import type { Stream } from "./film";
import { converted, inspect, type Inspected, soundOf } from "./inspect";
import { Patience } from "./patience";
import { Playback, type Source, troubleOf } from "./playback";
import type { Cue, FromWorker, MediaSourceHandle, ToWorker } from "./protocol";
import { RangeSource, readAll } from "./reader";

declare const self: {
  postMessage(message: FromWorker, transfer?: unknown[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent<ToWorker>) => void): void;
};

/** Largest font in bytes. */
const MOST_FONT = 32 << 20;

const post = (message: FromWorker, transfer: unknown[] = []): void =>
  self.postMessage(message, transfer);
const fail = (error: unknown): void => post({ kind: "trouble", ...troubleOf(error) });

const mse = (type: string): boolean => MediaSource.isTypeSupported(type);
const patience = new Patience();
let source: RangeSource | undefined;
let opened: Promise<Inspected | undefined> = Promise.resolve(undefined);
let encodesOpus = false;
let playback: Playback | undefined;
let conversion: Conversion | undefined;
let subtitles: ReadonlySet<number> = new Set();
/** For a converted film: its subtitle blocks, their reader, and the element's time. */
const cues = new Cues(sendCues);
let beside: Beside | undefined;
let position = 0;

self.addEventListener("message", ({ data }) => {
  switch (data.kind) {
    case "open":
      opened = open(data.url, new Set(data.elementTypes)).catch((error: unknown) => {
        fail(error);
        return undefined;
      });
      break;
    case "play":
      void play(data.at, data.audio).catch(fail);
      break;
    case "convert":
      void convert(data.at, data.audio).catch(fail);
      break;
    case "seek":
      position = data.at;
      (playback ?? conversion)?.seek(data.at);
      break;
    case "position":
      position = data.at;
      (playback ?? conversion)?.moved(data.at);
      break;
    case "audio":
      void opened.then((film) => {
        if (film && conversion) selectConverted(film, data.track);
        const stream = film?.demuxed?.streams.find(({ id }) => id === data.track);
        if (stream) playback?.selectAudio(stream);
      });
      break;
    case "subtitles":
      subtitles = new Set(data.tracks);
      playback?.selectSubtitles(subtitles);
      if (cues.select(subtitles)) beside?.select(position);
      break;
    case "length":
      void length(data.id);
      break;
    case "fonts":
      void fonts(data.id);
      break;
    case "font":
      void font(data.id, data.at, data.size);
      break;
    case "address":
      if (source) source.url = data.url;
      break;
    case "link":
      patience.tell(data.connected);
      break;
    case "measure":
      post({
        kind: "statistics",
        statistics: {
          fetched: (source?.fetched ?? 0) + (conversion?.fetched ?? 0),
          requests: (source?.requests ?? 0) + (conversion?.requests ?? 0),
          appended: (playback ?? conversion)?.appended ?? 0,
          buffered: (playback ?? conversion)?.peak ?? 0,
        },
      });
      break;
  }
});

async function open(url: string, elementTypes: ReadonlySet<string>): Promise<Inspected> {
  source = new RangeSource(url, undefined, undefined, undefined, patience);
  source.onWaiting = waiting;
  encodesOpus = await canEncodeOpus();
  // The `<video>` plays what Media Source Extensions accept in MP4 from any container.
  const inspected = await inspect(source, {
    mse,
    element: (type) => mse(type) || elementTypes.has(type),
    encodesOpus,
  });
  post({ kind: "opened", film: inspected.film, verdict: inspected.verdict });
  return inspected;
}

async function canEncodeOpus(): Promise<boolean> {
  if (!("AudioEncoder" in globalThis)) return false;
  const { supported } = await AudioEncoder.isConfigSupported({
    codec: "opus",
    sampleRate: 48_000,
    numberOfChannels: 2,
    bitrate: 128_000,
  });
  return supported === true;
}

async function play(at: number, audio: number | undefined): Promise<void> {
  const demuxed = (await opened)?.demuxed;
  if (!demuxed || playback || conversion) return;
  const media = await openSource();
  const sound = (stream: Stream) => soundOf(stream, { mse, encodesOpus });
  const heard = demuxed.streams.filter(
    (stream) => stream.type === "audio" && sound(stream) !== "impossible",
  );
  const chosen =
    heard.find(({ id }) => id === audio) ?? heard.find(({ isDefault }) => isDefault) ?? heard[0];
  playback = new Playback(demuxed, media, (stream) => sound(stream) === "transcoded", {
    cues: sendCues,
    begins: (begin) => post({ kind: "begins", at: begin }),
    duration: (duration) => post({ kind: "duration", duration }),
    audio: (track) => post({ kind: "audio", track }),
    trouble: fail,
  });
  playback.selectSubtitles(subtitles);
  playback.start(
    demuxed.streams.find(({ type }) => type === "video"),
    chosen,
    at,
  );
  if (demuxed.duration !== undefined) post({ kind: "duration", duration: demuxed.duration / 1e6 });
}

function sendCues(cues: Cue[]): void {
  post(
    { kind: "cues", cues },
    cues.map((cue) => cue.data.buffer),
  );
}

/** A MediaSource that the `<video>` has taken. */
async function openSource(): Promise<Source> {
  const media = new MediaSource() as MediaSource & { readonly handle: MediaSourceHandle };
  const open = new Promise((resolve) =>
    media.addEventListener("sourceopen", resolve, { once: true }),
  );
  const { handle } = media;
  post({ kind: "source", handle }, [handle]);
  await open;
  return media as unknown as Source;
}

async function convert(at: number, audio: number | undefined): Promise<void> {
  const inspected = await opened;
  if (!inspected || !source || playback || conversion) return;
  const { film, streams, measure } = inspected;
  const media = await openSource();
  const asked = film.audio.findIndex(({ id }) => id === audio);
  const chosen = Math.max(
    0,
    asked >= 0 ? asked : film.audio.findIndex(({ isDefault }) => isDefault),
  );
  const from = source;
  const [{ Conversion: Converted }, { Beside: Reader }] = await Promise.all([
    import("./conversion"),
    import("./beside"),
  ]);
  position = at;
  // The opened file is no longer read, except for subtitles.
  if (inspected.demuxed && film.subtitles.some(({ format }) => format !== "other")) {
    inspected.demuxed.rest?.();
    beside = new Reader(inspected.demuxed, cues);
  }
  conversion = new Converted(
    media,
    () => from.url,
    { duration: film.duration, origin: film.origin, video: converted(film, streams, mse) },
    chosen,
    {
      began: (begin) => beside?.began(begin),
      came: (to) => beside?.came(to),
      begins: (begin) => post({ kind: "begins", at: begin }),
      duration: (duration) => post({ kind: "duration", duration }),
      waiting,
      trouble: fail,
    },
    undefined,
    undefined,
    undefined,
    patience,
  );
  conversion.start(at);
  const track = film.audio[chosen]?.id;
  if (track !== undefined) post({ kind: "audio", track });
  if (film.duration !== undefined) post({ kind: "duration", duration: film.duration });
  else {
    const duration = await measure?.().catch(() => undefined);
    if (duration !== undefined) await conversion.lasts(duration / 1e6);
  }
  if (!beside) inspected.demuxed?.close();
}

function selectConverted({ film }: Inspected, track: number): void {
  const index = film.audio.findIndex(({ id }) => id === track);
  if (index < 0) return;
  conversion?.selectAudio(index);
  post({ kind: "audio", track });
}

async function length(id: number): Promise<void> {
  const duration = await opened
    .then((film) => film?.demuxed?.duration ?? film?.measure?.())
    .catch(() => undefined);
  post({ kind: "length", id, duration: duration === undefined ? undefined : duration / 1e6 });
}

async function fonts(id: number): Promise<void> {
  const found = await opened.then((film) => film?.demuxed?.fonts()).catch(() => undefined);
  post({ kind: "fonts", id, fonts: found ?? [] });
}

async function font(id: number, at: number, size: number): Promise<void> {
  const data =
    source && size <= MOST_FONT
      ? await readAll(source, at, size).catch(() => undefined)
      : undefined;
  post({ kind: "font", id, data: data?.length === size ? data : undefined });
}

let isWaiting = false;
function waiting(now: boolean): void {
  if (now === isWaiting) return;
  isWaiting = now;
  post({ kind: "waiting", waiting: now });
}
