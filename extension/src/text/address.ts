// Parses peer addresses that a user typed.

import { t } from "./messages";

/** Splits the text into addresses `ip:port`. Returns what is wrong with the first bad one. */
export function parsePeers(typed: string): { peers: string[] } | { words: string } {
  const peers = typed.split(/[\s,;]+/).filter((part) => part !== "");
  if (peers.length === 0) return { words: t("addressMissing") };
  for (const peer of peers) {
    if (!isAddress(peer)) return { words: t("addressInvalid", peer) };
  }
  return { peers };
}

function isAddress(peer: string): boolean {
  const match = /^(?:(\d{1,3}(?:\.\d{1,3}){3})|\[([0-9a-fA-F:.]{2,45})\]):(\d{1,5})$/.exec(peer);
  if (!match) return false;
  const port = Number(match[3]);
  const octets = match[1]?.split(".") ?? [];
  return port >= 1 && port <= 65535 && octets.every((octet) => Number(octet) <= 255);
}
