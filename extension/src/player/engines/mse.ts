// Plays a film through the media worker, which demuxes it and decodes sound that the browser can't.

import type { Film as Inspected, ToWorker, Verdict } from "../../media/protocol";
import { FedEngine } from "./fed";
import { troubleWords } from "./words";

/** The engine that plays films through the media worker. */
export class MseEngine extends FedEngine {
  protected override plan(
    film: Inspected,
    verdict: Verdict,
    at: number,
    audio: number | undefined,
  ): ToWorker | string {
    // The selected track may need another way than the one that was judged.
    const path = film.audio.find(({ id }) => id === audio)?.path ?? verdict.path;
    if (path === "ffmpeg" || path === "none")
      return troubleWords(verdict.reason === "broken" ? "broken" : "unplayable", "");
    return { kind: "play", at, audio };
  }

  protected override offers({ sound }: Inspected["audio"][number]): boolean {
    return sound !== "impossible";
  }
}
