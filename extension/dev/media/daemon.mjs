// Runs the real daemon with complete films, to test its `/convert`: `npm run media:short --
// --daemon`.
//
// The daemon is target/debug/jstorrent, or the program that JSTORRENT names. Pages of other origins
// can't read the daemon's replies, so the films' server forwards them.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PROGRAM =
  process.env.JSTORRENT ??
  join(dirname(fileURLToPath(import.meta.url)), "../../../target/debug/jstorrent");
const PIECE = 256 << 10;

/**
 * Starts the daemon with films, a map of names to paths. `serve` takes the result as its `daemon`.
 */
export async function startDaemon(films) {
  const folder = await mkdtemp(join(tmpdir(), "jstorrent-daemon-"));
  const [dir, state] = [join(folder, "films"), join(folder, "state")];
  await mkdir(dir);
  await mkdir(state);
  const child = spawn(
    PROGRAM,
    [
      "serve",
      "--json",
      "--listen",
      "127.0.0.1:0",
      "--dir",
      dir,
      "--state",
      state,
      "--no-dht",
      "--no-lsd",
      "--no-port-mapping",
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const stop = async () => {
    const gone = child.exitCode === null && new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await gone;
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const { base, token } = await readiness(child);
    const addresses = new Map();
    for (const [name, path] of films) {
      await copyFile(path, join(dir, name));
      const added = await fetch(new URL("add?keep=1", base), {
        method: "POST",
        headers: { "Content-Type": "application/x-bittorrent", Authorization: `Bearer ${token}` },
        body: torrent(name, await readFile(path)),
      });
      const [address] = /http[^"]*\/stream\/[^"]*/.exec(await added.text()) ?? [];
      if (!address) throw new Error(`${name} has no address: ${added.status}`);
      addresses.set(name, new URL(address));
    }
    return { stop, convert: (name, url, response) => passOn(addresses.get(name), url, response) };
  } catch (error) {
    await stop();
    throw error;
  }
}

function readiness(child) {
  return new Promise((resolve, reject) => {
    let output = "";
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the daemon ended with ${code}`)));
    child.stdout.setEncoding("utf8").on("data", (text) => {
      const lines = (output += text).split("\n");
      output = lines.pop();
      const ready = lines.map((line) => JSON.parse(line)).find(({ event }) => event === "ready");
      if (ready) resolve(ready);
    });
  });
}

/** Requests a conversion with the film's key. Aborts it when the client disconnects. */
function passOn(film, url, response) {
  const target = new URL(film.href.replace("/stream/", "/convert/"));
  for (const name of ["start", "video", "audio"])
    target.searchParams.set(name, url.searchParams.get(name) ?? "");
  const asked = request(target, (reply) => {
    response.writeHead(reply.statusCode, reply.headers);
    reply.pipe(response);
    reply.on("error", () => response.destroy());
  });
  asked.on("error", () => response.destroy());
  response.on("close", () => asked.destroy());
  asked.end();
}

/** A torrent of one file (BEP 3). */
function torrent(name, data) {
  const pieces = [];
  for (let at = 0; at < data.length; at += PIECE)
    pieces.push(
      createHash("sha1")
        .update(data.subarray(at, at + PIECE))
        .digest(),
    );
  return encoded({
    info: { name, length: data.length, "piece length": PIECE, pieces: Buffer.concat(pieces) },
  });
}

function encoded(value) {
  if (typeof value === "number") return Buffer.from(`i${value}e`);
  if (typeof value === "string") return encoded(Buffer.from(value));
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.from(`${value.length}:`), value]);
  return Buffer.concat([
    Buffer.from("d"),
    ...Object.keys(value)
      .sort()
      .flatMap((key) => [encoded(key), encoded(value[key])]),
    Buffer.from("e"),
  ]);
}
