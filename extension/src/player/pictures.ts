// Pictures of a film for the bar, made by a worker of their own from what is on disk. The worker
// starts with the first question, and no sooner.

import type { FromPreview, ToPreview } from "../media/protocol";

/** Pixels; what the bar shows. */
const WIDTH = 160;

export class Pictures {
  private worker: Worker | undefined;
  private next = 0;
  private readonly asked = new Map<number, (picture: ImageBitmap | undefined) => void>();

  constructor(
    private readonly start: () => Worker = () => new Worker("preview.js", { type: "module" }),
  ) {}

  /** A picture near a time (seconds) of the film at `url`; `undefined` when there is none, or another was asked for since. */
  near(url: string, atS: number, signal: AbortSignal): Promise<ImageBitmap | undefined> {
    if (signal.aborted) return Promise.resolve(undefined);
    const worker = (this.worker ??= this.begin());
    const id = this.next++;
    return new Promise((resolve) => {
      this.asked.set(id, resolve);
      worker.postMessage({ id, url, at: atS, width: WIDTH } satisfies ToPreview);
    });
  }

  /** Ends the worker; what was asked has no answer. */
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
    // A worker that does not load answers nothing.
    worker.addEventListener("error", () => this.destroy());
    return worker;
  }
}
