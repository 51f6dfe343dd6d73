// Which pages follow which topics, and what each has heard: a page gets what differs, or the whole when it lacks what
// that differs from.
//
// Each page says every two seconds what it follows; one that stops is forgotten, with all that it has heard.

import type { TopicUpdate } from "../model/generated/TopicUpdate";

/** A page that has been silent for so long is gone, ms. */
export const FORGOTTEN_AFTER_MS = 5_000;
/** More pages than anybody opens; beyond it the longest silent one is forgotten. */
const MOST = 64;

interface Follower {
  /** When it spoke last, ms. */
  spokeAt: number;
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

  /** A page follows these topics, and has nothing of those in `missing`. True if it waits for something whole. */
  follow(page: string, topics: readonly string[], missing: readonly string[], now: number): boolean {
    const before = this.pages.get(page)?.told;
    const told = new Map(topics.map((topic) => [topic, missing.includes(topic) ? 0 : (before?.get(topic) ?? 0)]));
    this.pages.delete(page);
    this.pages.set(page, { spokeAt: now, told });
    if (this.pages.size > MOST) this.forget(this.pages.keys().next().value!);
    return before === undefined || [...told.values()].includes(0);
  }

  /** A page is gone. */
  forget(page: string): void {
    if (this.pages.delete(page)) this.gone(page);
  }

  /** The pages that look, those that fell silent left out. */
  all(now: number): string[] {
    for (const [page, { spokeAt }] of this.pages) if (now - spokeAt >= FORGOTTEN_AFTER_MS) this.forget(page);
    return [...this.pages.keys()];
  }

  /** Every topic that anybody follows. */
  topics(): string[] {
    return [...new Set([...this.pages.values()].flatMap(({ told }) => [...told.keys()]))];
  }

  /** What a page is to be told after these updates; `whole` gives a topic as it is now. */
  news(page: string, updates: readonly TopicUpdate[], whole: (topic: string) => TopicUpdate | undefined): TopicUpdate[] {
    const told = this.pages.get(page)?.told ?? new Map<string, number>();
    const news: TopicUpdate[] = [];
    for (const [topic, revision] of told) {
      const update = updates.find((candidate) => candidate.topic === topic);
      const follows = update !== undefined && (update.from === revision || update.from === null);
      const next = follows ? update : update !== undefined || revision === 0 ? whole(topic) : undefined;
      if (!next) continue;
      told.set(topic, next.revision);
      news.push(next);
    }
    return news;
  }
}
