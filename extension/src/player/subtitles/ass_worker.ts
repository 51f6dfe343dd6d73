// The worker that holds libass: jassub's renderer, called by the page's messages one after the other.
//
// It is a script of its own with files of its own beside it (the WebAssembly, a font), so that they can be replaced.

import { ASSRenderer } from "jassub/dist/worker/worker.js";
import type { FromAss, ToAss } from "./ass_protocol";

declare const self: {
  name: string;
  postMessage(message: FromAss): void;
  addEventListener(type: "message", listener: (event: MessageEvent<ToAss>) => void): void;
};

/** What libass may keep of drawn glyphs, MB. */
const MOST_BITMAPS = 64;

const post = (message: FromAss): void => self.postMessage(message);
let renderer: ASSRenderer | undefined;
let failed = false;
/** One message after the other: opening takes a while. */
let chain: Promise<unknown> = Promise.resolve();

// jassub starts this script again for threads, where it has them.
if (!self.name.startsWith("em-pthread")) {
  self.addEventListener("message", ({ data }) => {
    chain = chain
      .then(() => (failed ? undefined : take(data)))
      .catch((error: unknown) => {
        failed = true;
        post({ kind: "failed", detail: String(error) });
      });
  });
}

async function take(message: ToAss): Promise<void> {
  switch (message.kind) {
    case "open":
      await open(message);
      post({ kind: "ready" });
      break;
    case "events":
      for (const { line, startMs, durationMs } of message.events) renderer!.processChunk(line, startMs, durationMs);
      break;
    case "font":
      await renderer!.addFonts([message.data]);
      break;
    case "size": {
      const { width, height, pictureWidth, pictureHeight } = message.size;
      renderer!._resizeCanvas(width, height, pictureWidth, pictureHeight);
      break;
    }
    case "draw":
      renderer!._draw(message.time);
      post({ kind: "drawn" });
      break;
  }
}

async function open({ canvas, script, wasmUrl, fontUrl, size }: Extract<ToAss, { kind: "open" }>): Promise<void> {
  // Its constructor gives a promise, which is `undefined` where it failed.
  renderer = (await new ASSRenderer(
    {
      wasmUrl,
      width: size.width,
      height: size.height,
      subUrl: undefined,
      subContent: script,
      fonts: [fontUrl],
      availableFonts: {},
      defaultFont: "liberation sans",
      debug: false,
      libassMemoryLimit: MOST_BITMAPS,
      libassGlyphLimit: 0,
      queryFonts: false,
    },
    () => Promise.resolve(undefined),
    canvas,
  )) as ASSRenderer | undefined;
  if (!renderer) throw new Error("libass does not start");
  renderer._resizeCanvas(size.width, size.height, size.pictureWidth, size.pictureHeight);
}
