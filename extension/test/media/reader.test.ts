// Reading a film by range requests, and waiting while the daemon is away.

import { describe, expect, test } from "vitest";
import { BlockReader } from "../../src/media/blocks";
import { Cursor, FAR, type Fetch, PART, RangeSource } from "../../src/media/reader";
import { body, chance, served } from "./bytes";

const bytes = Uint8Array.from({ length: 3 << 20 }, (_, index) => (index * 7 + (index >> 9)) & 255);

function answering(...replies: (() => Response)[]): { source: RangeSource; waits: number[] } {
  const waits: number[] = [];
  let clock = 0;
  const fetcher: Fetch = () => {
    const reply = replies.length > 1 ? replies.shift()! : replies[0]!;
    return Promise.resolve().then(reply);
  };
  const sleep = (ms: number): Promise<void> => {
    waits.push(ms);
    clock += ms;
    return Promise.resolve();
  };
  return { source: new RangeSource("http://127.0.0.1/", fetcher, sleep, () => clock), waits };
}

const part =
  (from: number, to: number, total = bytes.length) =>
  () =>
    new Response(body(bytes.subarray(from, to), 1000), {
      status: 206,
      headers: { "Content-Range": `bytes ${from}-${to - 1}/${total}` },
    });

describe("a cursor", () => {
  test("reads the file's bytes, in chunks of any size", async () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const random = chance(seed);
      const { source } = served(bytes, {
        chunk: 1 + Math.floor(random() * 60_000),
        part: 1 + Math.floor(random() * 400_000),
      });
      const cursor = new Cursor(source, Math.floor(random() * 1000));
      while (await cursor.need(1)) {
        if (random() < 0.3) {
          await cursor.skip(Math.floor(random() * 600_000));
          continue;
        }
        const count = Math.floor(random() * 100_000);
        const at = cursor.at;
        if (!(await cursor.need(count))) break;
        const taken = cursor.take(count);
        expect(
          taken.length === count && taken.every((byte, index) => byte === bytes[at + index]),
          `seed ${seed} at ${at}`,
        ).toBe(true);
      }
    }
  });
  test("requests nothing in advance, and one part at a time", async () => {
    const { source, asked } = served(bytes);
    const cursor = new Cursor(source, 0);
    expect(asked).toEqual([]);
    await cursor.need(10);
    expect(asked).toEqual([`bytes=0-${PART - 1}`]);
    expect(source.fetched).toBeLessThanOrEqual(4096);
    await cursor.skip(PART);
    await cursor.need(1);
    expect(asked).toHaveLength(2);
  });
  test("skips a wide gap with a new request, and reads through a narrow one", async () => {
    const { source, asked } = served(bytes);
    const cursor = new Cursor(source, 0);
    await cursor.need(10);
    await cursor.skip(FAR);
    await cursor.need(10);
    expect(asked).toHaveLength(1);
    await cursor.skip(FAR + 100_000);
    await cursor.need(10);
    expect(asked[1]).toMatch(new RegExp(`^bytes=${2 * FAR + 100_000}-`));
    expect(source.fetched).toBeLessThan(FAR + 20_000);
  });
  test("a cancelled cursor fails at once, also while it waits", async () => {
    const aborted: AbortSignal[] = [];
    const source = new RangeSource("http://127.0.0.1/", (_url, { signal }) => {
      aborted.push(signal);
      return new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason as Error)),
      );
    });
    const cursor = new Cursor(source, 0);
    const waiting = cursor.need(1);
    await Promise.resolve();
    cursor.cancel();
    await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
    expect(aborted[0]!.aborted).toBe(true);
  });
  test("an element of more than 64 MiB is refused before anything is allocated", async () => {
    const { source, asked } = served(bytes);
    await expect(new Cursor(source, 0).need(2 ** 40)).rejects.toMatchObject({ kind: "broken" });
    expect(asked).toEqual([]);
  });
  test("ends at the end of the file, also of an empty one", async () => {
    const { source } = served(bytes);
    const cursor = new Cursor(source, bytes.length - 1);
    expect(await cursor.need(1)).toBe(true);
    expect(await cursor.need(2)).toBe(false);
    expect(await new Cursor(served(new Uint8Array(0)).source, 0).need(1)).toBe(false);
  });
});

describe("replies", () => {
  test("after 503 the reader waits at least the time in the reply", async () => {
    const { source, waits } = answering(
      () => new Response(null, { status: 503, headers: { "Retry-After": "2" } }),
      () => new Response(null, { status: 503 }),
      part(0, 100),
    );
    const states: boolean[] = [];
    source.onWaiting = (waiting) => states.push(waiting);
    expect(await new Cursor(source, 0).need(100)).toBe(true);
    expect(waits).toEqual([2000, 400]);
    expect(states).toEqual([true, true, false]);
  });
  test("an absent daemon is an error after a minute", async () => {
    const { source, waits } = answering(() => {
      throw new TypeError("Failed to fetch");
    });
    await expect(new Cursor(source, 0).need(1)).rejects.toMatchObject({ kind: "unreachable" });
    expect(waits.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThan(55_000);
    expect(waits.length).toBeLessThan(40);
  });
  test("404 is final once the engine had time to announce its films", async () => {
    const { source, waits } = answering(() => new Response(null, { status: 404 }));
    await expect(new Cursor(source, 0).need(1)).rejects.toMatchObject({
      kind: "gone",
      message: "the server replied with status 404",
    });
    const waited = waits.reduce((sum, ms) => sum + ms, 0);
    expect(waited).toBeGreaterThan(10_000);
    expect(waited).toBeLessThan(20_000);
  });
  test("the reader waits for a new engine, and then finds the film at a new address", async () => {
    for (const status of [403, 404, 410, 503, 504]) {
      let source: RangeSource | undefined;
      const urls = new Set<string>();
      let asked = 0;
      let clock = 0;
      source = new RangeSource(
        "http://127.0.0.1:1/",
        (url) => {
          urls.add(url);
          asked += 1;
          if (asked < 200) return Promise.resolve(new Response(null, { status }));
          if (asked === 200) {
            // A new engine reports its connection shortly before it announces its films.
            source!.url = "http://127.0.0.1:2/";
            source!.patience.tell(true);
            return Promise.resolve(new Response(null, { status: 404 }));
          }
          return Promise.resolve(part(0, 100)());
        },
        (ms) => ((clock += ms), Promise.resolve()),
        () => clock,
      );
      source.patience.tell(false);
      const states: boolean[] = [];
      source.onWaiting = (waiting) => states.push(waiting);
      expect(await new Cursor(source, 0).need(100)).toBe(true);
      expect(clock).toBeGreaterThan(300_000);
      expect([...urls]).toEqual(["http://127.0.0.1:1/", "http://127.0.0.1:2/"]);
      expect([states[0], states.at(-1)]).toEqual([true, false]);
    }
  });
  test("waiting always ends", async () => {
    const { source, waits } = answering(() => new Response(null, { status: 404 }));
    source.patience.tell(false);
    await expect(new Cursor(source, 0).need(1)).rejects.toMatchObject({ kind: "gone" });
    expect(waits.reduce((sum, ms) => sum + ms, 0)).toBeLessThan(31 * 60_000);
  });
  test("a changed length is an error: it is another file", async () => {
    const { source } = answering(part(0, 100), part(100, 200, 5000));
    await expect(new Cursor(source, 0).need(200)).rejects.toMatchObject({ kind: "gone" });
  });
  test("a reply that begins elsewhere is refused", async () => {
    const { source } = answering(part(50, 100));
    await expect(new Cursor(source, 0).need(1)).rejects.toMatchObject({ kind: "gone" });
  });
  test("a request to a silent server ends", async () => {
    const { source } = answering(
      () =>
        new Response(body(new Uint8Array(0), 1), {
          status: 206,
          headers: { "Content-Range": "bytes 0-99/100" },
        }),
    );
    await expect(new Cursor(source, 0).need(1)).rejects.toMatchObject({ kind: "unreachable" });
  });
  test("a reply that is interrupted without data is requested again, after a pause", async () => {
    const nothing = () =>
      new Response(body(new Uint8Array(0), 1), {
        status: 206,
        headers: { "Content-Range": `bytes 0-99/${bytes.length}` },
      });
    const { source, waits } = answering(nothing, nothing, part(0, 50), part(50, 100));
    expect(await new Cursor(source, 0).need(100)).toBe(true);
    expect(waits).toEqual([200, 400]);
  });
});

describe("reading anywhere", () => {
  test("returns the bytes, and requests no kept byte twice", async () => {
    const { source } = served(bytes, { chunk: 16_384 });
    const reader = new BlockReader(source);
    const random = chance(5);
    for (let count = 0; count < 200; count += 1) {
      const start = Math.floor(random() * bytes.length);
      const end = Math.min(bytes.length, start + 1 + Math.floor(random() * 100_000));
      const read = await reader.read(start, end);
      expect(read.length).toBe(end - start);
      expect(read.every((byte, index) => byte === bytes[start + index])).toBe(true);
    }
    expect(source.fetched).toBeLessThan(bytes.length * 6);
  });
  test("after a cancellation it reads on elsewhere", async () => {
    const { source } = served(bytes);
    const reader = new BlockReader(source);
    await reader.read(0, 100);
    const waiting = reader.read(2_000_000, 2_000_100);
    reader.cancel();
    await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
    expect((await reader.read(1_000_000, 1_000_010))[0]).toBe(bytes[1_000_000]);
  });
});
