// Requests of pages that a worker may hear twice: once by itself, and once more because its
// predecessor was replaced.
//
// A page can't know whether the former worker acted on a request before it went. So it says all
// that is unanswered again when a new worker says hello. Invariant: a worker acts on a request
// once, and on one that its predecessor may have carried out only if twice is as good as once.

import type { PageRequest } from "../host/protocol";

/** So long after its birth a worker is asked again, ms: pages give requests up sooner. */
export const RECALL_MS = 120_000;

/** What becomes of a request. */
export type Verdict = "act" | "lost" | "ignore";

/** What one worker has heard. */
export class Requests {
  private readonly heard = new Set<string>();

  /** `born`: when the worker began, ms. */
  constructor(private readonly born: number) {}

  /** What is to be done about this one; `again`: it was said to an earlier worker, too. */
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

/** Whether doing it twice comes to the same, also in what is answered. */
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
