// The topics that a page follows: their known state, and the listeners for changes.
//
// It applies updates, but does not know where they come from: each host receives them its own way.

import type { TopicUpdate } from "../model/generated/TopicUpdate";
import type { Known, TopicName, TopicState } from "../model/topics";
import { applied } from "../model/topics";

/** The followed topics of one page. */
export class Followed {
  /** The names of the followed topics. */
  names: readonly TopicName[] = [];
  private readonly known = new Map<string, Known>();
  private readonly listeners = new Set<() => void>();

  /** The topics whose revision is unknown. The page needs them whole. */
  get missing(): TopicName[] {
    return this.names.filter((name) => this.known.get(name)?.revision === undefined);
  }

  /** Follows these topics and forgets others. Returns false if nothing has changed. */
  follow(names: readonly TopicName[]): boolean {
    if (names.length === this.names.length && names.every((name, at) => name === this.names[at]))
      return false;
    this.names = [...names];
    for (const name of this.known.keys())
      if (!names.includes(name as TopicName)) this.known.delete(name);
    return true;
  }

  /** The state of a topic. `undefined` if it is unknown. */
  topic<N extends TopicName>(name: N): TopicState<N> | undefined {
    return this.known.get(name)?.state as TopicState<N> | undefined;
  }

  /** Calls back after each `tell`, until the signal aborts. */
  listen(changed: () => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.listeners.add(changed);
    signal.addEventListener("abort", () => this.listeners.delete(changed), { once: true });
  }

  /** Calls all listeners. */
  tell(): void {
    for (const changed of this.listeners) changed();
  }

  /**
   * Applies an update. After a "gap" the topic is among `missing`, and keeps its old state until it
   * comes whole.
   */
  take(update: TopicUpdate): "ignored" | "applied" | "gap" {
    if (!this.names.includes(update.topic as TopicName)) return "ignored";
    const known = this.known.get(update.topic);
    const next = applied(known, update);
    if (next) this.known.set(update.topic, next);
    else if (known) this.known.set(update.topic, { ...known, revision: undefined });
    return next ? "applied" : "gap";
  }
}
