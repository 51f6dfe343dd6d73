// A page's end of the channel to the engine: hears states, makes requests, notices silence.
//
// It keeps the last state and nothing else. When the engine falls silent it asks the background to see to it: that
// wakes the service worker, which brings the offscreen document back.

import type { Clock } from "../model/clock";
import type { Intent } from "../model/generated/Intent";
import type { IntentReply } from "../model/generated/IntentReply";
import type { PiecesView } from "../model/generated/PiecesView";
import type { PageLink } from "../model/link";
import type { PageMessage, PageReply, PageRequest, PublishedState } from "./messages";
import { parseEngineMessage } from "./messages";

const WATCH_MS = 2_000;
/** With no state for so long, the engine is taken to be gone. */
export const SILENCE_MS = 3_000;
const REPLY_MS = 15_000;
/** The daemon fetches a file before this is answered, and has given up itself by then. */
const FETCH_REPLY_MS = 90_000;

/** The part of a `BroadcastChannel` that a client needs. */
export interface ClientChannel {
  postMessage(message: PageMessage): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
}

/** One page's view of the engine. */
export class Client {
  /** The last state heard. */
  state: PublishedState | undefined;
  private silent = false;
  private nextId = 0;
  private cancelSilence: () => void = () => {};
  private readonly waiting = new Map<number, (reply: PageReply | undefined) => void>();
  private readonly page = crypto.randomUUID();

  constructor(
    private readonly clock: Clock,
    private readonly channel: ClientChannel,
    private readonly ensureEngine: () => void,
    private readonly changed: () => void,
  ) {
    channel.addEventListener("message", (event) => this.handle(event.data));
    this.watch();
    this.expectState();
  }

  /** How things stand with engine and daemon. */
  get link(): PageLink {
    if (this.silent) return { kind: "reconnecting" };
    return this.state?.link ?? { kind: "starting" };
  }

  /** Asks the engine to do something; never throws. */
  async intent(intent: Intent): Promise<IntentReply> {
    const reply = await this.request({ kind: "intent", intent }, intent.kind === "add_url" ? FETCH_REPLY_MS : REPLY_MS);
    return reply?.kind === "intent" ? reply.reply : { kind: "failed", message: "The engine did not answer." };
  }

  /** The pieces of a file, as `cells` cells. */
  async pieces(infoHash: string, fileIndex: number, cells: number): Promise<PiecesView | undefined> {
    const reply = await this.request({ kind: "pieces", infoHash, fileIndex, cells });
    return reply?.kind === "pieces" ? (reply.pieces ?? undefined) : undefined;
  }

  /** Tries the daemon now. */
  retry(): void {
    void this.request({ kind: "retry" });
  }

  /** Makes this engine the daemon's again. */
  takeOver(): void {
    void this.request({ kind: "take_over" });
  }

  /** Tells the engine that this page looks no longer. */
  leave(): void {
    this.channel.postMessage({ kind: "leave", page: this.page });
  }

  /** Announces the page now: it came back from the background, say. */
  announce(): void {
    this.channel.postMessage({ kind: "watch", page: this.page });
  }

  private watch(): void {
    this.announce();
    this.clock.after(WATCH_MS, () => this.watch());
  }

  private request(request: PageRequest, patienceMs = REPLY_MS): Promise<PageReply | undefined> {
    const id = this.nextId++;
    return new Promise((resolve) => {
      const cancel = this.clock.after(patienceMs, () => settle(undefined));
      const settle = (reply: PageReply | undefined) => {
        cancel();
        this.waiting.delete(id);
        resolve(reply);
      };
      this.waiting.set(id, settle);
      this.channel.postMessage({ kind: "request", page: this.page, id, request });
    });
  }

  private handle(data: unknown): void {
    const message = parseEngineMessage(data);
    switch (message?.kind) {
      case "state":
        this.state = message.state;
        this.silent = false;
        this.expectState();
        this.changed();
        break;
      case "reply":
        if (message.page === this.page) this.waiting.get(message.id)?.(message.reply);
        break;
      case undefined:
        break;
    }
  }

  private expectState(): void {
    this.cancelSilence();
    this.cancelSilence = this.clock.after(SILENCE_MS, () => {
      this.silent = this.state !== undefined;
      this.ensureEngine();
      this.announce();
      this.expectState();
      this.changed();
    });
  }
}
