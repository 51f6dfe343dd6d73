// Entry of the worker that makes preview pictures.
//
// It makes one picture at a time. Of the waiting requests only the newest is served: places that
// the pointer only passed are skipped.

import { type KeyFrame, KeyFrames, decoderConfig } from "./preview";
import type { FromPreview, ToPreview } from "./protocol";

declare const self: {
  postMessage(message: FromPreview, transfer?: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent<ToPreview>) => void): void;
};

let frames: KeyFrames | undefined;
let next: ToPreview | undefined;
let isBusy = false;

self.addEventListener("message", ({ data }) => {
  if (next) self.postMessage({ id: next.id, picture: undefined });
  next = data;
  frames?.cancel();
  if (!isBusy) void work();
});

async function work(): Promise<void> {
  isBusy = true;
  while (next) {
    const { id, url, at, width } = next;
    next = undefined;
    if (frames?.url !== url) frames = new KeyFrames(url);
    const found = await frames.near(at);
    const picture = found && !next ? await decoded(found, width).catch(() => undefined) : undefined;
    self.postMessage({ id, picture }, picture ? [picture] : []);
  }
  isBusy = false;
}

/** A picture at most `most` px wide. */
async function decoded(found: KeyFrame, most: number): Promise<ImageBitmap | undefined> {
  const config = decoderConfig(found);
  if (
    !config ||
    !("VideoDecoder" in globalThis) ||
    !(await VideoDecoder.isConfigSupported(config)).supported
  )
    return undefined;
  const frame = await firstFrame(config, found.packet.data);
  if (!frame) return undefined;
  try {
    const width = Math.min(most, frame.displayWidth);
    const height = Math.max(1, Math.round((width * frame.displayHeight) / frame.displayWidth));
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d")?.drawImage(frame, 0, 0, width, height);
    return canvas.transferToImageBitmap();
  } finally {
    frame.close();
  }
}

async function firstFrame(
  config: VideoDecoderConfig,
  data: Uint8Array,
): Promise<VideoFrame | undefined> {
  let first: VideoFrame | undefined;
  const decoder = new VideoDecoder({
    output: (frame) => {
      if (first) frame.close();
      else first = frame;
    },
    error: () => {},
  });
  try {
    decoder.configure(config);
    decoder.decode(new EncodedVideoChunk({ type: "key", timestamp: 0, data }));
    await decoder.flush();
  } finally {
    if (decoder.state !== "closed") decoder.close();
  }
  return first;
}
