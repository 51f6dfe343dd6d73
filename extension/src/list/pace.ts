// How a torrent has been doing of late, which one look at it does not tell: whether its peers have stopped sending, how fast it comes over some seconds,
// whether a link has found nobody for long.
//
// Time comes in as milliseconds. Invariant: a torrent that is gone is forgotten.

import type { TorrentRow } from "../model/topics";

/** Over so long a rate is averaged, ms. */
const AVERAGE_MS = 10_000;
/** With no byte for so long the peers have stopped. */
export const STALL_MS = 5_000;
/** A link without a peer for so long may be dead. */
export const LONELY_MS = 30_000;

/** What there is to know of one torrent's course. */
export interface Pace {
  /** Bytes a second over the last seconds. */
  rateBps: number;
  /** No byte has come for a while, although somebody is connected. */
  isStalled: boolean;
  /** It is a link for which nobody has been found for long. */
  isLonely: boolean;
}

interface Course {
  rateBps: number;
  lookedAt: number;
  /** Since when nothing comes; `undefined` while something does, or has never. */
  silentSince: number | undefined;
  hasMoved: boolean;
  /** Since when a link has had nobody. */
  aloneSince: number | undefined;
}

export class Paces {
  private courses = new Map<string, Course>();

  /** Looks at all torrents. */
  look(torrents: readonly TorrentRow[], now: number): void {
    const next = new Map<string, Course>();
    for (const torrent of torrents) next.set(torrent.infoHash, advanced(this.courses.get(torrent.infoHash), torrent, now));
    this.courses = next;
  }

  of(infoHash: string, now: number): Pace {
    const course = this.courses.get(infoHash);
    if (!course) return { rateBps: 0, isStalled: false, isLonely: false };
    const since = (at: number | undefined, ms: number) => at !== undefined && now - at >= ms;
    return { rateBps: course.rateBps, isStalled: since(course.silentSince, STALL_MS), isLonely: since(course.aloneSince, LONELY_MS) };
  }

  /** When something will differ although no news come, ms from `now`. */
  nextChange(now: number): number | undefined {
    let next: number | undefined;
    const consider = (at: number | undefined, ms: number) => {
      if (at !== undefined && at + ms > now) next = Math.min(next ?? Number.POSITIVE_INFINITY, at + ms - now);
    };
    for (const { silentSince, aloneSince } of this.courses.values()) {
      consider(silentSince, STALL_MS);
      consider(aloneSince, LONELY_MS);
    }
    return next;
  }
}

function advanced(before: Course | undefined, { state, downRateBps, peers }: TorrentRow, now: number): Course {
  const isFetching = state === "downloading";
  const hasMoved = isFetching && (downRateBps > 0 || (before?.hasMoved ?? false));
  const isSilent = isFetching && hasMoved && peers > 0 && downRateBps === 0;
  const isAlone = state === "metadata" && peers === 0;
  const known = before?.rateBps ?? 0;
  const weight = before && known > 0 ? 1 - Math.exp(-(now - before.lookedAt) / AVERAGE_MS) : 1;
  return {
    rateBps: isFetching ? known + weight * (downRateBps - known) : 0,
    lookedAt: now,
    silentSince: isSilent ? (before?.silentSince ?? now) : undefined,
    hasMoved,
    aloneSince: isAlone ? (before?.aloneSince ?? now) : undefined,
  };
}
