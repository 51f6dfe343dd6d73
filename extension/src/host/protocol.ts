// What pages and the engine's worker say to each other, over channels that only the extension's
// contexts can join.
//
// Pages speak on one channel, and each hears on its own. Both ends are parts of one build, so
// nothing is looked at twice: each message from the worker names its build, and a page that is of
// another takes nothing from it.

import type { Intent } from "../model/generated/Intent";
import type { IntentReply } from "../model/generated/IntentReply";
import type { PiecesView } from "../model/generated/PiecesView";
import type { Snapshot } from "../model/generated/Snapshot";
import type { TopicUpdate } from "../model/generated/TopicUpdate";
import type { LinkState } from "../model/link";

/** On which all pages speak. */
export const CHANNEL = "jstorrent";

/** On which one page hears. */
export function channelOf(page: string): string {
  return `${CHANNEL}/${page}`;
}

/** On which a new worker says that it is there. */
export const HELLO_CHANNEL = `${CHANNEL}/hello`;

/** The lock that a page holds while it exists: that is how the worker learns that it is gone. */
export function lockOf(page: string): string {
  return `page ${page}`;
}

/** Everything, as the console and tests see it. */
export interface PublishedState {
  link: LinkState;
  snapshot: Snapshot;
}

/** What a page asks of the worker. */
export type PageRequest =
  | { kind: "intent"; intent: Intent }
  | { kind: "pieces"; infoHash: string; fileIndex: number; cells: number }
  /** For the console and tests: all of it at once. */
  | { kind: "everything" }
  /** Try the daemon now instead of when the back-off ends. */
  | { kind: "retry" }
  /** Be the daemon's engine again after another one took it. */
  | { kind: "take_over" }
  /** Start the extension anew, with the update that is ready. */
  | { kind: "restart_extension" };

/** The worker's answer to a request. */
export type PageReply =
  | { kind: "intent"; reply: IntentReply }
  /** The engine could not be loaded: nothing was done. */
  | { kind: "no_engine" }
  | { kind: "pieces"; pieces: PiecesView | null }
  | { kind: "everything"; state: PublishedState }
  | { kind: "ok" }
  /** A former worker may have carried it out, or not, and doing it twice is not the same. */
  | { kind: "lost" };

/**
 * Page → worker. A page says `watch` when it comes, when what it follows changes, and to each new worker. `missing`: those topics that it needs as a
 * whole. `hidden`: it is in the background. `restart`: the worker is of an older build; it is to be replaced. `again`: an earlier worker was asked
 * the same and did not answer.
 */
export type PageMessage =
  | { kind: "watch"; page: string; topics: string[]; missing: string[]; hidden: boolean }
  | { kind: "leave"; page: string }
  | { kind: "restart" }
  | { kind: "request"; page: string; id: number; again: boolean; request: PageRequest };

/** A new worker → every page. */
export type HelloMessage = { build: string };

/** Worker → one page. `state` comes about every second, also when nothing changed; `session` is the worker's life. */
export type EngineMessage =
  | {
      kind: "state";
      build: string;
      session: string;
      link: LinkState;
      updateReady: boolean;
      updates: TopicUpdate[];
    }
  | { kind: "reply"; build: string; id: number; reply: PageReply };
