// What the scenes of the list share: torrents, keys, and questions to the page.

import { file, torrent } from "../scenes.mjs";

export const MB = 1e6;
export const CTRL = 2;
export const SHIFT = 8;

export const films = (count) =>
  Array.from({ length: count }, (_, at) =>
    file(
      at,
      `Show/Season ${1 + Math.floor(at / 10)}/${at + 1}.mkv`,
      7 * MB,
      0.1,
      "video/x-matroska",
    ),
  );
export const many = (count) =>
  Array.from({ length: count }, (_, at) =>
    torrent(at + 1, `Torrent number ${at + 1}`, "downloading", 0.1, { peers: 3 }),
  );

/** The test id and line number of the focused control. */
export const FOCUS = `[
  document.activeElement.closest("[data-testid]")?.dataset.testid,
  document.activeElement.closest(".line")?.dataset.line,
].join(" ")`;
export const one = (id) => `document.querySelector("[data-testid=${id}]")`;
export const all = (id) => `[...document.querySelectorAll("[data-testid=${id}]")]`;

export async function focusFirst(stage) {
  await stage.ask(`${one("toggle")}.focus()`);
}
