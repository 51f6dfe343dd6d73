// Replaces abslink with the two names that jassub's worker imports. Nothing is exposed:
// ass_worker.ts, in src/player/subtitles/, calls jassub's worker directly.

export const finalizer = Symbol("finalizer");
export function expose() {}
