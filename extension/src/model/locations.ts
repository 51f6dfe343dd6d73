// Addresses: a file's player page, and the file itself at the daemon.

import type { FileView } from "./generated/FileView";
import type { PageLink } from "./link";

/**
 * Bytes per response to the player. Chrome asks for the next part when it needs it, so small parts
 * show what it needs.
 */
const PART_BYTES = 1024 * 1024;

/** Address of the player page for a file. */
export function playerPage(infoHash: string, index: number): string {
  return `player.html?torrent=${infoHash}&file=${index}`;
}

/** Address of a file for any player. `undefined` while the daemon is not connected. */
export function streamUrl(link: PageLink, file: FileView): string | undefined {
  return link.kind === "connected" && file.url ? link.baseUrl + file.url : undefined;
}

/** Address of a file for the extension's own player. */
export function playerUrl(link: PageLink, file: FileView): string | undefined {
  const url = streamUrl(link, file);
  return url && `${url}${url.includes("?") ? "&" : "?"}part=${PART_BYTES}`;
}
