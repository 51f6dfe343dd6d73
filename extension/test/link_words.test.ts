// The sentences about the link to the daemon or server.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import de from "../_locales/de/messages.json";
import en from "../_locales/en/messages.json";
import type { DownCause, DownReason, PageLink } from "../src/model/link";
import { linkWords } from "../src/text/link_words";
import { inTable, setSentences } from "../src/text/messages";

afterEach(() => setSentences(inTable(en)));

const down = (cause: DownCause, message = "", reason?: DownReason): PageLink => ({
  kind: "down",
  cause,
  reason,
  message,
});
const notice = (link: PageLink) => linkWords(link).notice!;

test("the daemon’s own words are shown", () => {
  expect(notice(down("host_error", "The port is taken.")).text).toMatch(
    /^The port is taken\. Retrying/,
  );
  expect(notice(down("unreachable", "too slow")).text).toMatch(/\(too slow\)/);
  expect(notice(down("no_engine", "404")).text).toMatch(/\(404\)/);
});

test("a silent daemon and a silent server have different words", () => {
  expect(notice(down("unreachable"))).toMatchObject({
    title: "Lost connection to the daemon",
    text: "The daemon does not answer. Retrying. Downloads resume where they stopped.",
  });
  expect(notice(down("unreachable", "", "server"))).toMatchObject({
    title: "The server does not answer",
    text: "Lost connection to the server. Retrying…",
  });
});

test("each state of the link has its own words, in each language", () => {
  const links: PageLink[] = [
    ...(
      ["no_host", "forbidden", "host_error", "unreachable", "no_engine", "not_started"] as const
    ).map((cause) => down(cause)),
    ...(["not_started", "ended", "silent", "not_understood", "background"] as const).map((reason) =>
      down("host_error", "", reason),
    ),
    ...(["token", "server", "server_token"] as const).map((reason) =>
      down("unreachable", "", reason),
    ),
    { kind: "outdated", part: "page" },
    { kind: "outdated", part: "engine" },
    { kind: "superseded" },
  ];
  const english = links.map((link) => notice(link).text);
  setSentences(inTable(de));
  const german = links.map((link) => notice(link).text);
  expect(new Set([...english, ...german]).size).toBe(2 * links.length);
  expect([...english, ...german]).not.toContain("");
});

test("without a daemon the page names the command of the README that installs it", () => {
  const readme = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8");
  const [first] = linkWords(down("no_host"), "other").notice!.commands;
  for (const part of first!.command.split(" && ")) expect(readme).toContain(`\n    ${part}\n`);
  expect(first!.command).toMatch(/jstorrent-io-daemon install$/);
});

test("where no daemon can be installed, no command is named", () => {
  const { commands, text } = linkWords(down("no_host"), "windows").notice!;
  expect(commands).toEqual([]);
  expect(text).toContain("Windows");
});

test("different versions are named, with the part to update", () => {
  const words = (extension: string, daemon: string) =>
    notice({ kind: "down", cause: "version", versions: { extension, daemon }, message: "" }).text;
  expect(words("0.10.0", "0.9.1")).toBe(
    "The daemon is too old: it is version 0.9.1, and the extension is version 0.10.0. " +
      "Update the daemon, then restart Chrome.",
  );
  expect(words("0.9.1", "0.10.0")).toMatch(/^The extension is too old: it is version 0\.9\.1/);
  expect(words("1.0.0", "1.0")).toContain("both report version 1.0.0");
});
