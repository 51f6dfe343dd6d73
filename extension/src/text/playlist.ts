// A playlist for players outside the browser: plain extended M3U, which VLC and mpv open.

/** One film of a playlist. */
export interface PlaylistItem {
  title: string;
  /** Seconds; `null` while it is not known. */
  durationS: number | null;
  url: string;
  /** Addresses of its subtitles; VLC takes the first that it can use. */
  subtitles: readonly string[];
}

/** The playlist's text. Line breaks in a title would be lines of their own. */
export function playlist(items: readonly PlaylistItem[]): string {
  const lines = items.flatMap(({ title, durationS, url, subtitles }) => [
    `#EXTINF:${durationS === null ? -1 : Math.round(durationS)},${title.replace(/[\r\n]+/g, " ")}`,
    ...subtitles.map((subtitle) => `#EXTVLCOPT:sub-file=${subtitle}`),
    url,
  ]);
  return ["#EXTM3U", ...lines, ""].join("\n");
}

/** A file name for it, by what is played: no character that a file system refuses. */
export function playlistName(title: string): string {
  const safe = title
    .replace(/\.\w{1,5}$/, "")
    .replace(/[\\/:*?"<>|\s\u0000-\u001f]+/g, " ")
    .trim();
  return `${safe.slice(0, 100) || "film"}.m3u`;
}
