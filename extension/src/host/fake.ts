// A host without an engine, for tests: holds the state that the test sets.

import type { Intent } from "../model/generated/Intent";
import type { IntentReply } from "../model/generated/IntentReply";
import type { PiecesView } from "../model/generated/PiecesView";
import type { TopicUpdate } from "../model/generated/TopicUpdate";
import type { PageLink } from "../model/link";
import type { Known, TopicName, TopicState } from "../model/topics";
import { applied } from "../model/topics";
import type { Host } from "./host";

/** Records what it was asked, and answers as the test says. */
export class FakeHost implements Host {
  link: PageLink = { kind: "starting" };
  updateReady = false;
  followed: readonly TopicName[] = [];
  /** Every request, in order. */
  readonly asked: (
    | Intent
    | { kind: "retry" }
    | { kind: "take_over" }
    | { kind: "update" }
    | { kind: "restart" }
  )[] = [];
  answer: (intent: Intent) => IntentReply = (intent) =>
    "infoHash" in intent
      ? { kind: "done", infoHash: intent.infoHash, message: null, duplicate: false }
      : { kind: "configured" };
  shown: PiecesView | undefined;
  private readonly known = new Map<string, Known>();
  private readonly listeners = new Set<() => void>();

  /** Applies updates as if the engine had sent them. Throws if they don't fit the known state. */
  tell(link: PageLink, ...updates: TopicUpdate[]): void {
    this.link = link;
    for (const update of updates) {
      const next = applied(this.known.get(update.topic), update);
      if (!next) throw new Error(`${update.topic} has no revision ${update.from}`);
      this.known.set(update.topic, next);
    }
    for (const changed of this.listeners) changed();
  }

  /** How many listeners there are. */
  get listening(): number {
    return this.listeners.size;
  }

  follow(names: readonly TopicName[]): void {
    this.followed = names;
  }

  topic<N extends TopicName>(name: N): TopicState<N> | undefined {
    return this.followed.includes(name)
      ? (this.known.get(name)?.state as TopicState<N> | undefined)
      : undefined;
  }

  listen(changed: () => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.listeners.add(changed);
    signal.addEventListener("abort", () => this.listeners.delete(changed), { once: true });
  }

  async intent(intent: Intent): Promise<IntentReply> {
    this.asked.push(intent);
    return this.answer(intent);
  }

  async pieces(): Promise<PiecesView | undefined> {
    return this.shown;
  }

  retry(): void {
    this.asked.push({ kind: "retry" });
  }

  takeOver(): void {
    this.asked.push({ kind: "take_over" });
  }

  restart(): void {
    this.asked.push({ kind: "restart" });
  }

  update(): void {
    this.asked.push({ kind: "update" });
  }
}
