// The next and the previous film of a torrent.

import { expect, test } from "vitest";
import { neighbours } from "../src/player/episodes";
import { file } from "./samples";

const FILES = [
  file({ index: 4, path: "Season 1/1.mkv" }),
  file({ index: 2, path: "Season 1/1.srt", playable: false, contentType: "text/plain" }),
  file({ index: 0, path: "Season 1/2.mkv" }),
  file({ index: 3, path: "Season 1/Theme.flac", contentType: "audio/flac" }),
  file({ index: 1, path: "Season 2/1.mkv" }),
];
const around = (index: number) => {
  const { previous, next } = neighbours(FILES, index);
  return [previous?.index, next?.index];
};

test("the next film is the next in order, past other files and into the next folder", () => {
  expect(around(4)).toEqual([undefined, 0]);
  expect(around(0)).toEqual([4, 1]);
  expect(around(1)).toEqual([0, undefined]);
});

test("music is followed only by music", () => expect(around(3)).toEqual([undefined, undefined]));

test("a file that does not play, or does not exist, has no neighbours", () => {
  expect(around(2)).toEqual([undefined, undefined]);
  expect(around(9)).toEqual([undefined, undefined]);
});
