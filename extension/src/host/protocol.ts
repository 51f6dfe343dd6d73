// Messages between pages and the engine's worker, over BroadcastChannels of the extension.
//
// All pages send on one channel, and each receives on its own. Both ends are of one build, so
// messages are not validated. Each message from the worker names its build; a page of another build
// ignores it.

import type { Intent } from "../model/generated/Intent";
import type { IntentReply } from "../model/generated/IntentReply";
import type { PiecesView } from "../model/generated/PiecesView";
import type { Snapshot } from "../model/generated/Snapshot";
import type { TopicUpdate } from "../model/generated/TopicUpdate";
import type { LinkState } from "../model/link";

/** The channel on which all pages send. */
export const CHANNEL = "jstorrent";

/** The channel on which one page receives. */
export function channelOf(page: string): string {
  return `${CHANNEL}/${page}`;
}

/** The channel on which a new worker announces itself. */
export const HELLO_CHANNEL = `${CHANNEL}/hello`;

/**
 * The lock that a page holds while it is open. Its release tells the worker that the page has
 * closed.
 */
export function lockOf(page: string): string {
  return `page ${page}`;
}

/** The complete state, for the console and tests. */
export interface PublishedState {
  link: LinkState;
  snapshot: Snapshot;
}

/** A request of a page to the worker. */
export type PageRequest =
  | { kind: "intent"; intent: Intent }
  | { kind: "pieces"; infoHash: string; fileIndex: number; cells: number }
  /** For the console and tests: the complete state. */
  | { kind: "everything" }
  /** Try to connect to the daemon now, without waiting for the back-off. */
  | { kind: "retry" }
  /** Use the daemon again after another engine took it over. */
  | { kind: "take_over" }
  /** Restart the extension and install the update. */
  | { kind: "restart_extension" };

/** The worker's answer to a request. */
export type PageReply =
  | { kind: "intent"; reply: IntentReply }
  /** The engine could not be loaded; nothing was done. */
  | { kind: "no_engine" }
  | { kind: "pieces"; pieces: PiecesView | null }
  | { kind: "everything"; state: PublishedState }
  | { kind: "ok" }
  /** A former worker may have carried out the request, and repeating it could do harm. */
  | { kind: "lost" };

/**
 * Page → worker. A page sends `watch` when it opens, when its topics change, and to each new
 * worker. `missing`: topics that it needs whole. `hidden`: it is in the background. `restart`: the
 * worker is of an older build and must be replaced. `again`: an earlier worker got the same request
 * and did not answer.
 */
export type PageMessage =
  | { kind: "watch"; page: string; topics: string[]; missing: string[]; hidden: boolean }
  | { kind: "leave"; page: string }
  | { kind: "restart" }
  | { kind: "request"; page: string; id: number; again: boolean; request: PageRequest };

/** A new worker → every page. */
export type HelloMessage = { build: string };

/**
 * Worker → one page. `state` comes about every second, even without changes. `session` identifies
 * the worker.
 */
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
