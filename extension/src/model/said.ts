// Sentences of the engine that a page knows by heart, because it says the same in words of its own.

/** What the engine says of states for which pages have words. To show both would be to say it twice. */
export const SAID_ANYWAY: ReadonlySet<string> = new Set([
  "Looking for peers",
  "Connecting to peers",
  "Asking peers for the description",
  "Queued",
  "Queued for seeding",
]);
const NO_PEERS = "No peers: ";
const PARTS = /^Getting the description: (\d+) of (\d+) parts$/;

/** What there is to a sentence of the engine. */
export interface Said {
  /** How many parts of a description are there, of how many. */
  parts?: [have: string, all: string];
  /** Whether there are no peers; `words` say why. */
  noPeers?: true;
  /** What is left to be said; empty for nothing. */
  words: string;
}

/** Takes a message of the engine apart. */
export function said(message: string | null): Said {
  if (message === null || SAID_ANYWAY.has(message)) return { words: "" };
  const [, have, all] = PARTS.exec(message) ?? [];
  if (have !== undefined && all !== undefined) return { parts: [have, all], words: "" };
  if (!message.startsWith(NO_PEERS)) return { words: message };
  const why = message.slice(NO_PEERS.length);
  return { noPeers: true, words: why.charAt(0).toUpperCase() + why.slice(1) };
}
