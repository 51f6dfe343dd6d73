// Filters requests of pages that a worker receives twice.
//
// A page can't know whether the former worker carried out a request before it died, so it repeats
// unanswered requests to the new one. Invariant: a worker carries out each request once, and a
// repeated one only if doing it twice is harmless.

import type { PageRequest } from "../host/protocol";
import type { Intent } from "../model/generated/Intent";

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
  return request.kind !== "intent" || SAFE_TWICE[request.intent.kind];
}

/** Whether an intent that is carried out twice has the same effect and the same answer. */
const SAFE_TWICE: Readonly<Record<Intent["kind"], boolean>> = {
  add_torrent: true,
  add_magnet: true,
  add_url: true,
  add_peers: true,
  set_sharing: true,
  configure: true,
  pause: true,
  resume: true,
  set_priorities: true,
  decide: false,
  move_in_queue: false,
  announce: true,
  add_trackers: true,
  remove_tracker: false,
  magnet_link: true,
  torrent_file: true,
  report: true,
  recheck: false,
  adopt: false,
  cancel_recheck: true,
  move: false,
  rename_file: false,
  watched: true,
  set_watched: true,
  choose: true,
  prepare: true,
  remove: false,
  undo_remove: false,
  show_in_folder: true,
  set_download_folder: true,
};
