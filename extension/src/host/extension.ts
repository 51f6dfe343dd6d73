// The extension's host: a page's end of the channels to the engine's worker; notices silence, gaps
// and other builds.
//
// It keeps the topics that the page follows and nothing else. When the engine falls silent it asks
// the background to see to it: that wakes the service worker, which brings the offscreen document
// back.

import type { Clock } from "../model/clock";
import type { Intent } from "../model/generated/Intent";
import type { IntentReply } from "../model/generated/IntentReply";
import type { PiecesView } from "../model/generated/PiecesView";
import type { LinkState, PageLink } from "../model/link";
import type { Known, TopicName, TopicState } from "../model/topics";
import { applied } from "../model/topics";
import { t } from "../text/messages";
import type { Host } from "./host";
import type {
  EngineMessage,
  HelloMessage,
  PageMessage,
  PageReply,
  PageRequest,
  PublishedState,
} from "./protocol";

/** With no state for so long, the engine is taken to be gone. */
export const SILENCE_MS = 3_000;
/** An engine that never said anything by then will not come by itself. */
export const NEVER_MS = 30_000;
const REPLY_MS = 15_000;
/** The daemon fetches a file before this is answered, and has given up itself by then. */
const FETCH_REPLY_MS = 90_000;

/** What an extension's host acts through. */
export interface ExtensionActions {
  /** The page's name on the channels. */
  page: string;
  /** Which build the page is of. */
  build: string;
  /** Speaks to the worker. */
  send(message: PageMessage): void;
  /** Whether the page is in the background. */
  isHidden(): boolean;
  /** Wakes the background, which sees to it that there is an engine; what is wrong if there can't be one. */
  ensureEngine(): Promise<string | undefined>;
  /** Which build lies on the disk; `undefined` if that can't be told. */
  installedBuild(): Promise<string | undefined>;
  /** Loads the page anew. */
  reloadPage(): void;
}

/** One page's view of the engine. */
export class ExtensionHost implements Host {
  updateReady = false;
  private heard: LinkState | undefined;
  private silent = false;
  private old: "page" | "engine" | undefined;
  private session = "";
  /** Why there is no engine, and how long there was none. */
  private trouble: string | undefined;
  private silences = 0;
  private names: readonly TopicName[] = [];
  private nextId = 0;
  private cancelSilence: () => void = () => {};
  private readonly known = new Map<string, Known>();
  private readonly waiting = new Map<
    number,
    { request: PageRequest; settle: (reply: PageReply | undefined) => void }
  >();
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly clock: Clock,
    private readonly actions: ExtensionActions,
  ) {
    this.announce();
    void this.ensure();
    this.expectState();
  }

  get link(): PageLink {
    if (this.old) return { kind: "outdated", part: this.old };
    if (this.trouble !== undefined && (this.silent || this.heard === undefined))
      return { kind: "down", cause: "not_started", message: this.trouble };
    if (this.silent) return { kind: "reconnecting" };
    return this.heard ?? { kind: "starting" };
  }

  follow(names: readonly TopicName[]): void {
    if (names.length === this.names.length && names.every((name, at) => name === this.names[at]))
      return;
    this.names = [...names];
    for (const name of this.known.keys())
      if (!names.includes(name as TopicName)) this.known.delete(name);
    this.announce();
  }

  topic<N extends TopicName>(name: N): TopicState<N> | undefined {
    return this.known.get(name)?.state as TopicState<N> | undefined;
  }

  listen(changed: () => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.listeners.add(changed);
    signal.addEventListener("abort", () => this.listeners.delete(changed), { once: true });
  }

  async intent(intent: Intent): Promise<IntentReply> {
    const reply = await this.request(
      { kind: "intent", intent },
      intent.kind === "add_url" ? FETCH_REPLY_MS : REPLY_MS,
    );
    if (reply?.kind === "intent") return reply.reply;
    const lost = reply?.kind === "lost" ? "linkRequestLost" : "linkEngineSilent";
    return { kind: "failed", message: t(reply?.kind === "no_engine" ? "linkEngineStopped" : lost) };
  }

  async pieces(
    infoHash: string,
    fileIndex: number,
    cells: number,
  ): Promise<PiecesView | undefined> {
    const reply = await this.request({ kind: "pieces", infoHash, fileIndex, cells });
    return reply?.kind === "pieces" ? (reply.pieces ?? undefined) : undefined;
  }

  /** Everything at once, for the console and tests. */
  async everything(): Promise<PublishedState | undefined> {
    const reply = await this.request({ kind: "everything" }, SILENCE_MS);
    return reply?.kind === "everything" ? reply.state : undefined;
  }

  retry(): void {
    if (this.trouble !== undefined) void this.ensure();
    void this.request({ kind: "retry" });
  }

  takeOver(): void {
    void this.request({ kind: "take_over" });
  }

  restart(): void {
    void this.request({ kind: "restart_extension" });
  }

  update(): void {
    if (this.old === "page") this.actions.reloadPage();
    else this.actions.send({ kind: "restart" });
  }

  /** Tells the engine that this page looks no longer. */
  leave(): void {
    this.actions.send({ kind: "leave", page: this.actions.page });
  }

  /** Says now what the page follows: it came back from the background, say. */
  announce(): void {
    const { page } = this.actions;
    const missing = this.names.filter((name) => this.known.get(name)?.revision === undefined);
    this.actions.send({
      kind: "watch",
      page,
      topics: [...this.names],
      missing,
      hidden: this.actions.isHidden(),
    });
  }

  /** A new worker is there: it knows neither the page nor what its predecessor was asked. */
  handleHello({ build }: HelloMessage): void {
    this.announce();
    for (const [id, { request, settle }] of [...this.waiting]) {
      if (build === this.actions.build) this.ask(id, request, true);
      // It would not be understood.
      else settle({ kind: "lost" });
    }
  }

  /** Takes what the worker says to this page. */
  handle(message: EngineMessage): void {
    if (message.build !== this.actions.build) {
      this.expectState();
      void this.tellOld();
      return;
    }
    if (message.kind === "reply") {
      this.waiting.get(message.id)?.settle(message.reply);
      return;
    }
    const newSession = message.session !== this.session;
    const differs =
      this.silent ||
      this.updateReady !== message.updateReady ||
      this.trouble !== undefined ||
      this.old !== undefined ||
      newSession ||
      JSON.stringify(this.heard) !== JSON.stringify(message.link);
    this.session = message.session;
    this.updateReady = message.updateReady;
    this.heard = message.link;
    [this.silent, this.old, this.trouble, this.silences] = [false, undefined, undefined, 0];
    this.expectState();
    let changed = false;
    let gap = false;
    for (const update of message.updates) {
      if (!this.names.includes(update.topic as TopicName)) continue;
      const next = applied(this.known.get(update.topic), update);
      if (next) this.known.set(update.topic, next);
      else {
        this.mistrust(update.topic);
        gap = true;
      }
      changed ||= next !== undefined;
    }
    if (gap) this.announce();
    if (differs || changed) this.tell();
  }

  /** What is shown of a topic stays until the whole comes; only its revision is worth nothing. */
  private mistrust(topic: string): void {
    const known = this.known.get(topic);
    if (known) this.known.set(topic, { ...known, revision: undefined });
  }

  private async tellOld(): Promise<void> {
    const installed = await this.actions.installedBuild();
    this.old = installed === this.actions.build ? "engine" : "page";
    this.tell();
  }

  private tell(): void {
    for (const changed of this.listeners) changed();
  }

  /** Sees to it that there is an engine, and remembers what is wrong if there can't be one. */
  private async ensure(): Promise<void> {
    const trouble = await this.actions.ensureEngine();
    if (trouble === undefined || trouble === this.trouble) return;
    this.trouble = trouble;
    this.tell();
  }

  private ask(id: number, request: PageRequest, again: boolean): void {
    this.actions.send({ kind: "request", page: this.actions.page, id, again, request });
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
      this.waiting.set(id, { request, settle });
      this.ask(id, request, false);
    });
  }

  private expectState(): void {
    this.cancelSilence();
    this.cancelSilence = this.clock.after(SILENCE_MS, () => {
      this.silent = this.heard !== undefined;
      this.silences += 1;
      if (this.silences * SILENCE_MS >= NEVER_MS) this.trouble ??= t("linkNeverStarted");
      void this.ensure();
      this.announce();
      this.expectState();
      this.tell();
    });
  }
}
