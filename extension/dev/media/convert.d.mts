// The types of convert.mjs.

export function convertArgs(
  order: { start: number; video: string; audio: number },
  source: string,
): string[];
export function convert(
  url: URL,
  source: string,
  response: import("node:http").ServerResponse,
): void;
