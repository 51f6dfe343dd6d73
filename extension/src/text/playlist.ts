// Playlists for other players: extended M3U, which VLC and mpv open.

/** One film of a playlist. */
export interface PlaylistItem {
  title: string;
  /** Duration in seconds. `null` if it is not known. */
  durationS: number | null;
  url: string;
  /** Addresses of subtitles. VLC uses the first one that it supports. */
  subtitles: readonly string[];
}

/** The playlist's text. Line breaks in titles are replaced, because they would end the line. */
export function playlist(items: readonly PlaylistItem[]): string {
  const lines = items.flatMap(({ title, durationS, url, subtitles }) => [
    `#EXTINF:${durationS === null ? -1 : Math.round(durationS)},${title.replace(/[\r\n]+/g, " ")}`,
    ...subtitles.map((subtitle) => `#EXTVLCOPT:sub-file=${subtitle}`),
    url,
  ]);
  return ["#EXTM3U", ...lines, ""].join("\n");
}

/** A file name for the playlist, without characters that file systems refuse. */
export function playlistName(title: string): string {
  const safe = title
    .replace(/\.\w{1,5}$/, "")
    .replace(/[\\/:*?"<>|\s\u0000-\u001f]+/g, " ")
    .trim();
  return `${safe.slice(0, 100) || "film"}.m3u`;
}
