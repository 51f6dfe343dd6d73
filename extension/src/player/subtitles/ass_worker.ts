// The libass worker: handles the page's messages in order with jassub's renderer.
//
// The WebAssembly and the font are separate files beside the script, so that they can be replaced.

import { ASSRenderer } from "jassub/dist/worker/worker.js";
import type { AssStyle } from "./ass_look";
import { pinned, pinnedScript, restyled, scriptHeight } from "./ass_look";
import type { FromAss, Size, ToAss } from "./ass_protocol";

declare const self: {
  name: string;
  postMessage(message: FromAss): void;
  addEventListener(type: "message", listener: (event: MessageEvent<ToAss>) => void): void;
};

/** Limit of libass's glyph cache, in MB. */
const MOST_BITMAPS = 64;

const post = (message: FromAss): void => self.postMessage(message);
let renderer: ASSRenderer | undefined;
let failed = false;
/** The script's own styles, and the changed ones. */
let styles: AssStyle[] = [];
let height = 0;
let shown: Size | undefined;
/** Whether the picture must be drawn again although the time is the same. */
let stale = false;
/** Messages are handled one after the other, because opening takes a while. */
let chain: Promise<unknown> = Promise.resolve();

// jassub starts this script again for its threads.
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
      for (const { line, startMs, durationMs } of message.events)
        renderer!.processChunk(pinned(line, 2, marginOf), startMs, durationMs);
      break;
    case "font":
      await renderer!.addFonts([message.data]);
      break;
    case "size":
      show(message.size);
      break;
    case "draw":
      renderer!._draw(message.time, stale);
      stale = false;
      post({ kind: "drawn" });
      break;
  }
}

async function open({
  canvas,
  script,
  wasmUrl,
  fontUrl,
  size,
}: Extract<ToAss, { kind: "open" }>): Promise<void> {
  // Its constructor returns a promise, which is `undefined` if it failed.
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
  if (!renderer) throw new Error("libass failed to start");
  styles = renderer.getStyles() as AssStyle[];
  height = scriptHeight(script);
  const own = pinnedScript(script, marginOf);
  if (own !== script) {
    renderer.freeTrack();
    renderer.setTrack(own);
    styles = renderer.getStyles() as AssStyle[];
  }
  show(size);
}

function marginOf(name: string): number | undefined {
  return (styles.findLast((style) => style.Name === name) ?? styles.at(-1))?.MarginV;
}

function show(size: Size): void {
  const { width, height: lines, pictureWidth, pictureHeight, look } = size;
  const before = shown;
  shown = size;
  stale = true;
  if (
    before?.width !== width ||
    before.height !== lines ||
    before.pictureWidth !== pictureWidth ||
    before.pictureHeight !== pictureHeight
  )
    renderer!._resizeCanvas(width, lines, pictureWidth, pictureHeight);
  const { scale, covered } = before?.look ?? { scale: 1, covered: 0 };
  if (scale === look.scale && covered === look.covered) return;
  for (const [index, style] of styles.entries())
    renderer!.setStyle(restyled(style, look, height) as never, index);
  // libass keeps a line's old position unless the frame's size changes.
  for (const other of [lines + 1, lines])
    renderer!._wasm.resizeCanvas(width, other, pictureWidth, pictureHeight);
}
