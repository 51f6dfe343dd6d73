// The text and the name of playlists.

import { expect, test } from "vitest";
import { playlist, playlistName } from "../src/text/playlist";

test("a playlist names a film with its length and its subtitles", () => {
  const film = {
    title: "A\nfilm.mkv",
    durationS: 61.6,
    url: "http://127.0.0.1:1/stream/f?key=k",
    subtitles: ["http://127.0.0.1:1/stream/s?key=k"],
  };
  expect(playlist([film])).toBe(`#EXTM3U
#EXTINF:62,A film.mkv
#EXTVLCOPT:sub-file=http://127.0.0.1:1/stream/s?key=k
http://127.0.0.1:1/stream/f?key=k
`);
  expect(playlist([{ ...film, durationS: null, subtitles: [] }])).toContain("#EXTINF:-1,");
});

test("the name of a playlist is valid on every file system", () => {
  expect(playlistName('A/film: the "best"?.mkv')).toBe("A film the best.m3u");
  expect(playlistName("...")).toBe("....m3u");
  expect(playlistName("")).toBe("film.m3u");
});
