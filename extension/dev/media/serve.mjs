// Serves the test page, its scripts and the films, with ranges, and counts the bytes sent.

import { build } from "esbuild";
import { createReadStream, statSync } from "node:fs";
import { cp, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { Transform } from "node:stream";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { convert } from "./convert.mjs";

const here = dirname(fileURLToPath(import.meta.url));
/** The content policy of extension pages, so that violations fail here, too. */
const { content_security_policy } = JSON.parse(
  await readFile(join(here, "../../src/extension/manifest.json"), "utf8"),
);
const POLICY = {
  // A MediaSource has a blob URL. Chrome allows it on extension pages whatever the policy says.
  "Content-Security-Policy": content_security_policy.extension_pages.replace(
    "media-src",
    "media-src blob:",
  ),
};
const TYPES = { js: "text/javascript", wasm: "application/wasm" };

/** Bundles worker and page like the extension. Returns the files with their gzipped sizes. */
export async function bundle(out) {
  const { metafile } = await build({
    entryPoints: {
      worker: join(here, "../../src/media/worker.ts"),
      page: join(here, "page.ts"),
      "jassub/worker": join(here, "../../src/player/subtitles/ass_worker.ts"),
    },
    outdir: out,
    bundle: true,
    splitting: true,
    format: "esm",
    target: "chrome120",
    charset: "utf8",
    minify: true,
    metafile: true,
    logLevel: "error",
  });
  const jassub = join(here, "../../node_modules/jassub/dist");
  await cp(join(jassub, "wasm/jassub-worker-modern.wasm"), join(out, "jassub/jassub.wasm"));
  await cp(join(jassub, "default.woff2"), join(out, "jassub/default.woff2"));
  const sizes = {};
  for (const [path, { entryPoint, inputs }] of Object.entries(metafile.outputs)) {
    const largest =
      Object.entries(inputs).sort((a, b) => b[1].bytesInOutput - a[1].bytesInOutput)[0]?.[0] ?? "";
    sizes[path.slice(path.lastIndexOf("/") + 1)] = {
      gzipped: gzipSync(await readFile(path)).length,
      from: entryPoint ?? largest,
    };
  }
  return sizes;
}

/** When the line is free again, in ms of `performance.now()`. */
let free = 0;

/** Sends `rate` bytes per second in chunks of 16 KiB. All replies share the line. */
function slowly(rate) {
  return new Transform({
    highWaterMark: 16 << 10,
    transform(chunk, _encoding, done) {
      free = Math.max(free, performance.now()) + (chunk.length / rate) * 1000;
      setTimeout(() => done(null, chunk), free - performance.now());
    },
  });
}

/**
 * Starts the server on a free port. `films` maps names to paths.
 *
 * `/NAME` and `/stream/NAME` are a film, `/convert/NAME` is its conversion, by `daemon` if there is
 * one. Three query parameters change a reply: `part` limits its bytes, `rate` its bytes per second,
 * and `delay` delays it by so many ms. After `/refuse/NAME/STATUS`, requests for the film get this
 * status; status 200 ends that. The result's `asked` lists the requests for films with range, start
 * and end in ms, and bytes sent.
 */
export function serve(scripts, films, daemon) {
  const sent = new Map();
  /** @type {any[]} */
  const asked = [];
  /**
   * Refused films with their status. A daemon refuses films like this while its engine is replaced.
   */
  const refused = new Map();
  const base = () =>
    `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://localhost");
    const name = decodeURIComponent(url.pathname.slice(1));
    try {
      const refusal = /^refuse\/([^/]+)\/(\d+)$/.exec(name);
      if (refusal) {
        if (refusal[2] === "200") refused.delete(refusal[1]);
        else refused.set(refusal[1], Number(refusal[2]));
        return response.writeHead(200).end();
      }
      if (films.has(name)) return film(name, url, request, response);
      const stream = /^(stream|convert)\/(.+)$/.exec(name);
      if (stream && films.has(stream[2])) {
        if (refused.has(stream[2]))
          return response.writeHead(refused.get(stream[2])).end("no such file");
        if (stream[1] === "stream") return film(stream[2], url, request, response);
        if (daemon) return daemon.convert(stream[2], url, response);
        const source = new URL(`/stream/${encodeURIComponent(stream[2])}`, base());
        for (const key of ["rate", "delay"])
          if (url.searchParams.has(key)) source.searchParams.set(key, url.searchParams.get(key));
        return convert(url, source.href, response);
      }
      if (name === "")
        return response
          .writeHead(200, { "Content-Type": "text/html", ...POLICY })
          .end(
            '<!doctype html><video id="video" width="640"></video>' +
              '<script type="module" src="page.js"></script>',
          );
      const script = await readFile(join(scripts, name));
      response
        .writeHead(200, {
          "Content-Type":
            TYPES[name.slice(name.lastIndexOf(".") + 1)] ?? "application/octet-stream",
          ...POLICY,
        })
        .end(script);
    } catch {
      response.writeHead(404).end();
    }
  });
  function film(name, url, request, response) {
    const total = statSync(films.get(name)).size;
    const told = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "bytes=0-");
    const start = Number(told[1]);
    const part = Number(url.searchParams.get("part") ?? Infinity);
    const end = Math.min(told[2] ? Number(told[2]) : Infinity, total - 1, start + part - 1);
    if (start >= total)
      return response.writeHead(416, { "Content-Range": `bytes */${total}` }).end();
    response.writeHead(206, {
      "Content-Type": "application/octet-stream",
      "Content-Range": `bytes ${start}-${end}/${total}`,
      "Content-Length": end - start + 1,
    });
    const record = { name, start, end, at: performance.now(), sent: 0, until: undefined };
    asked.push(record);
    const file = createReadStream(films.get(name), { start, end, highWaterMark: 16 << 10 });
    const rate = Number(url.searchParams.get("rate") ?? 0);
    const body = rate > 0 ? file.pipe(slowly(rate)) : file;
    response.on("close", () => {
      file.destroy();
      record.until = performance.now();
    });
    const send = () => {
      body.on("data", (chunk) => {
        sent.set(name, (sent.get(name) ?? 0) + chunk.length);
        record.sent += chunk.length;
      });
      body.pipe(response);
    };
    const delay = Number(url.searchParams.get("delay") ?? 0);
    if (delay > 0) setTimeout(send, delay);
    else send();
  }
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve({ server, sent, asked, base: base() })),
  );
}
