export function convertArgs(order: { start: number; video: string; audio: number }, source: string): string[];
