// Explains why a film can't be played, and what helps.

import type { Film, Verdict } from "../../media/protocol";
import type { PageLink } from "../../model/link";
import { ability } from "./ffmpeg";
import { installCommand, verdictWords } from "./words";

/**
 * A sentence about the film, and a command that helps. The sentence is empty if the daemon's own
 * words are enough: ffmpeg is installed and failed.
 */
export async function explanation(
  film: Film,
  verdict: Verdict,
  link: PageLink,
  signal: AbortSignal,
): Promise<{ text: string; command: string | undefined }> {
  const lacksFfmpeg =
    verdict.path === "ffmpeg" &&
    link.kind === "connected" &&
    (await ability(link.baseUrl, signal))?.kind === "problem";
  return {
    text: lacksFfmpeg || verdict.path === "none" ? verdictWords(verdict, film) : "",
    command: lacksFfmpeg ? installCommand(navigator.platform) : undefined,
  };
}
