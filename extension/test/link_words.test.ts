import { afterEach, expect, test } from "vitest";
import de from "../_locales/de/messages.json";
import en from "../_locales/en/messages.json";
import type { DownCause, DownReason, PageLink } from "../src/model/link";
import { linkWords } from "../src/text/link_words";
import { inTable, speak } from "../src/text/messages";

afterEach(() => speak(inTable(en)));

const down = (cause: DownCause, message = "", reason?: DownReason): PageLink => ({ kind: "down", cause, reason, message });
const notice = (link: PageLink) => linkWords(link).notice!;

test("what the daemon’s side said itself is told", () => {
  expect(notice(down("host_error", "The port is taken.")).text).toMatch(/^The port is taken\. Retrying/);
  expect(notice(down("unreachable", "too slow")).text).toMatch(/\(too slow\)/);
  expect(notice(down("no_engine", "404")).text).toMatch(/\(404\)/);
});

test("a daemon that is silent, and a server that is, are told apart", () => {
  expect(notice(down("unreachable"))).toMatchObject({
    title: "Lost connection to the daemon",
    text: "The daemon does not answer. Retrying. Downloads resume where they stopped.",
  });
  expect(notice(down("unreachable", "", "server")).title).toBe("Lost connection to the server");
});

test("each link has other words, in each language", () => {
  const links: PageLink[] = [
    ...(["no_host", "forbidden", "host_error", "unreachable", "version", "no_engine"] as const).map((cause) => down(cause)),
    ...(["not_started", "ended", "silent", "not_understood", "background"] as const).map((reason) => down("host_error", "", reason)),
    ...(["token", "server"] as const).map((reason) => down("unreachable", "", reason)),
    { kind: "outdated", part: "page" },
    { kind: "outdated", part: "engine" },
    { kind: "superseded" },
  ];
  const english = links.map((link) => notice(link).text);
  speak(inTable(de));
  const german = links.map((link) => notice(link).text);
  expect(new Set([...english, ...german]).size).toBe(2 * links.length);
  expect([...english, ...german]).not.toContain("");
});
