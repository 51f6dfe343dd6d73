// Shows removed torrents at the bottom of the window, with Undo buttons.
//
// The engine says which torrents can be brought back. This module only keeps why an undo failed. It
// renders into its own element in the document.

import { render } from "lit";
import type { Host } from "../host/host";
import type { UndoProblem } from "./undo_view";
import { undoView } from "./undo_view";
import { engineWords } from "../text/sentence_words";

/** How long the reason of a failed undo is shown, in ms. */
const PROBLEM_MS = 8_000;

/** Shows removed torrents until the signal aborts. `back` is called after an undo. */
export function showRemoved(
  host: Host,
  back: (infoHash: string) => void,
  signal: AbortSignal,
): void {
  const place = document.createElement("div");
  place.className = "undo-place";
  // Announced when a torrent is removed, not each second.
  place.setAttribute("role", "status");
  document.body.append(place);
  signal.addEventListener("abort", () => place.remove(), { once: true });
  let problem: UndoProblem | undefined;
  /** Info hashes of torrents that a user is bringing back. */
  const returning = new Set<string>();

  async function undo(infoHash: string, name: string): Promise<void> {
    returning.add(infoHash);
    const reply = await host.intent({ kind: "undo_remove", infoHash });
    returning.delete(infoHash);
    if (reply.kind !== "failed") {
      back(infoHash);
      return;
    }
    const shown = { name, words: engineWords(reply) };
    problem = shown;
    show();
    setTimeout(() => {
      if (problem === shown) problem = undefined;
      show();
    }, PROBLEM_MS);
  }

  function show(): void {
    const removed = host.link.kind === "connected" ? (host.topic("list")?.world.removed ?? []) : [];
    const hadFocus = place.contains(document.activeElement);
    render(
      undoView(removed, problem, (infoHash, name) => void undo(infoHash, name)),
      place,
    );
    // The time to undo is over. While a torrent comes back, its row gets the focus.
    if (hadFocus && document.activeElement === document.body && returning.size === 0)
      document.querySelector<HTMLElement>("[data-testid=undo], [data-testid=add-link]")?.focus();
  }

  host.listen(show, signal);
  show();
}
