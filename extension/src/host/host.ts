// What a page knows of the program that hosts it: the extension, a server, or a test's fake.
//
// A page follows topics and is told when something changed; it asks for things and gets answers. It
// never learns how either travels. Types of what is said come from the engine (model/generated).

import type { Intent } from "../model/generated/Intent";
import type { IntentReply } from "../model/generated/IntentReply";
import type { PiecesView } from "../model/generated/PiecesView";
import type { PageLink } from "../model/link";
import type { TopicName, TopicState } from "../model/topics";

/** A page's end of the engine. */
export interface Host {
  /** How things stand with engine and daemon. */
  readonly link: PageLink;
  /** Whether an update of the whole program waits for `restart`. */
  readonly updateReady: boolean;
  /** Follows these topics and no others. Naming the same ones again changes nothing. */
  follow(names: readonly TopicName[]): void;
  /** A followed topic's state; `undefined` until it is known. What did not change is the same object as before. */
  topic<N extends TopicName>(name: N): TopicState<N> | undefined;
  /** Calls back whenever the link or a topic changed, until the signal aborts. */
  listen(changed: () => void, signal: AbortSignal): void;
  /** Asks the engine to do something; never throws. */
  intent(intent: Intent): Promise<IntentReply>;
  /** The pieces of a file in at most `cells` cells; `undefined` if there is no such file or no answer. */
  pieces(infoHash: string, fileIndex: number, cells: number): Promise<PiecesView | undefined>;
  /** Tries the daemon now. */
  retry(): void;
  /** Makes this engine the daemon's again. */
  takeOver(): void;
  /** Starts the whole program anew, with its update. Pages are closed, and the list comes back. */
  restart(): void;
  /** Loads the part that is old anew: the way out of a link that is `outdated`. */
  update(): void;
}
