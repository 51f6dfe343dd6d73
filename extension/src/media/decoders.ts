// Sound decoders: AC-3, E-AC-3 and DTS in WebAssembly, PCM by hand, the rest with WebCodecs.
//
// Each WebAssembly decoder is a chunk of its own, loaded on demand. The packages' entry points
// start a worker from a blob, which the extension's policy forbids, so their modules run in this
// worker.

import type { Stream } from "./film";

/** Decoded sound, with one plane per channel. */
export interface Pcm {
  planes: Float32Array[];
  sampleRate: number;
  /** Presentation time in µs. */
  pts: number;
}

/** Decodes the sound frames of one track. */
export interface SoundDecoder {
  /** Decodes one frame. A damaged frame gives nothing. */
  decode(data: Uint8Array, pts: number): Pcm[] | Promise<Pcm[]>;
  flush(): Promise<Pcm[]>;
  close(): void;
}

/** The exports of the packages' modules (`bridge.c` in their sources). */
interface Bridge {
  HEAPU8: Uint8Array;
  cwrap(
    name: string,
    returns: string | null,
    takes: string[],
  ): (...values: (number | bigint)[]) => number;
}

/** Makes the decoder for a track. */
export async function decoderFor(stream: Stream): Promise<SoundDecoder> {
  switch (stream.codec) {
    case "ac3":
    case "eac3":
      return new WasmDecoder(await ac3(), stream.codec === "ac3" ? [0] : [1]);
    case "dts":
      return new WasmDecoder(await dts(), []);
    case "pcm":
      return new PcmDecoder(stream);
    default:
      return new BrowserDecoder(stream);
  }
}

let loading: Promise<unknown> = Promise.resolve();
let loadedAc3: Promise<Bridge> | undefined;
let loadedDts: Promise<Bridge> | undefined;

function ac3(): Promise<Bridge> {
  return (loadedAc3 ??= load(
    () => import("../../node_modules/@mediabunny/ac3/dist/modules/build/ac3.js"),
  ));
}

function dts(): Promise<Bridge> {
  return (loadedDts ??= load(
    () => import("../../node_modules/@mediabunny/dts/dist/modules/build/dts.js"),
  ));
}

/** The modules write to a global `exports`, so they are loaded one after the other. */
function load(module: () => Promise<unknown>): Promise<Bridge> {
  const loaded = loading.then(async () => {
    const exports: { default?: () => Promise<Bridge> } = {};
    (globalThis as { exports?: object }).exports = exports;
    await module();
    if (!exports.default) throw new Error("the decoder's module has no default export");
    return exports.default();
  });
  loading = loaded.catch(() => {});
  return loaded;
}

/** libavcodec's AVSampleFormat: planes of 16 bits, 32 bits, or floats. */
const S16P = 6;
const S32P = 7;
const FLTP = 8;
/** Largest sound frame in bytes. */
const MOST_FRAME = 1 << 20;

class WasmDecoder implements SoundDecoder {
  private readonly context: number;
  private readonly call: Record<
    "packet" | "decode" | "format" | "plane" | "channels" | "rate" | "count" | "close",
    (...values: (number | bigint)[]) => number
  >;

  constructor(
    private readonly bridge: Bridge,
    init: number[],
  ) {
    const wrap = (name: string, takes = 1) =>
      bridge.cwrap(name, "number", new Array<string>(takes).fill("number"));
    this.call = {
      packet: wrap("configure_decode_packet", 2),
      decode: wrap("decode_packet", 2),
      format: wrap("get_decoded_format"),
      plane: wrap("get_decoded_plane_ptr", 2),
      channels: wrap("get_decoded_channels"),
      rate: wrap("get_decoded_sample_rate"),
      count: wrap("get_decoded_sample_count"),
      close: wrap("close_decoder"),
    };
    this.context = wrap("init_decoder", init.length)(...init);
    if (this.context === 0) throw new Error("the decoder did not start");
  }

  decode(data: Uint8Array, pts: number): Pcm[] {
    if (data.length === 0 || data.length > MOST_FRAME) return [];
    const { call, context } = this;
    const at = call.packet(context, data.length);
    if (at === 0) return [];
    this.bridge.HEAPU8.set(data, at);
    if (call.decode(context, BigInt(Math.round(pts))) < 0) return [];
    const format = call.format(context);
    const count = call.count(context);
    const planes = Array.from({ length: Math.min(call.channels(context), 16) }, (_, index) =>
      this.plane(call.plane(context, index), count, format),
    );
    return planes.length === 0 ? [] : [{ planes, sampleRate: call.rate(context), pts }];
  }

  private plane(at: number, count: number, format: number): Float32Array {
    const { buffer } = this.bridge.HEAPU8;
    if (format === FLTP) return new Float32Array(buffer.slice(at, at + count * 4));
    if (format === S32P)
      return Float32Array.from(new Int32Array(buffer, at, count), (value) => value / 0x80000000);
    if (format === S16P)
      return Float32Array.from(new Int16Array(buffer, at, count), (value) => value / 0x8000);
    throw new Error(`unsupported sample format ${format}`);
  }

  flush(): Promise<Pcm[]> {
    return Promise.resolve([]);
  }

  close(): void {
    this.call.close(this.context);
  }
}

class PcmDecoder implements SoundDecoder {
  private readonly bytes: number;
  private readonly read: (view: DataView, at: number) => number;

  constructor(private readonly stream: Stream) {
    const little = !/BIG|be$/i.test(stream.codecString);
    const bits = stream.bitDepth || Number(/(\d+)/.exec(stream.codecString)?.[1] ?? 16);
    this.bytes = bits >> 3;
    const float = /FLOAT|f32|f64/.test(stream.codecString);
    if (float && bits === 32) this.read = (view, at) => view.getFloat32(at, little);
    else if (bits === 8) this.read = (view, at) => (view.getUint8(at) - 128) / 128;
    else if (bits === 24)
      this.read = (view, at) =>
        (little
          ? (view.getInt8(at + 2) << 16) | view.getUint16(at, true)
          : (view.getInt16(at) << 8) | view.getUint8(at + 2)) / 0x800000;
    else if (bits === 32) this.read = (view, at) => view.getInt32(at, little) / 0x80000000;
    else if (bits === 16) this.read = (view, at) => view.getInt16(at, little) / 0x8000;
    else throw new Error(`unsupported PCM with ${bits} bits`);
  }

  decode(data: Uint8Array, pts: number): Pcm[] {
    const { channels, sampleRate } = this.stream;
    const count = Math.floor(data.length / (this.bytes * channels));
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    const planes = Array.from({ length: channels }, (_, channel) => {
      const plane = new Float32Array(count);
      for (let i = 0; i < count; i += 1)
        plane[i] = this.read(view, (i * channels + channel) * this.bytes);
      return plane;
    });
    return count > 0 ? [{ planes, sampleRate, pts }] : [];
  }

  flush(): Promise<Pcm[]> {
    return Promise.resolve([]);
  }

  close(): void {}
}

/** For codecs that the browser decodes but does not accept in MP4, such as Vorbis. */
class BrowserDecoder implements SoundDecoder {
  private out: Pcm[] = [];
  private failure: Error | undefined;
  private readonly decoder: AudioDecoder;

  constructor(stream: Stream) {
    this.decoder = new AudioDecoder({
      output: (data) => {
        const planes = Array.from({ length: data.numberOfChannels }, (_, planeIndex) => {
          const plane = new Float32Array(data.numberOfFrames);
          data.copyTo(plane, { planeIndex, format: "f32-planar" });
          return plane;
        });
        this.out.push({ planes, sampleRate: data.sampleRate, pts: data.timestamp });
        data.close();
      },
      error: (error) => {
        this.failure = error;
      },
    });
    const codec = stream.codec === "mp3" ? "mp3" : stream.codecString;
    this.decoder.configure({
      codec,
      sampleRate: stream.sampleRate,
      numberOfChannels: stream.channels,
      ...(stream.config && stream.config.length > 0 ? { description: stream.config } : {}),
    });
  }

  async decode(data: Uint8Array, pts: number): Promise<Pcm[]> {
    if (this.failure) throw this.failure;
    this.decoder.decode(
      new EncodedAudioChunk({ type: "key", timestamp: pts, data: data as Uint8Array<ArrayBuffer> }),
    );
    if (this.decoder.decodeQueueSize > 16)
      await new Promise((resolve) =>
        this.decoder.addEventListener("dequeue", resolve, { once: true }),
      );
    return this.taken();
  }

  async flush(): Promise<Pcm[]> {
    if (this.decoder.state === "configured") await this.decoder.flush();
    return this.taken();
  }

  close(): void {
    if (this.decoder.state !== "closed") this.decoder.close();
  }

  private taken(): Pcm[] {
    const out = this.out;
    this.out = [];
    return out;
  }
}
