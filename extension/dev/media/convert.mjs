// Stands in for the daemon's `/convert`: runs ffmpeg with the daemon's arguments on a film of the
// test server.
//
// `test/convert_args.test.ts` compares the arguments with those of the daemon.

import { spawn } from "node:child_process";

/** ffmpeg's arguments, as in io-shim/src/convert/order.rs for libx264 and aac. */
export function convertArgs({ start, video, audio }, source) {
  const picture =
    video === "copy"
      ? ["-c:v", "copy"]
      : [
          "-c:v",
          "libx264",
          "-g",
          "48",
          "-pix_fmt",
          "yuv420p",
          "-vf",
          "scale=-2:'min(1080,ih)'",
          "-preset",
          "ultrafast",
          "-crf",
          "23",
        ];
  return [
    "-hide_banner",
    "-nostdin",
    "-loglevel",
    "error",
    "-protocol_whitelist",
    "http,tcp",
    ...(start > 0 ? ["-ss", start.toFixed(3)] : []),
    "-i",
    source,
    "-map",
    "0:v:0?",
    "-map",
    `0:a:${audio}?`,
    "-sn",
    "-dn",
    "-map_metadata",
    "-1",
    "-map_chapters",
    "-1",
    ...picture,
    "-c:a",
    "aac",
    "-b:a",
    "192k",
    "-ac",
    "2",
    "-copyts",
    "-movflags",
    "delay_moov+default_base_moof+frag_discont",
    "-frag_duration",
    "500000",
    "-max_muxing_queue_size",
    "4096",
    "-f",
    "mp4",
    "pipe:1",
  ];
}

/** Answers a request for a conversion of the film at `source`. */
export function convert(url, source, response) {
  const order = {
    start: Number(url.searchParams.get("start") ?? 0),
    video: url.searchParams.get("video"),
    audio: Number(url.searchParams.get("audio") ?? 0),
  };
  const child = spawn("nice", ["-n", "5", "ffmpeg", ...convertArgs(order, source)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (words = (words + text).slice(-4096)));
  child.stdout.once("data", () => response.writeHead(200, { "Content-Type": "video/mp4" }));
  // ffmpeg waits while the client does not read.
  child.stdout.on(
    "data",
    (chunk) =>
      response.write(chunk) ||
      (child.stdout.pause(), response.once("drain", () => child.stdout.resume())),
  );
  child.on("close", (code) => {
    if (!response.headersSent)
      response
        .writeHead(502)
        .end(`ffmpeg can't convert this film: ${words.trim().split("\n").at(-1)}.`);
    else if (code === 0) response.end();
    else response.destroy();
  });
  response.on("close", () => child.kill("SIGKILL"));
}
