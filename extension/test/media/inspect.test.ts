// What plays a film: the `<video>`, the worker, ffmpeg or nothing.

import { describe, expect, test } from "vitest";
import type { Codec, Stream } from "../../src/media/film";
import { type Capabilities, decide, inspect, sniff } from "../../src/media/inspect";
import type { Film } from "../../src/media/protocol";
import { sample, served } from "./bytes";

/** Chromium 156 without hardware decoding. */
const here: Capabilities = {
  mse: (type) => /codecs="(avc1|vp09|av01|mp4a\.40|opus|flac)/.test(type) && type.includes("/mp4"),
  element: (type) =>
    /codecs="(avc1|vp09|av01|mp4a\.40|opus|flac|vp8|vorbis|1)/.test(type) || type === "audio/mpeg",
  encodesOpus: true,
};

describe("real files", () => {
  const verdict = async (name: string, capabilities = here) =>
    (await inspect(served(sample(name)).source, capabilities)).verdict;
  test("AC-3 beside AAC, which is the default", async () =>
    expect(await verdict("ffmpeg.mkv")).toEqual({ path: "mse", reason: "tracks_to_choose" }));
  test("AC-3 alone", async () =>
    expect(await verdict("mkvmerge.mkv")).toEqual({ path: "mse", reason: "sound_transcoded" }));
  test("AAC in Matroska", async () =>
    expect(await verdict("live.mkv")).toEqual({ path: "native", reason: "plays_as_is" }));
  test("AAC in MP4", async () =>
    expect(await verdict("film.mp4")).toEqual({ path: "native", reason: "plays_as_is" }));
  test("nothing is transcoded where Opus can't be encoded", async () => {
    const { film, verdict: found } = await inspect(served(sample("mkvmerge.mkv")).source, {
      ...here,
      encodesOpus: false,
    });
    expect(film.audio.map(({ sound }) => sound)).toEqual(["impossible"]);
    expect(found).toEqual({ path: "ffmpeg", reason: "audio_codec" });
  });
  test("MP4 gives the same answer as Matroska", async () => {
    const { film } = await inspect(served(sample("film.mp4")).source, here);
    expect(film).toMatchObject({
      container: "mp4",
      video: [{ width: 64, height: 36 }],
      audio: [{ codec: "mp4a.40.2", sampleRate: 16000, channels: 1, sound: "copied" }],
    });
    expect(film.duration).toBeCloseTo(6, 0);
  });
});

describe("first bytes", () => {
  const of = (bytes: number[] | string) =>
    sniff(typeof bytes === "string" ? new TextEncoder().encode(bytes) : Uint8Array.from(bytes));
  test("containers", () => {
    expect(of([0x1a, 0x45, 0xdf, 0xa3])).toBe("matroska");
    expect(of("\0\0\0\x20ftypisom")).toBe("mp4");
    expect(of("RIFF\0\0\0\0AVI LIST")).toBe("avi");
    const ts = new Array<number>(600).fill(0);
    for (const at of [0, 188, 376]) ts[at] = 0x47;
    expect(of(ts)).toBe("mpegts");
    expect(of("Hello, this is text.")).toBe("unknown");
  });
  test("an empty file, one byte, and rubbish", async () => {
    const verdict = async (bytes: Uint8Array) =>
      (await inspect(served(bytes).source, here)).verdict;
    expect(await verdict(new Uint8Array(0))).toEqual({ path: "none", reason: "empty" });
    expect(await verdict(Uint8Array.of(0x1a))).toEqual({ path: "none", reason: "not_media" });
    expect(await verdict(new TextEncoder().encode("x".repeat(5000)))).toEqual({
      path: "none",
      reason: "not_media",
    });
    expect(await verdict(new TextEncoder().encode(`RIFF\0\0\0\0AVI ${"x".repeat(5000)}`))).toEqual({
      path: "ffmpeg",
      reason: "container",
    });
  });
  test("the mere first bytes of an MP4 or a transport stream are broken, not endless", async () => {
    const mp4 = new Uint8Array(4000);
    mp4.set(new TextEncoder().encode("\0\0\0\x20ftypisom"));
    expect((await inspect(served(mp4).source, here)).verdict.path).toBe("none");
    const cut = sample("film.mp4").subarray(0, 600);
    expect((await inspect(served(cut).source, here)).verdict.path).toBe("none");
  });
});

describe("decisions", () => {
  function check(
    video: Codec | undefined,
    audio: Codec[],
    expected: string,
    {
      container = "matroska",
      subtitles = false,
      encrypted = false,
      wanted = undefined as number | undefined,
    } = {},
  ) {
    const codec: Partial<Record<Codec, string>> = {
      h264: "avc1.640028",
      hevc: "hvc1.1.6.L93.B0",
      vp9: "vp09.00.10.08",
      aac: "mp4a.40.2",
      ac3: "ac-3",
    };
    const stream = (name: Codec, type: Stream["type"], id: number) =>
      ({
        id,
        type,
        codec: name,
        codecString: codec[name] ?? name,
        encrypted,
        isDefault: id === 1,
      }) as Stream;
    const streams = [
      ...(video ? [stream(video, "video", 0)] : []),
      ...audio.map((name, index) => stream(name, "audio", index + 1)),
    ];
    const sound = (name: Codec) =>
      ["aac", "opus", "flac"].includes(name)
        ? "copied"
        : name === "truehd" || name === "other"
          ? "impossible"
          : "transcoded";
    const film = {
      audio: audio.map((name, index) => ({ id: index + 1, sound: sound(name) })),
      subtitles: subtitles ? [{ format: "srt" }] : [],
    } as unknown as Film;
    const { path, reason } = decide(
      { container: container as "matroska", streams },
      film,
      here,
      wanted,
    );
    expect(`${path} ${reason}`).toBe(expected);
  }
  test("each kind of film", () => {
    check("h264", ["aac"], "native plays_as_is");
    check("h264", [], "native plays_as_is");
    check(undefined, ["flac"], "native plays_as_is");
    check("h264", ["ac3"], "mse sound_transcoded");
    check("vp9", ["dts"], "mse sound_transcoded");
    check("h264", ["aac", "ac3"], "mse tracks_to_choose");
    check("h264", ["truehd", "ac3"], "mse sound_transcoded");
    check("h264", ["aac"], "mse subtitles_inside", { subtitles: true });
    check("h264", ["aac"], "mse container", { container: "mpegts" });
    check("hevc", ["aac"], "ffmpeg video_codec");
    check("mpeg4", ["mp3"], "ffmpeg video_codec");
    check("h264", ["truehd"], "ffmpeg audio_codec");
    check("vp8", ["vorbis"], "native plays_as_is", { container: "webm" });
    check("vp8", ["vorbis", "vorbis"], "native plays_as_is", { container: "webm" });
    check("h264", ["aac", "ac3"], "native plays_as_is", { container: "mp4" });
    check("h264", ["ac3", "aac"], "mse sound_transcoded", { container: "mp4" });
    check("h264", ["aac"], "none encrypted", { encrypted: true });
    check(undefined, [], "none no_streams");
  });
  test("each kind of film with another sound track", () => {
    check("h264", ["aac", "aac"], "mse tracks_to_choose", { container: "mp4", wanted: 2 });
    check("h264", ["aac", "ac3"], "mse sound_transcoded", { container: "mp4", wanted: 2 });
    check("h264", ["aac", "aac"], "native plays_as_is", { container: "mp4", wanted: 1 });
    check("h264", ["aac", "truehd"], "ffmpeg audio_codec", { container: "mp4", wanted: 2 });
    check("h264", ["ac3", "truehd"], "ffmpeg audio_codec", { wanted: 2 });
    check("vp8", ["vorbis", "vorbis"], "ffmpeg video_codec", { container: "webm", wanted: 2 });
  });
});
