// A sorted list of cues of any kind.
//
// It does not know what a cue looks like. Times are seconds of the film.

/** An item with a time. Without an end, it is shown until the next one begins. */
export interface Timed {
  readonly start: number;
  readonly end: number | undefined;
}

/** A piece of text in one style. A line ends at "\n". */
export interface Span {
  text: string;
  italic: boolean;
  bold: boolean;
  underline: boolean;
  /** `#rrggbb`, or `undefined` for the default. */
  colour: string | undefined;
}

/** A place on the picture, like digits on a numeric keypad: 2 is bottom centre. */
export type Place = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;

/** A cue of styled text. */
export interface TextCue extends Timed {
  place: Place;
  spans: Span[];
}

/** How long a cue without an end is shown at most, in seconds. */
export const ENDLESS_S = 7;
/** Most cues of a track. Further ones are dropped. */
export const MOST_CUES = 100_000;

/** Cues sorted by their start. Those with the same start keep their order of arrival. */
export class CueList<T extends Timed> {
  readonly items: T[] = [];
  private readonly keys = new Set<string>();
  /** Duration of the longest cue in seconds. */
  private longest = 0;

  /** Adds a cue unless its key exists. Returns whether it was added. */
  add(key: string, cue: T): boolean {
    if (this.keys.has(key) || this.items.length >= MOST_CUES) return false;
    this.keys.add(key);
    this.items.splice(this.behind(cue.start), 0, cue);
    this.longest = Math.max(this.longest, cue.end === undefined ? ENDLESS_S : cue.end - cue.start);
    return true;
  }

  /** The cues shown at a time, in order. */
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
    // Cues mostly arrive in order.
    if (high > 0 && this.items[high - 1]!.start <= time) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.items[middle]!.start <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** A hash of bytes (FNV-1a, 32 bits). Different bytes rarely have the same hash. */
export function fingerprint(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return `${bytes.length}.${(hash >>> 0).toString(36)}`;
}
