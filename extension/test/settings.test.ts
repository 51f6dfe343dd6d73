// The form for settings, and the words for whether peers can connect.

import { describe, expect, test } from "vitest";
import de from "../_locales/de/messages.json";
import en from "../_locales/en/messages.json";
import type { SettingsForm, SettingsTexts } from "../src/list/settings_form";
import { formOf, isSame, settingsOf } from "../src/list/settings_form";
import { folderOf, newFolder } from "../src/list/settings_folder";
import { reachWords } from "../src/list/settings_words";
import type { PortMappingView } from "../src/model/generated/PortMappingView";
import type { Settings } from "../src/model/generated/Settings";
import { inTable, setSentences } from "../src/text/messages";
import { settings } from "./samples";

const form = (texts: Partial<SettingsTexts>): SettingsForm => {
  const usual = formOf(settings());
  return { ...usual, texts: { ...usual.texts, ...texts } };
};
const meant = (texts: Partial<SettingsTexts>): Settings => {
  const outcome = settingsOf(form(texts), settings());
  if ("words" in outcome) throw new Error(outcome.words);
  return outcome.settings;
};

describe("the form", () => {
  test("is equal whatever the order of its switches, and different once one has changed", () => {
    const one = formOf(settings());
    const { tcp, ...others } = one.switches;
    expect(isSame(one, { ...one, switches: { ...others, tcp } })).toBe(true);
    expect(isSame(one, { ...one, switches: { ...one.switches, tcp: !tcp } })).toBe(false);
    expect(isSame(one, { ...one, texts: { ...one.texts, seeds: "7" } })).toBe(false);
    expect(isSame(one, { ...one, startAtOnce: !one.startAtOnce })).toBe(false);
  });

  test("untouched settings keep their values", () => {
    for (const more of [
      {},
      { downLimitBps: 2_500_000, upLimitBps: 1234 },
      { ratioPercent: 150, seedS: 90, maxDownloads: 1, maxSeeds: 0 },
      { encryption: "forced", tcp: false, pex: false, webSeeds: false },
      { startAtOnce: true, sharingTold: false },
    ] satisfies Partial<Settings>[]) {
      expect(settingsOf(formOf(settings(more)), settings(more))).toEqual({
        settings: settings(more),
      });
    }
  });

  test("numbers are in the units beside their fields", () => {
    expect(
      formOf(settings({ downLimitBps: 2_500_000, ratioPercent: 150, seedS: 90 })).texts,
    ).toMatchObject({
      download: "2.5",
      ratio: "1.5",
      seedTime: "1.5",
      upload: "",
    });
    expect(
      meant({ download: "2.5", upload: "0,25", ratio: " 2 ", seedTime: "30", downloads: "3" }),
    ).toMatchObject({
      downLimitBps: 2_500_000,
      upLimitBps: 250_000,
      ratioPercent: 200,
      seedS: 1800,
      maxDownloads: 3,
    });
  });

  test("zero downloads and zero sources are refused", () => {
    expect(settingsOf(form({ downloads: "0" }), settings())).toMatchObject({ field: "downloads" });
    const off = {
      ...formOf(settings()),
      switches: { tcp: true, utp: true, dht: false, trackers: false, pex: false, webSeeds: false },
    };
    expect(settingsOf(off, settings())).toMatchObject({
      words: expect.stringContaining("no peers can be found"),
    });
    expect(
      settingsOf({ ...off, switches: { ...off.switches, webSeeds: true } }, settings()),
    ).toHaveProperty("settings");
  });

  test("the folder can change where the engine allows it, and only a different one counts", () => {
    const roots = [{ key: "a", label: "Films", freeBytes: null, totalBytes: null, path: "/films" }];
    expect([folderOf({ roots, folders: true }), folderOf({ roots, folders: false })]).toEqual([
      "/films",
      undefined,
    ]);
    expect([
      newFolder(" /films ", "/films"),
      newFolder("/more", "/films"),
      newFolder("", "/films"),
    ]).toEqual([undefined, "/more", ""]);
  });

  test("an empty field is no limit", () => {
    expect(meant({ download: " ", ratio: "" })).toMatchObject({
      downLimitBps: null,
      ratioPercent: null,
    });
  });

  test.each([
    ["download", "fast", "Download limit: “fast” is not a number such as 2.5."],
    ["upload", "-1", "Upload limit: “-1” is not a number such as 2.5."],
    ["ratio", "1.2.3", "Ratio: “1.2.3” is not a number such as 2.5."],
    ["ratio", "99999999", "Ratio: 99999999 is too large."],
    ["downloads", "1.5", "Active downloads: “1.5” is not a number such as 20."],
    ["connections", "", "Peers per torrent: enter a number."],
    ["seedTime", "1e9", "Time: “1e9” is not a number such as 2.5."],
  ] as const)("%s can't be %j", (field, typed, words) => {
    expect(settingsOf(form({ [field]: typed }), settings())).toEqual({ words, field });
  });
});

describe("whether peers can connect to this computer", () => {
  const mapping = (more: Partial<PortMappingView>): PortMappingView => ({
    state: "asking",
    port: null,
    address: null,
    by: null,
    message: null,
    ...more,
  });
  const check = (
    listenPort: number | null,
    portMapping: PortMappingView | null,
    expected: string,
  ) => expect(reachWords({ listenPort, portMapping }).words).toBe(expected);

  test("is shown as far as it is known", () => {
    check(null, null, "Other peers can’t connect to this computer.");
    check(6881, null, "Listening on port 6881.");
    check(6881, mapping({}), "Listening on port 6881. Asking the router to forward it…");
    check(
      6881,
      mapping({ state: "mapped", port: 40000, address: "192.0.2.1", by: "upnp" }),
      "Reachable at 192.0.2.1:40000. The router forwards the port (UPnP).",
    );
    check(
      6881,
      mapping({ state: "mapped", port: 40000, by: "nat_pmp" }),
      "Reachable at port 40000 of the router. The router forwards the port (NAT-PMP).",
    );
    check(
      6881,
      mapping({ state: "failed", message: "the router does not answer" }),
      "Listening on port 6881. The router does not forward it (the router does not answer).",
    );
  });

  test("is good news only if the router maps the port", () => {
    const tone = (state: PortMappingView["state"]) =>
      reachWords({ listenPort: 1, portMapping: mapping({ state }) }).tone;
    expect([tone("asking"), tone("failed"), tone("mapped")]).toEqual([
      "neutral",
      "neutral",
      "good",
    ]);
  });
});

test("numbers are shown and requested in the language's format", () => {
  setSentences(inTable(de));
  const form = formOf({ ...settings(), downLimitBps: 1_234_500_000_000, ratioPercent: 250 });
  expect(form.texts).toMatchObject({ download: "1234500", ratio: "2,5" });
  expect(settingsOf(form, settings())).toMatchObject({
    settings: { downLimitBps: 1_234_500_000_000, ratioPercent: 250 },
  });
  expect(
    settingsOf({ ...form, texts: { ...form.texts, ratio: "viel" } }, settings()),
  ).toMatchObject({
    words: "Verhältnis: „viel“ ist keine Zahl wie 2,5.",
  });
  setSentences(inTable(en));
});
