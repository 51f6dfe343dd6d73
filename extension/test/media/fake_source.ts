// A MediaSource in memory: its buffers parse the appended fragments and track what is buffered.

import type { MediaBuffer } from "../../src/media/buffers";
import type { Source } from "../../src/media/playback";

export class FakeBuffer extends EventTarget implements MediaBuffer {
  updating = false;
  ranges: [number, number][] = [];
  /** The events, in order: "append 0-1.2", "remove 0-5", "init", "type …", "abort". */
  readonly log: string[] = [];
  /** Capacity in bytes. Beyond it, appends fail. */
  room = Infinity;
  held = 0;

  constructor(
    public type: string,
    private readonly source?: FakeSource,
  ) {
    super();
  }

  get buffered() {
    const { ranges } = this;
    return {
      length: ranges.length,
      start: (index: number) => ranges[index]![0],
      end: (index: number) => ranges[index]![1],
    };
  }

  appendBuffer(data: BufferSource): void {
    this.reopen();
    if (this.updating) throw new DOMException("still updating", "InvalidStateError");
    const bytes = new Uint8Array(data as ArrayBuffer);
    if (this.held + bytes.length > this.room) throw new DOMException("full", "QuotaExceededError");
    this.held += bytes.length;
    const span = spanOf(bytes);
    this.log.push(span ? `append ${span.map((time) => time.toFixed(2)).join("-")}` : "init");
    if (span) this.ranges = united([...this.ranges, span]);
    this.update();
  }

  remove(start: number, end: number): void {
    this.reopen();
    if (this.updating) throw new DOMException("still updating", "InvalidStateError");
    this.log.push(`remove ${start}-${end}`);
    this.ranges = this.ranges.flatMap(([from, to]): [number, number][] =>
      [
        [from, Math.min(to, start)] as [number, number],
        [Math.max(from, end), to] as [number, number],
      ].filter(([a, b]) => b > a),
    );
    this.held = this.ranges.length > 0 ? this.held / 2 : 0;
    this.update();
  }

  abort(): void {
    if (this.source?.readyState === "ended") throw new DOMException("ended", "InvalidStateError");
    if (this.updating)
      throw new DOMException("this fake aborts nothing that runs", "InvalidStateError");
    this.log.push("abort");
  }

  changeType(type: string): void {
    this.reopen();
    this.type = type;
    this.log.push(`type ${type}`);
  }

  private reopen(): void {
    if (this.source?.readyState === "ended") this.source.readyState = "open";
  }

  private update(): void {
    this.updating = true;
    queueMicrotask(() => {
      this.updating = false;
      this.dispatchEvent(new Event("updateend"));
    });
  }
}

export class FakeSource implements Source {
  readyState = "open";
  duration = NaN;
  readonly buffers: FakeBuffer[] = [];

  addSourceBuffer(type: string): FakeBuffer {
    const buffer = new FakeBuffer(type, this);
    this.buffers.push(buffer);
    return buffer;
  }

  endOfStream(): void {
    if (this.readyState !== "open" || this.buffers.some(({ updating }) => updating))
      throw new DOMException("not now", "InvalidStateError");
    this.readyState = "ended";
  }
}

function united(ranges: [number, number][]): [number, number][] {
  const out: [number, number][] = [];
  for (const [start, end] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = out.at(-1);
    if (last && start <= last[1] + 0.03) last[1] = Math.max(last[1], end);
    else out.push([start, end]);
  }
  return out;
}

/** The time span of a fragment in seconds. `undefined` for an init segment. */
function spanOf(bytes: Uint8Array): [number, number] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const find = (name: string): number => {
    const codes = [...name].map((char) => char.charCodeAt(0));
    for (let at = 4; at < Math.min(bytes.length, 200); at += 1)
      if (codes.every((code, index) => bytes[at + index] === code)) return at + 4;
    return -1;
  };
  const tfdt = find("tfdt");
  const trun = find("trun");
  if (tfdt < 0 || trun < 0) return undefined;
  let dts = Number(view.getBigUint64(tfdt + 4));
  let start = Infinity;
  let end = 0;
  for (let index = 0; index < view.getUint32(trun + 4); index += 1) {
    const entry = trun + 12 + index * 16;
    const pts = dts + view.getInt32(entry + 12);
    start = Math.min(start, pts);
    end = Math.max(end, pts + view.getUint32(entry));
    dts += view.getUint32(entry);
  }
  return [start / 1e6, end / 1e6];
}
