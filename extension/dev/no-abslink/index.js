// What jassub's worker imports by name. It is exposed to nobody: src/player/subtitles/ass_worker.ts holds it directly.

export const finalizer = Symbol("finalizer");
export function expose() {}
