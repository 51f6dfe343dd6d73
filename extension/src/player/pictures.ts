// Preview pictures of a film, decoded by a worker from bytes on disk.
//
// The worker starts with the first request.

import type { FromPreview, ToPreview } from "../media/protocol";

/** Width of the pictures in px. */
const WIDTH = 160;

/** Requests preview pictures from the worker. */
export class Pictures {
  private worker: Worker | undefined;
  private next = 0;
  private readonly asked = new Map<number, (picture: ImageBitmap | undefined) => void>();

  constructor(
    private readonly start: () => Worker = () => new Worker("preview.js", { type: "module" }),
  ) {}

  /**
   * A picture near a time in seconds of the film at `url`. `undefined` if there is none, or a newer
   * request came.
   */
  near(url: string, atS: number, signal: AbortSignal): Promise<ImageBitmap | undefined> {
    if (signal.aborted) return Promise.resolve(undefined);
    const worker = (this.worker ??= this.begin());
    const id = this.next++;
    return new Promise((resolve) => {
      this.asked.set(id, resolve);
      worker.postMessage({ id, url, at: atS, width: WIDTH } satisfies ToPreview);
    });
  }

  /** Ends the worker. Pending requests get no answer. */
  destroy(): void {
    this.worker?.terminate();
    this.worker = undefined;
    for (const resolve of this.asked.values()) resolve(undefined);
    this.asked.clear();
  }

  private begin(): Worker {
    const worker = this.start();
    worker.addEventListener("message", ({ data: { id, picture } }: MessageEvent<FromPreview>) => {
      const resolve = this.asked.get(id);
      this.asked.delete(id);
      if (resolve) resolve(picture);
      else picture?.close();
    });
    // A worker that fails to load answers nothing.
    worker.addEventListener("error", () => this.destroy());
    return worker;
  }
}
