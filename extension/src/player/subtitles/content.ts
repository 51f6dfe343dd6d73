// The contents of tracks inside the film, filled with blocks from the media worker.

import type { Cue, SubtitleTrack } from "../../media/protocol";
import { headOf, parseEvent, type StylePlaces, stylePlaces } from "./ass_script";
import { CueList, fingerprint, MOST_CUES, type TextCue } from "./cues";
import { parseMarkup } from "./markup";
import { PgsSets } from "./pgs_decode";
import type { AssEvent, Content } from "./renderer";

/** A track's content, and a function that adds a block. It returns whether the block was new. */
export interface Growing {
  readonly content: Content;
  put(cue: Cue): boolean;
}

/** Creates the content of a track. `undefined` for a format that can't be shown. */
export function growing(track: SubtitleTrack): Growing | undefined {
  switch (track.format) {
    case "srt":
      return text();
    case "ass":
      return ass(track.header);
    case "pgs":
      return pgs();
    case "other":
      return undefined;
  }
}

/** Largest text block in bytes. */
const MOST_BLOCK = 1 << 20;
const key = ({ start, data }: Cue): string => `${start} ${fingerprint(data)}`;
const decoder = new TextDecoder();

function text(): Growing {
  const cues = new CueList<TextCue>();
  return {
    content: { kind: "text", cues },
    put(cue) {
      if (cue.data.length > MOST_BLOCK) return false;
      const { place = 2, spans } = parseMarkup(decoder.decode(cue.data));
      return (
        spans.length > 0 && cues.add(key(cue), { start: cue.start, end: cue.end, place, spans })
      );
    },
  };
}

function ass(header: Uint8Array | undefined): Growing {
  const script = headOf(header);
  const places: StylePlaces = stylePlaces(script);
  const events: AssEvent[] = [];
  const cues = new CueList<TextCue>();
  const seen = new Set<string>();
  return {
    content: { kind: "ass", script, events, cues },
    put(cue) {
      if (cue.data.length > MOST_BLOCK || seen.has(key(cue)) || seen.size >= MOST_CUES)
        return false;
      seen.add(key(cue));
      const line = decoder.decode(cue.data).replaceAll("\0", "");
      events.push({ start: cue.start, end: cue.end, line });
      const plain = parseEvent(line, cue.start, cue.end, places);
      if (plain) cues.add(key(cue), plain);
      return true;
    },
  };
}

function pgs(): Growing {
  const sets = new PgsSets();
  return {
    content: { kind: "pgs", sets },
    put: ({ start, end, data }) => sets.add(start, end, data),
  };
}
