// The server's host: a page's connection to the engine in `jstorrent serve`, over HTTP.
//
// Topics arrive as server-sent events. The browser reopens a broken stream, and each stream begins
// with every topic whole. Everything else is an HTTP call to the page's own origin.

import type { Clock } from "../model/clock";
import { backoff } from "../model/clock";
import type { Intent } from "../model/generated/Intent";
import type { IntentReply } from "../model/generated/IntentReply";
import type { PiecesView } from "../model/generated/PiecesView";
import type { TopicUpdate } from "../model/generated/TopicUpdate";
import type { PageLink } from "../model/link";
import type { TopicName, TopicState } from "../model/topics";
import { t } from "../text/messages";
import { Followed } from "./followed";
import type { Host } from "./host";

/** How long the page shows "connecting" before it says that the server does not answer, in ms. */
const PATIENCE_MS = 3_000;
/** First pause before a refused stream is opened again, in ms. It doubles. */
const FIRST_DELAY_MS = 1_000;
const MOST_DELAY_MS = 30_000;
/** Most topics that a server accepts from one page. The first ones are followed. */
const MOST_TOPICS = 100;
/**
 * Longest address of a stream that servers accept, in characters. Topics beyond it are not
 * followed.
 */
const MOST_ADDRESS = 7_000;

const CLOSED = 2;
const UNAUTHORIZED = 401;

/** The part of an `EventSource` that is used. */
export interface NewsStream {
  /** 2: closed for good, because the server's answer was not a stream. */
  readonly readyState: number;
  addEventListener(
    type: "open" | "error" | "message",
    listener: (event: { data?: string }) => void,
  ): void;
  close(): void;
}

/** What a server's host needs from the page. */
export interface ServerActions {
  /** The server's origin, without a trailing slash. */
  origin: string;
  /** The access token, if the server needs one. */
  token(): string | undefined;
  open(address: string): NewsStream;
  fetch(address: string, init?: RequestInit): Promise<Response>;
  reloadPage(): void;
  /** Navigates to the page that asks for the token. */
  askForToken(): void;
}

/** A page's connection to the engine of a server. */
export class ServerHost implements Host {
  link: PageLink = { kind: "starting" };
  /** The server is updated by its administrator. */
  readonly updateReady = false;
  private stream: NewsStream | undefined;
  private refusals = 0;
  private cancelPatience: () => void = () => {};
  private cancelReopening: () => void = () => {};
  private readonly topics = new Followed();

  constructor(
    private readonly clock: Clock,
    private readonly actions: ServerActions,
  ) {}

  follow(names: readonly TopicName[]): void {
    if (this.topics.follow(names)) this.reopen();
  }

  topic<N extends TopicName>(name: N): TopicState<N> | undefined {
    return this.topics.topic(name);
  }

  listen(changed: () => void, signal: AbortSignal): void {
    this.topics.listen(changed, signal);
  }

  async intent(intent: Intent): Promise<IntentReply> {
    try {
      // A `.torrent` file is sent as raw bytes.
      const response =
        intent.kind === "add_torrent"
          ? await this.call("/host/torrents", {
              method: "POST",
              headers: { "content-type": "application/x-bittorrent" },
              body: new Blob([new Uint8Array(intent.metainfo)]),
            })
          : await this.call("/host/intents", {
              method: "POST",
              headers: { "content-type": "application/json" },
              body: JSON.stringify(intent),
              keepalive: intent.kind === "watched" || intent.kind === "choose",
            });
      const answer = (await response.json()) as IntentReply & { error?: string };
      if (!response.ok)
        return {
          kind: "failed",
          message: answer.error ?? t("linkServerAnswered", String(response.status)),
        };
      return answer;
    } catch {
      return { kind: "failed", message: t("linkServerSilent") };
    }
  }

  async pieces(
    infoHash: string,
    fileIndex: number,
    cells: number,
  ): Promise<PiecesView | undefined> {
    try {
      const response = await this.call(
        `/host/pieces?torrent=${infoHash}&file=${fileIndex}&cells=${cells}`,
      );
      return response.ok
        ? (((await response.json()) as PiecesView | null) ?? undefined)
        : undefined;
    } catch {
      return undefined;
    }
  }

  retry(): void {
    this.reopen();
  }

  /** A server has only one engine. */
  takeOver(): void {}

  restart(): void {}

  update(): void {
    if (this.link.kind === "down" && this.link.reason === "server_token")
      this.actions.askForToken();
    else this.actions.reloadPage();
  }

  private call(path: string, init?: RequestInit): Promise<Response> {
    return this.actions.fetch(this.address(path), init);
  }

  private address(path: string): string {
    const { origin } = this.actions;
    const token = this.actions.token();
    return token === undefined
      ? origin + path
      : `${origin}${path}${path.includes("?") ? "&" : "?"}token=${encodeURIComponent(token)}`;
  }

  private reopen(): void {
    this.stream?.close();
    this.cancelReopening();
    let path = "/host/topics?";
    for (const name of this.topics.names.slice(0, MOST_TOPICS))
      if (path.length + name.length < MOST_ADDRESS) path += `topic=${encodeURIComponent(name)}&`;
    const stream = (this.stream = this.actions.open(this.address(path.slice(0, -1))));
    const isMine = () => this.stream === stream;
    stream.addEventListener("open", () => {
      if (!isMine()) return;
      this.refusals = 0;
      this.hear({ kind: "connected", baseUrl: this.actions.origin, version: "" });
    });
    stream.addEventListener("error", () => {
      if (!isMine()) return;
      this.lose();
      if (stream.readyState !== CLOSED) return;
      void this.learnWhy(stream);
      this.cancelReopening = this.clock.after(
        backoff(this.refusals++, FIRST_DELAY_MS, MOST_DELAY_MS),
        () => this.reopen(),
      );
    });
    stream.addEventListener(
      "message",
      ({ data }) => isMine() && data !== undefined && this.take(JSON.parse(data) as TopicUpdate),
    );
  }

  private take(update: TopicUpdate): void {
    const outcome = this.topics.take(update);
    // A new stream begins with every topic whole.
    if (outcome === "gap") this.reopen();
    if (outcome === "applied") this.topics.tell();
  }

  private hear(link: PageLink): void {
    this.cancelPatience();
    this.link = link;
    this.topics.tell();
  }

  /** The browser reconnects by itself. The user is told after a while. */
  private lose(): void {
    if (this.link.kind === "connecting" || this.link.kind === "down") return;
    this.link = { kind: "connecting" };
    this.cancelPatience();
    const down: PageLink = { kind: "down", cause: "unreachable", reason: "server", message: "" };
    this.cancelPatience = this.clock.after(PATIENCE_MS, () => this.hear(down));
    this.topics.tell();
  }

  /** A stream does not say why it was refused, but a call does. */
  private async learnWhy(stream: NewsStream): Promise<void> {
    const status = await this.call("/torrents").then(
      (response) => response.status,
      () => undefined,
    );
    if (status === UNAUTHORIZED && this.stream === stream)
      this.hear({ kind: "down", cause: "unreachable", reason: "server_token", message: "" });
  }
}
