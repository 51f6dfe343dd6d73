// Preview pictures for the seek bar: copies of shown frames, and pictures from the session.
//
// It never causes downloads: the session is asked only about places whose bytes are on disk. Pixels
// are not read back, so films of another origin are allowed.

import type { Clock } from "../../model/clock";

/** About 7 MB of pictures. */
const MOST_FRAMES = 120;
const FRAME_WIDTH = 160;
/** Distance between two kept frames, in seconds of film. */
const EVERY_S = 5;
/** How long the pointer must rest before the session is asked, in ms. */
const REST_MS = 120;

/** A ring of pictures with their times. The oldest one is dropped when it is full. */
export class Frames<T extends { close(): void }> {
  private frames: { atS: number; picture: T }[] = [];

  constructor(private readonly most = MOST_FRAMES) {}

  add(atS: number, picture: T): void {
    this.frames.push({ atS, picture });
    while (this.frames.length > this.most) this.frames.shift()!.picture.close();
  }

  /** The picture nearest to a time, if it is within a distance. */
  near(atS: number, withinS: number): T | undefined {
    let best: { atS: number; picture: T } | undefined;
    for (const frame of this.frames) {
      if (!best || Math.abs(frame.atS - atS) < Math.abs(best.atS - atS)) best = frame;
    }
    return best && Math.abs(best.atS - atS) <= withinS ? best.picture : undefined;
  }

  clear(): void {
    for (const { picture } of this.frames) picture.close();
    this.frames = [];
  }
}

/** Requests a picture of the film at a time in seconds. */
export type PreviewSource = (atS: number, signal: AbortSignal) => Promise<ImageBitmap | undefined>;

/** The preview picture for the pointer's place. */
export class Preview {
  /** The picture to show now. */
  picture: ImageBitmap | undefined;
  private readonly frames = new Frames<ImageBitmap>();
  private asking: AbortController | undefined;
  private canvas: OffscreenCanvas | undefined;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly clock: Clock,
    private readonly source: PreviewSource | undefined,
    private readonly changed: () => void,
  ) {}

  /** Copies the frame that the element shows, unless there is one of about this time. */
  capture(): void {
    const { video } = this;
    const { currentTime: atS, videoWidth, videoHeight } = video;
    const shows =
      video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && videoWidth > 0 && !video.seeking;
    if (!shows || document.hidden || this.frames.near(atS, EVERY_S / 2)) return;
    const width = Math.min(FRAME_WIDTH, videoWidth);
    const height = Math.max(1, Math.round((width * videoHeight) / videoWidth));
    const canvas = (this.canvas ??= new OffscreenCanvas(width, height));
    if (canvas.width !== width || canvas.height !== height)
      Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    if (!context) return;
    context.drawImage(video, 0, 0, width, height);
    this.frames.add(atS, canvas.transferToImageBitmap());
  }

  /**
   * Sets the pointer's place, or none. `isThere`: the bytes there are on disk. A picture within
   * `withinS` seconds is good enough.
   */
  look(atS: number | undefined, withinS: number, isThere: boolean): void {
    this.asking?.abort();
    this.asking = undefined;
    this.picture =
      atS === undefined ? undefined : this.frames.near(atS, Math.max(EVERY_S, withinS));
    if (atS === undefined || this.picture || !isThere || !this.source) return;
    const asking = (this.asking = new AbortController());
    const off = this.clock.after(REST_MS, () => void this.ask(atS, asking.signal));
    asking.signal.addEventListener("abort", off, { once: true });
  }

  /** Drops all pictures when another film is opened. */
  clear(): void {
    this.look(undefined, 0, false);
    this.frames.clear();
  }

  private async ask(atS: number, signal: AbortSignal): Promise<void> {
    const picture = await this.source?.(atS, signal).catch(() => undefined);
    if (!picture) return;
    if (signal.aborted) return picture.close();
    this.frames.add(atS, picture);
    this.picture = picture;
    this.changed();
  }
}
