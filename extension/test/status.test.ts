// The player's sentence about the film, and how well bytes arrive.

import { describe, expect, test } from "vitest";
import type { Situation, Status } from "../src/player/status";
import { status, supplyOf, waitOf } from "../src/player/status";
import type { TorrentState } from "../src/model/generated/TorrentState";
import type { WaitReason } from "../src/model/generated/WaitReason";
import { t } from "../src/text/messages";
import { file, stream, torrent, wait } from "./samples";

const STARVED = { starved: true, paused: false, seeking: false, ended: false, opened: false };
const FED = { ...STARVED, starved: false, opened: true };

function told(more: Partial<Situation>): Status {
  return status({
    link: { kind: "connected", baseUrl: "http://127.0.0.1:1", version: "1" },
    wasConnected: true,
    known: true,
    torrent: torrent({ peers: 3, knownPeers: 5 }),
    file: file(),
    wait: undefined,
    media: STARVED,
    trouble: undefined,
    recovering: false,
    ...more,
  });
}

function check(more: Partial<Situation>, text: string, tone: string): void {
  expect(told(more)).toMatchObject({ text, tone });
}

describe("while the film waits, the status says", () => {
  test("how many pieces and how long", () =>
    check({ wait: wait() }, "Waiting for 3 of 4 pieces · about 2 s", "waiting"));
  test("no time when none is known", () =>
    check({ wait: wait({ etaMs: null }) }, "Waiting for 3 of 4 pieces", "waiting"));
  test("one piece in the singular", () =>
    check(
      { wait: wait({ havePieces: 0, needPieces: 1, etaMs: 400 }) },
      "Waiting for a piece · less than 1 s",
      "waiting",
    ));
  test("that it is nearly there", () =>
    check({ wait: wait({ havePieces: 4 }) }, "Almost there · about 2 s", "waiting"));
  test("that there are no peers", () =>
    check({ wait: wait({ reason: "no_peers" }), torrent: torrent() }, "No peers yet", "waiting"));
  test("that peers are being connected", () =>
    check({ wait: wait({ reason: "no_peers" }) }, "No peers yet: connecting…", "waiting"));
  test("that peers lack this part", () =>
    check(
      { wait: wait({ reason: "no_source" }) },
      "None of the 3 connected peers has this part yet",
      "waiting",
    ));
  test("that the disk is being checked", () =>
    check({ wait: wait({ reason: "checking" }) }, "Checking files…", "waiting"));
  test("that the film is being opened", () => check({}, "Opening…", "waiting"));
  test("that the film is seeking", () =>
    check({ media: { ...STARVED, opened: true, seeking: true } }, "Seeking…", "waiting"));
});

describe("the status says what to do", () => {
  test("when a server is gone, or wants another token", () => {
    const down = { kind: "down", cause: "unreachable", message: "" } as const;
    check(
      { link: { ...down, reason: "server" } },
      "Lost connection to the server. Retrying…",
      "trouble",
    );
    check({ link: down }, "Lost connection to the daemon. Reconnecting…", "trouble");
    check({ link: { ...down, reason: "server_token" } }, t("linkTokenText"), "trouble");
  });
  test("about a paused torrent", () => {
    const paused = torrent({ state: "paused" });
    const words = "Paused. Resume to keep watching";
    check({ torrent: paused, wait: wait({ reason: "stopped" }) }, words, "trouble");
    check({ torrent: paused, media: FED }, words, "trouble");
    check(
      {
        torrent: paused,
        recovering: true,
        trouble: { words: "Chrome can’t play it.", isHere: false },
      },
      words,
      "trouble",
    );
    check({ torrent: paused, file: file({ verified: 1000 }), media: FED }, "Playing", "quiet");
    expect(told({ torrent: paused }).action).toEqual({ label: "Resume", does: "resume" });
  });
  test("about a full disk, whatever the decoder says", () => {
    const full = torrent({ state: "error", message: "The disk is full." });
    check(
      { torrent: full, trouble: { words: "Chrome can’t play it.", isHere: false } },
      "The disk is full.",
      "trouble",
    );
    expect(told({ torrent: full }).action).toEqual({ label: "Try again", does: "resume" });
  });
  test("about a place that can't be played", () => {
    expect(told({ trouble: { words: "This part can’t be played", isHere: true } }).action).toEqual({
      label: "Skip ahead",
      does: "skip",
    });
  });
  test("about a torrent in trouble", () =>
    check(
      { torrent: torrent({ state: "error", message: "The disk is full." }) },
      "The disk is full.",
      "trouble",
    ));
  test("about a file that can't be played", () =>
    check(
      { trouble: { words: "Chrome has no decoder.", isHere: false } },
      "Chrome has no decoder.",
      "trouble",
    ));
  test("about a torrent that is not there", () =>
    check(
      { torrent: undefined, file: undefined },
      "This torrent is not in the list. It may have been removed.",
      "trouble",
    ));
  test("about an empty file, whatever the decoder says", () =>
    check(
      {
        file: file({ length: 0, verified: 0 }),
        trouble: { words: "Chrome can’t play it.", isHere: false },
      },
      "This file is empty.",
      "trouble",
    ));
  test("about a file that is not there", () =>
    check({ file: undefined }, "This torrent has no such file.", "trouble"));
});

describe("about the daemon, the status says", () => {
  test("that it is gone", () =>
    check(
      { link: { kind: "connecting" } },
      "Lost connection to the daemon. Reconnecting…",
      "waiting",
    ));
  test("that it is being started", () =>
    check(
      { link: { kind: "connecting" }, wasConnected: false },
      "Connecting to the daemon…",
      "waiting",
    ));
  test("that the engine is gone", () =>
    check(
      { link: { kind: "reconnecting" } },
      "Lost connection to the engine. Restarting it…",
      "waiting",
    ));
  test("that it is gone, before anything else", () =>
    check(
      { link: { kind: "connecting" }, media: FED },
      "Lost connection to the daemon. Reconnecting…",
      "waiting",
    ));
});

describe("while bytes arrive, the status is quiet", () => {
  test("while it plays, whatever its read-ahead waits for", () =>
    check({ media: FED, wait: wait() }, "Playing", "quiet"));
  test("while it is paused", () => check({ media: { ...FED, paused: true } }, "Paused", "quiet"));
  test("at the end", () =>
    check({ media: { ...FED, starved: true, ended: true } }, "The end", "quiet"));
  test("while trouble of the torrent does not stop the film yet", () =>
    check({ media: FED, torrent: torrent({ state: "error" }) }, "Playing", "quiet"));
});

test("with several requests, the last waiting one is shown", () => {
  const streams = [
    stream({ waiting: wait({ etaMs: 1 }) }),
    stream({ waiting: wait({ etaMs: 2 }) }),
    stream(),
  ];
  expect(waitOf(streams)?.etaMs).toBe(2);
  expect(waitOf([stream()])).toBeUndefined();
});

test("the text for screen readers has the reason, but no estimate that changes each second", () => {
  const first = told({ wait: wait() });
  const later = told({ wait: wait({ etaMs: 9_000, havePieces: 2 }) });
  expect([later.text === first.text, later.spoken]).toEqual([false, first.spoken]);
  expect(told({ wait: wait({ reason: "no_source" }) }).spoken).not.toBe(first.spoken);
});

test("the supply of bytes follows from the torrent and from what the film waits for", () => {
  const check = (
    state: TorrentState,
    verified: number,
    reason: WaitReason | undefined,
    supply: string,
  ) =>
    expect(supplyOf(torrent({ state }), file({ verified }), reason && wait({ reason }))).toBe(
      supply,
    );
  check("downloading", 10, undefined, "flowing");
  check("downloading", 10, "downloading", "flowing");
  check("downloading", 10, "no_peers", "scarce");
  check("checking", 10, "checking", "scarce");
  check("paused", 10, undefined, "stopped");
  check("error", 10, "downloading", "stopped");
  check("paused", 1000, "no_peers", "flowing");
});
