// Records which page follows which topics, and which revision each page has.
//
// A page gets changes, or the whole topic if it lacks the revision that they are based on. The
// owner calls `forget` when a page closes.

import type { TopicUpdate } from "../model/generated/TopicUpdate";

/** Most pages at a time. Beyond it, the page that was silent longest is forgotten. */
const MOST = 64;

interface Follower {
  /** Whether the page is in the background. */
  hidden: boolean;
  /** The revision of each topic that was sent last. 0: the page needs the whole topic. */
  sent: Map<string, number>;
}

/** The pages that are open. */
export class Followers {
  /** The page that spoke last comes last. */
  private readonly pages = new Map<string, Follower>();

  constructor(
    /** Called for each page that is forgotten. */
    private readonly gone: (page: string) => void,
  ) {}

  /**
   * Records that a page follows these topics and needs those in `missing` whole. Returns true if
   * the page should get a message at once.
   */
  follow(
    page: string,
    topics: readonly string[],
    missing: readonly string[],
    hidden: boolean,
  ): boolean {
    const before = this.pages.get(page);
    const sent = new Map(
      topics.map((topic) => [topic, missing.includes(topic) ? 0 : (before?.sent.get(topic) ?? 0)]),
    );
    this.pages.delete(page);
    this.pages.set(page, { hidden, sent });
    if (this.pages.size > MOST) this.forget(this.pages.keys().next().value!);
    return before === undefined || (before.hidden && !hidden) || [...sent.values()].includes(0);
  }

  /** Forgets a page that has closed. */
  forget(page: string): void {
    if (this.pages.delete(page)) this.gone(page);
  }

  /** The ids of all pages. */
  all(): string[] {
    return [...this.pages.keys()];
  }

  /** Whether any page is open, and any is visible. */
  audience(): "none" | "hidden" | "visible" {
    if (this.pages.size === 0) return "none";
    return [...this.pages.values()].every(({ hidden }) => hidden) ? "hidden" : "visible";
  }

  /** Every topic that any page follows. */
  topics(): string[] {
    return [...new Set([...this.pages.values()].flatMap(({ sent }) => [...sent.keys()]))];
  }

  /** The updates to send to a page. `whole` returns a topic as it is now. */
  news(
    page: string,
    updates: readonly TopicUpdate[],
    whole: (topic: string) => TopicUpdate | undefined,
  ): TopicUpdate[] {
    const sent = this.pages.get(page)?.sent ?? new Map<string, number>();
    const news: TopicUpdate[] = [];
    for (const [topic, revision] of sent) {
      const update = updates.find((candidate) => candidate.topic === topic);
      const follows = update !== undefined && (update.from === revision || update.from === null);
      const next = follows
        ? update
        : update !== undefined || revision === 0
          ? whole(topic)
          : undefined;
      if (!next) continue;
      sent.set(topic, next.revision);
      news.push(next);
    }
    return news;
  }
}
