// Adding files and links: what is read, what is refused, and the notes beside them.

import { expect, test } from "vitest";
import type { AddedFile } from "../src/list/add";
import { Adder, MOST_FILES, readMetainfo } from "../src/list/add";
import type { Intent } from "../src/model/generated/Intent";
import type { IntentReply } from "../src/model/generated/IntentReply";
import { settle } from "./fake_clock";
import { HASH } from "./samples";

function given(content: string, more: Partial<AddedFile> = {}): AddedFile {
  const bytes = new TextEncoder().encode(content);
  return {
    name: "a.torrent",
    size: bytes.length,
    arrayBuffer: async () => bytes.buffer as ArrayBuffer,
    ...more,
  };
}

function rig(
  answer: (intent: Intent) => Promise<IntentReply> = async () => ({
    kind: "done",
    infoHash: HASH,
    message: null,
    duplicate: false,
  }),
) {
  const added: string[] = [];
  const alone: boolean[] = [];
  const adder = new Adder(
    answer,
    () => {},
    (infoHash, only) => {
      added.push(infoHash);
      alone.push(only);
    },
  );
  return {
    adder,
    added,
    alone,
    words: () => adder.notes.map((note) => `${note.kind}: ${note.name}`),
  };
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await settle();
}

test("a file that can be a torrent is read", async () =>
  expect(await readMetainfo(given("d4:info"))).toBeInstanceOf(Uint8Array));

test.each([
  ["an empty file", given(""), /empty/],
  ["a page", given("<html>"), /not a \.torrent/],
  ["a film", given("d", { size: 4e9 }), /4\.0 GB/],
  [
    "a folder",
    given("", { arrayBuffer: () => Promise.reject(new Error("NotFoundError")) }),
    /folder/,
  ],
])("%s is refused in plain words", async (_, file, words) =>
  expect(await readMetainfo(file)).toMatch(words),
);

test("a film is refused without being read", async () => {
  const file = given("d", {
    size: 4e9,
    arrayBuffer: () => Promise.reject(new Error("must not be read")),
  });
  expect(await readMetainfo(file)).toMatch(/Is it the film itself/);
});

test("the note about a torrent goes when the torrent is added", async () => {
  const { adder, added } = rig();
  adder.setReady(true);
  adder.addFiles([given("d"), given("d")]);
  await settled();
  expect(adder.notes).toEqual([]);
  expect(added).toEqual([HASH, HASH]);
});

test("a torrent added alone is distinguished from one of many", async () => {
  const { adder, alone } = rig();
  adder.setReady(true);
  adder.addFiles([given("d")]);
  adder.addFiles([given("d"), given("d")]);
  await settled();
  expect(alone).toEqual([true, false, false]);
});

test("each file that could not be added has a note", async () => {
  const { adder, words } = rig(async () => ({ kind: "failed", message: "It lacks its pieces." }));
  adder.setReady(true);
  adder.addFiles([given("d", { name: "bad.torrent" }), given("x", { name: "other.txt" })]);
  await settled();
  expect(words()).toEqual(["failed: bad.torrent", "failed: other.txt"]);
  adder.dismiss(adder.notes[0]!.id);
  expect(words()).toEqual(["failed: other.txt"]);
});

test("links are sent to the engine as links, and files as files", async () => {
  const intents: string[] = [];
  const { adder, added } = rig(async (intent) => {
    intents.push(intent.kind);
    return { kind: "done", infoHash: HASH, message: null, duplicate: false };
  });
  adder.setReady(true);
  adder.addLinks([`magnet:?xt=urn:btih:${HASH}`]);
  adder.addLinks(["https://example.org/a.torrent"]);
  adder.addFiles([given("d")]);
  await settled();
  expect(intents).toEqual(["add_magnet", "add_url", "add_torrent"]);
  expect(added).toHaveLength(3);
});

test("the note about a refused link has the reason, and the name that the user knows", async () => {
  const { adder } = rig(async () => ({ kind: "failed", message: "The server answered 404." }));
  adder.setReady(true);
  adder.addLinks(["https://example.org/films/A%20film.torrent"]);
  await settled();
  expect(adder.notes).toMatchObject([
    { kind: "failed", name: "A film.torrent", words: "The server answered 404." },
  ]);
});

test("a text that is not a link never reaches the engine", async () => {
  const { adder, words } = rig(() => Promise.reject(new Error("must not be asked")));
  adder.setReady(true);
  adder.addLinks(["javascript:alert(1)"]);
  await settled();
  expect(words()).toEqual(["failed: That link"]);
});

test("files wait for the daemon", async () => {
  const { adder, added, words } = rig();
  adder.addFiles([given("d")]);
  await settled();
  expect(words()).toEqual(["waiting: a.torrent"]);
  adder.setReady(true);
  await settled();
  expect(added).toEqual([HASH]);
});

test("many files are all added, a few at a time", async () => {
  let running = 0;
  let most = 0;
  const { adder, added } = rig(async () => {
    most = Math.max(most, ++running);
    await settle();
    running -= 1;
    return { kind: "done", infoHash: HASH, message: null, duplicate: false };
  });
  adder.setReady(true);
  adder.addFiles(Array.from({ length: 50 }, () => given("d")));
  for (let turn = 0; turn < 60; turn++) await settled();
  expect(added).toHaveLength(50);
  expect(most).toBeLessThanOrEqual(4);
});

test("only the first files of a huge folder are added", () => {
  const { adder } = rig();
  adder.addFiles(Array.from({ length: MOST_FILES + 5 }, () => given("d")));
  expect(adder.notes).toHaveLength(MOST_FILES + 1);
  expect(adder.notes.at(-1)).toMatchObject({ kind: "failed", name: "5 more files" });
});
