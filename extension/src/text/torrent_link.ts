// Recognizes links to torrents in typed, pasted or dropped text.
//
// The engine parses the links. Invariant: only `magnet:`, `http:` and `https:` links are accepted,
// and never a text that contains anything else.

import type { Intent } from "../model/generated/Intent";
import { t } from "./messages";

/** Longest accepted link in characters, the engine's own limit. */
export const MAX_LINK_LENGTH = 64 * 1024;
/** Most links accepted from one text. */
export const MOST_LINKS = 100;

const MAGNET = /^magnet:\?\S+$/i;
const INFO_HASH = /^[0-9a-f]{40}$/i;
const NAME_LENGTH = 200;

/** A link that can be added. */
export interface TorrentLink {
  intent: Intent & { kind: "add_magnet" | "add_url" };
  /** The name to show until the torrent's name is known. */
  name: string;
}

/** Parses one link, or returns why it is none. A bare info hash becomes a magnet link. */
export function parseLink(typed: string): TorrentLink | { words: string } {
  // Links copied from emails may be in angle brackets.
  const text = typed
    .trim()
    .replace(/^<(.*)>$/s, "$1")
    .trim();
  if (text === "") return { words: t("addLinkMissing") };
  if (text.length > MAX_LINK_LENGTH) return { words: t("addLinkTooLong") };
  if (INFO_HASH.test(text)) return magnet(`magnet:?xt=urn:btih:${text}`);
  // Some pages leave spaces in the name.
  if (/^magnet:/i.test(text)) return magnet(text.replace(/\s+/g, "%20"));
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && (url.protocol === "http:" || url.protocol === "https:")) {
    url.hash = "";
    return { intent: { kind: "add_url", url: url.href }, name: urlName(url) };
  }
  return { words: t("addLinkUnknown") };
}

/** The links of a text, one per line. Empty if the text contains anything else. */
export function linksOf(text: string): string[] {
  const lines = text
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  if (lines.length > MOST_LINKS) return [];
  return lines.every((line) => !("words" in parseLink(line))) ? lines : [];
}

/** Whether a text looks like a magnet link. */
export function isMagnet(text: string): boolean {
  return text.length <= MAX_LINK_LENGTH && MAGNET.test(text);
}

function magnet(uri: string): TorrentLink | { words: string } {
  if (!isMagnet(uri)) return { words: t("addMagnetIncomplete") };
  return { intent: { kind: "add_magnet", uri }, name: magnetName(uri) };
}

function magnetName(uri: string): string {
  const query = new URLSearchParams(uri.slice(uri.indexOf("?") + 1));
  return short(
    query.get("dn")?.trim() || query.get("xt")?.split(":").at(-1) || t("addMagnetUnnamed"),
  );
}

function urlName(url: URL): string {
  const last = url.pathname.split("/").at(-1) ?? "";
  return short(last === "" ? url.host : decoded(last));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function short(name: string): string {
  return name.length > NAME_LENGTH ? `${name.slice(0, NAME_LENGTH)}…` : name;
}
