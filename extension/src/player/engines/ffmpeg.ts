// Plays a film through the user's ffmpeg: the daemon runs it, the media worker feeds its output.

import type { Film as Inspected, ToWorker, Verdict } from "../../media/protocol";
import { FedEngine } from "./fed";
import { verdictWords } from "./words";

/** The engine that plays films through ffmpeg. */
export class FfmpegEngine extends FedEngine {
  protected override plan(
    film: Inspected,
    verdict: Verdict,
    at: number,
    audio: number | undefined,
  ): ToWorker | string {
    if (verdict.path === "none") return verdictWords(verdict, film);
    return { kind: "convert", at, audio };
  }

  protected override offers(): boolean {
    return true;
  }
}

/** What the daemon reports about ffmpeg. */
export type Ability =
  /**
   * `video` is its H.264 encoder. If empty, only pictures that the browser decodes can be played.
   */
  | { kind: "ready"; version: string; video: string; sound: string }
  /** In the daemon's words. */
  | { kind: "problem"; words: string };

/**
 * Asks the daemon at `base` (`http://127.0.0.1:PORT`) what it can convert. `undefined` when it does
 * not answer. Repeated calls are cheap.
 */
export async function ability(
  base: string,
  signal?: AbortSignal,
  fetcher: typeof fetch = fetch,
): Promise<Ability | undefined> {
  try {
    const reply = await fetcher(new URL("/convert", base), {
      cache: "no-store",
      ...(signal && { signal }),
    });
    if (!reply.ok) return undefined;
    const answer = (await reply.json()) as {
      ffmpeg?: { version?: unknown; video?: unknown; sound?: unknown };
      problem?: unknown;
    };
    if (answer.ffmpeg)
      return {
        kind: "ready",
        version: String(answer.ffmpeg.version ?? ""),
        video: String(answer.ffmpeg.video ?? ""),
        sound: String(answer.ffmpeg.sound ?? ""),
      };
    return { kind: "problem", words: String(answer.problem ?? "") };
  } catch {
    return undefined;
  }
}
