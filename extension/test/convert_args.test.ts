// The test server's `/convert` calls ffmpeg with the same arguments as the daemon.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { convertArgs } from "../dev/media/convert.mjs";

test("the stand-in's arguments are the daemon's", () => {
  const rust = readFileSync(new URL("../../io-shim/src/convert/order.rs", import.meta.url), "utf8");
  const body = rust.slice(rust.indexOf("pub(super) fn args"), rust.indexOf("#[cfg(test)]"));
  const words = [...body.matchAll(/"([^"\n]*)"/g)].map((match) => match[1]!);
  for (const video of ["copy", "h264"]) {
    const args = convertArgs({ start: 3, video, audio: 1 }, "SOURCE").filter(
      (word) => !["3.000", "SOURCE", "0:a:1?", "aac", "libx264"].includes(word),
    );
    expect(args.filter((word) => !words.includes(word))).toEqual([]);
  }
  // The reverse: every argument of the daemon is also used here, except for variables and other
  // encoders.
  const here = ["copy", "h264"].flatMap((video) =>
    convertArgs({ start: 3, video, audio: 1 }, "SOURCE"),
  );
  const else_ = [
    "{:.3}",
    "0:a:{}?",
    "This ffmpeg has no encoder for H.264.",
    "libx264",
    "-b:v",
    "6M",
    "-format_whitelist",
  ];
  expect(words.filter((word) => !here.includes(word) && !else_.includes(word))).toEqual([]);
});
