// What a page knows of the program that hosts it: the extension, a server, or a fake.
//
// A page follows topics, is notified of changes, and sends intents. It does not know how they
// travel. The types of the state are generated from the engine (model/generated).

import type { Intent } from "../model/generated/Intent";
import type { IntentReply } from "../model/generated/IntentReply";
import type { PiecesView } from "../model/generated/PiecesView";
import type { PageLink } from "../model/link";
import type { TopicName, TopicState } from "../model/topics";

/** A page's connection to the engine. */
export interface Host {
  /** The state of the connection to engine and daemon. */
  readonly link: PageLink;
  /** Whether an update waits for `restart`. */
  readonly updateReady: boolean;
  /** Follows exactly these topics. The same topics again change nothing. */
  follow(names: readonly TopicName[]): void;
  /**
   * The state of a followed topic. `undefined` until it is known. Unchanged parts stay the same
   * objects.
   */
  topic<N extends TopicName>(name: N): TopicState<N> | undefined;
  /** Calls back whenever the link or a topic changed, until the signal aborts. */
  listen(changed: () => void, signal: AbortSignal): void;
  /** Sends an intent to the engine. Never throws. */
  intent(intent: Intent): Promise<IntentReply>;
  /**
   * The pieces of a file, summed up into at most `cells` cells. `undefined` if there is no such
   * file or no answer.
   */
  pieces(infoHash: string, fileIndex: number, cells: number): Promise<PiecesView | undefined>;
  /** Tries to connect to the daemon now. */
  retry(): void;
  /** Takes the daemon over from another engine. */
  takeOver(): void;
  /** Restarts the program and installs the update. Pages are closed; the list page opens again. */
  restart(): void;
  /** Reloads the older part when the link is `outdated`. */
  update(): void;
}
