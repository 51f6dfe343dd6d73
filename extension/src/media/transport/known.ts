// An index of a transport stream, built while it is read: times and entry points.
//
// Such files have no index. Everything that is read adds to this one, so later seeks need fewer
// requests.

/** The place of a time. */
export interface Place {
  /** Offset of the packet in bytes. */
  at: number;
  /** Seconds from the first time in the file. */
  time: number;
}

interface Key extends Place {
  /** Until which time there is no further entry point, and whether the next key frame is there. */
  until: number;
  closed: boolean;
}

/** Most places that are kept. A film of three hours has some 5000 key frames. */
const MOST = 20_000;
/**
 * Key frames are regular if their distances differ by at most this, in seconds: a picture and a
 * half.
 */
const SAME_S = 0.06;
/** How many of the last distances are compared, and how many are enough. */
const COMPARED = 64;
const ENOUGH = 2;
/** The assumed distance of key frames, and the largest plausible one, in seconds. */
const USUAL_S = 2;
const MOST_S = 5;

/** The index of one file. */
export class Known {
  private readonly places: Place[] = [];
  private readonly keys: Key[] = [];
  private readonly gaps: number[] = [];

  /** Records a time and its place. */
  note(place: Place): void {
    if (this.places.length < MOST) insert(this.places, place);
  }

  /** Returns a function that records one reading, which passes all times from its start. */
  walk(): (place: Place, isKey: boolean) => void {
    let key: Key | undefined;
    let noted = -Infinity;
    return (place, isKey) => {
      if (isKey) {
        if (key && !key.closed && place.at > key.at && place.time > key.time) {
          key.until = place.time;
          key.closed = true;
          if (this.gaps.push(place.time - key.time) > COMPARED) this.gaps.shift();
        }
        key =
          this.keys.length < MOST
            ? insert(this.keys, { ...place, until: place.time, closed: false })
            : undefined;
      } else if (key && !key.closed) key.until = Math.max(key.until, place.time);
      // Between key frames, one place per second is enough.
      if (Math.abs(place.time - noted) < 1) return;
      noted = place.time;
      this.note(place);
    };
  }

  /** Where to enter for a time, if it is known for certain. */
  enter(time: number): number | undefined {
    const key = this.keys.findLast((other) => other.time <= time);
    return key && time <= key.until ? key.at : undefined;
  }

  /** The time of the key frame before `time`, if key frames are regular. */
  expected(time: number): number | undefined {
    const base = this.keys.findLast((other) => other.time <= time);
    if (!base || this.gaps.length < ENOUGH) return undefined;
    const gap = this.gaps.toSorted((a, b) => a - b)[this.gaps.length >> 1]!;
    if (gap <= 0 || this.gaps.some((other) => Math.abs(other - gap) > SAME_S)) return undefined;
    return base.time + Math.floor((time - base.time) / gap + 1e-3) * gap;
  }

  /** The approximate distance of key frames in seconds. */
  get distance(): number {
    if (this.gaps.length === 0) return USUAL_S;
    return Math.min(MOST_S, this.gaps.reduce((sum, gap) => sum + gap, 0) / this.gaps.length);
  }

  /** The known places just before and after a time. */
  around(time: number): [Place | undefined, Place | undefined] {
    const near = (places: readonly Place[]): (Place | undefined)[] => [
      places.findLast((other) => other.time <= time),
      places.find((other) => other.time > time),
    ];
    const [before, after] = near(this.places);
    const [keyBefore, keyAfter] = near(this.keys);
    return [
      before && keyBefore ? (before.at > keyBefore.at ? before : keyBefore) : (before ?? keyBefore),
      after && keyAfter ? (after.at < keyAfter.at ? after : keyAfter) : (after ?? keyAfter),
    ];
  }
}

/** Inserts by offset. Returns the item that is there already, if any. */
function insert<P extends Place>(places: P[], place: P): P {
  let [from, to] = [0, places.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (places[middle]!.at < place.at) from = middle + 1;
    else to = middle;
  }
  const there = places[from];
  if (there?.at === place.at) return there;
  places.splice(from, 0, place);
  return place;
}
