// Filters requests of pages that a worker receives twice.
//
// A page can't know whether the former worker carried out a request before it died, so it repeats
// unanswered requests to the new one. Invariant: a worker carries out each request once, and a
// repeated one only if doing it twice is harmless.

import type { PageRequest } from "../host/protocol";

/** How long after its start a worker gets repeated requests, in ms. Pages give up sooner. */
export const RECALL_MS = 120_000;

/** What to do with a request. */
export type Verdict = "act" | "lost" | "ignore";

/** The requests that one worker has received. */
export class Requests {
  private readonly heard = new Set<string>();

  /** `born` is when the worker started, in ms. */
  constructor(private readonly born: number) {}

  /** Decides what to do with a request. `again`: it was sent to an earlier worker, too. */
  judge(page: string, id: number, again: boolean, request: PageRequest, now: number): Verdict {
    if (now - this.born < RECALL_MS) {
      const name = `${page} ${id}`;
      if (this.heard.has(name)) return "ignore";
      this.heard.add(name);
    } else {
      this.heard.clear();
    }
    return again && !isSafeTwice(request) ? "lost" : "act";
  }
}

/** Whether doing it twice has the same effect and the same answer. */
function isSafeTwice(request: PageRequest): boolean {
  if (request.kind !== "intent") return true;
  switch (request.intent.kind) {
    case "adopt":
    case "decide":
    case "move":
    case "move_in_queue":
    case "recheck":
    case "remove":
    case "remove_tracker":
    case "rename_file":
    case "undo_remove":
      return false;
    default:
      return true;
  }
}
