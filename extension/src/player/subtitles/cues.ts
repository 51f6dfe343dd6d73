// What is shown when: cues in order of time, of whatever kind, each kept once.
//
// Nothing here knows what a cue looks like. Times are seconds of the film.

/** What is shown from one time to another; without an end, until the next begins. */
export interface Timed {
  readonly start: number;
  readonly end: number | undefined;
}

/** A stretch of text that looks alike; a line ends where `text` holds "\n". */
export interface Span {
  text: string;
  italic: boolean;
  bold: boolean;
  underline: boolean;
  /** `#rrggbb`, or `undefined` for the usual one. */
  colour: string | undefined;
}

/** Where on the picture, as the digits lie on a keyboard's block of them: 2 is the bottom's middle. */
export type Place = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;

export interface TextCue extends Timed {
  place: Place;
  spans: Span[];
}

/** A cue that does not say its end is shown for so long at most, seconds. */
export const ENDLESS_S = 7;
/** No film has more: what comes beyond is dropped. */
export const MOST_CUES = 100_000;

/** Cues in order of their beginnings; those that begin together stay in the order in which they came. */
export class CueList<T extends Timed> {
  readonly items: T[] = [];
  private readonly keys = new Set<string>();
  /** How long the longest cue is shown, seconds. */
  private longest = 0;

  /** Adds a cue unless one with this key is there; tells whether it did. */
  add(key: string, cue: T): boolean {
    if (this.keys.has(key) || this.items.length >= MOST_CUES) return false;
    this.keys.add(key);
    this.items.splice(this.behind(cue.start), 0, cue);
    this.longest = Math.max(this.longest, cue.end === undefined ? ENDLESS_S : cue.end - cue.start);
    return true;
  }

  /** What is shown at a time, in order. */
  at(time: number): T[] {
    const found: T[] = [];
    for (let index = this.behind(time) - 1; index >= 0; index -= 1) {
      const cue = this.items[index]!;
      if (cue.start + this.longest <= time) break;
      if (time < this.endOf(index)) found.push(cue);
    }
    return found.reverse();
  }

  private endOf(index: number): number {
    const { start, end } = this.items[index]!;
    if (end !== undefined) return end;
    const next = this.items[this.behind(start)];
    return Math.min(start + ENDLESS_S, next?.start ?? Infinity);
  }

  /** How many cues begin at `time` or before. */
  private behind(time: number): number {
    let low = 0;
    let high = this.items.length;
    // Cues come mostly in order.
    if (high > 0 && this.items[high - 1]!.start <= time) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.items[middle]!.start <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** A short name of bytes: the same bytes have the same, others hardly ever (FNV-1a, 32 bits). */
export function fingerprint(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return `${bytes.length}.${(hash >>> 0).toString(36)}`;
}
