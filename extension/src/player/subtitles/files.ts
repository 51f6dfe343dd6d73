// Reads subtitle files beside a film, or the user's own.
//
// The first bytes tell the format; the name only limits the size.

import { parseAss } from "./ass_script";
import { CueList, type TextCue } from "./cues";
import { decodeText } from "./encoding";
import { parseSup } from "./pgs_decode";
import type { Content } from "./renderer";
import { linesOf, parseSrt, parseVtt } from "./srt";
import { size } from "../../text/format";
import { t } from "../../text/messages";

/** Largest text file, and largest picture file, in bytes. */
const MOST_TEXT = 10e6;
const MOST_PICTURES = 90e6;

/** A file can't be shown. The message is a sentence for the user. */
export class Unreadable extends Error {
  override name = "Unreadable";
}

/** Fetches and reads a file. Rejects with `Unreadable`, or with the reason of `signal`. */
export async function fetchFile(url: string, name: string, signal: AbortSignal): Promise<Content> {
  const most = mostFor(name);
  let response: Response;
  try {
    response = await fetch(url, { signal });
  } catch {
    signal.throwIfAborted();
    throw new Unreadable(t("subtitlesUnreadable"));
  }
  if (!response.ok || !response.body) throw new Unreadable(t("subtitlesUnreadable"));
  const announced = Number(response.headers.get("Content-Length") ?? 0);
  if (announced > most) {
    void response.body.cancel();
    throw new Unreadable(t("subtitlesTooLarge", size(most)));
  }
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      signal.throwIfAborted();
      throw new Unreadable(t("subtitlesUnreadable"));
    });
    if (done) break;
    length += value.length;
    if (length > most) {
      void reader.cancel();
      throw new Unreadable(t("subtitlesTooLarge", size(most)));
    }
    parts.push(value);
  }
  return readBytes(new Uint8Array(await new Blob(parts).arrayBuffer()));
}

/** Reads a file of the user. Rejects with `Unreadable`. */
export async function readFile(file: File): Promise<Content> {
  const most = mostFor(file.name);
  if (file.size > most) throw new Unreadable(t("subtitlesTooLarge", size(most)));
  const bytes = await file.arrayBuffer().catch(() => undefined);
  if (!bytes) throw new Unreadable(t("subtitlesUnreadable"));
  return readBytes(new Uint8Array(bytes));
}

function mostFor(name: string): number {
  return /\.sup$/i.test(name) ? MOST_PICTURES : MOST_TEXT;
}

/** Parses the bytes of a file. Rejects with `Unreadable`. */
export async function readBytes(bytes: Uint8Array): Promise<Content> {
  if (bytes.length === 0) throw new Unreadable(t("subtitlesEmpty"));
  const sets = parseSup(bytes);
  if (sets) return sets.size > 0 ? { kind: "pgs", sets } : refuse(t("subtitlesEmpty"));
  // An MPEG program stream: the pictures of VobSub.
  if (bytes[0] === 0 && bytes[1] === 0 && bytes[2] === 1 && bytes[3] === 0xba)
    throw new Unreadable(t("subtitlesVobSub"));
  const decoded = await decodeText(bytes);
  if (!decoded) throw new Unreadable(t("subtitlesBinary"));
  return readText(decoded.text);
}

function readText(text: string): Content {
  const first =
    linesOf(text.slice(0, 4096))
      .find((line) => line.trim() !== "")
      ?.trim() ?? "";
  if (/^#\s*VobSub/i.test(first)) refuse(t("subtitlesVobSub"));
  if (/^\{\d+\}\{\d*\}/.test(first)) refuse(t("subtitlesMicroDvd"));
  if (/^WEBVTT(\s|$)/.test(first)) return asText(parseVtt(text));
  if (/^\[(Script Info|V4\+? Styles|Events)\]/im.test(text.slice(0, 65_536))) {
    const cues = listOf(parseAss(text));
    // A script that only draws shapes has no text cues but is valid.
    return /^[ \t]*Dialogue[ \t]*:/im.test(text)
      ? { kind: "ass", script: text.replace(/^\ufeff/, ""), events: [], cues }
      : refuse(t("subtitlesEmpty"));
  }
  const cues = parseSrt(text);
  return cues.length > 0 ? asText(cues) : refuse(t("subtitlesUnknown"));
}

function asText(cues: TextCue[]): Content {
  return cues.length > 0 ? { kind: "text", cues: listOf(cues) } : refuse(t("subtitlesEmpty"));
}

function listOf(cues: TextCue[]): CueList<TextCue> {
  const list = new CueList<TextCue>();
  // Sorting first makes each insertion an append, and keeps the order of equal starts.
  for (const [index, cue] of cues.sort((a, b) => a.start - b.start).entries())
    list.add(String(index), cue);
  return list;
}

function refuse(words: string): never {
  throw new Unreadable(words);
}
