// Which pages follow which topics, and what each has heard: a page gets what differs, or the whole
// when it lacks what that differs from.
//
// A page is forgotten, with all that it has heard, when it says goodbye or is no more: whoever owns
// this knows.

import type { TopicUpdate } from "../model/generated/TopicUpdate";

/** More pages than anybody opens; beyond it the longest silent one is forgotten. */
const MOST = 64;

interface Follower {
  /** Whether it is in the background. */
  hidden: boolean;
  /** The revision of each topic that it was told last; 0: it needs the whole. */
  told: Map<string, number>;
}

/** The pages that are looking now. */
export class Followers {
  /** The one that spoke last comes last. */
  private readonly pages = new Map<string, Follower>();

  constructor(
    /** Hears of each page that is forgotten. */
    private readonly gone: (page: string) => void,
  ) {}

  /** A page follows these topics, and has nothing of those in `missing`. True if it should hear something at once. */
  follow(
    page: string,
    topics: readonly string[],
    missing: readonly string[],
    hidden: boolean,
  ): boolean {
    const before = this.pages.get(page);
    const told = new Map(
      topics.map((topic) => [topic, missing.includes(topic) ? 0 : (before?.told.get(topic) ?? 0)]),
    );
    this.pages.delete(page);
    this.pages.set(page, { hidden, told });
    if (this.pages.size > MOST) this.forget(this.pages.keys().next().value!);
    return before === undefined || (before.hidden && !hidden) || [...told.values()].includes(0);
  }

  /** A page is gone. */
  forget(page: string): void {
    if (this.pages.delete(page)) this.gone(page);
  }

  /** The pages that there are. */
  all(): string[] {
    return [...this.pages.keys()];
  }

  /** Whether any page is in front, or any is there at all. */
  audience(): "nobody" | "hidden" | "looking" {
    if (this.pages.size === 0) return "nobody";
    return [...this.pages.values()].every(({ hidden }) => hidden) ? "hidden" : "looking";
  }

  /** Every topic that anybody follows. */
  topics(): string[] {
    return [...new Set([...this.pages.values()].flatMap(({ told }) => [...told.keys()]))];
  }

  /** What a page is to be told after these updates; `whole` gives a topic as it is now. */
  news(
    page: string,
    updates: readonly TopicUpdate[],
    whole: (topic: string) => TopicUpdate | undefined,
  ): TopicUpdate[] {
    const told = this.pages.get(page)?.told ?? new Map<string, number>();
    const news: TopicUpdate[] = [];
    for (const [topic, revision] of told) {
      const update = updates.find((candidate) => candidate.topic === topic);
      const follows = update !== undefined && (update.from === revision || update.from === null);
      const next = follows
        ? update
        : update !== undefined || revision === 0
          ? whole(topic)
          : undefined;
      if (!next) continue;
      told.set(topic, next.revision);
      news.push(next);
    }
    return news;
  }
}
