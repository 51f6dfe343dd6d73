// The fields for the limits of one torrent.

import { expect, test } from "vitest";
import { limitsOf, sharingOf } from "../../src/list/limits_form";

const none = { downLimitBps: null, upLimitBps: null, ratioPercent: null, seedS: null };

test("an unchanged form keeps the limits", () => {
  const sharing = { downLimitBps: 1_234_567, upLimitBps: 1, ratioPercent: 150, seedS: 90 };
  expect(limitsOf(sharing)).toEqual({
    download: "1.234567",
    upload: "0.000001",
    ratio: "1.5",
    seedTime: "1.5",
  });
  expect(sharingOf(limitsOf(sharing))).toEqual(sharing);
  expect(sharingOf(limitsOf(none))).toEqual(none);
});

test("a comma is a decimal point, and a text that is not a number is refused with a reason", () => {
  const typed = (download: string) => sharingOf({ ...limitsOf(none), download });
  expect(typed(" 2,5 ")).toEqual({ ...none, downLimitBps: 2_500_000 });
  expect(typed("fast")).toEqual({ words: "“fast” is not a number such as 2.5." });
  expect(typed("99999999999999")).toEqual({ words: "99999999999999 is too large." });
});
