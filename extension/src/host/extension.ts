// The extension's host: a page's end of the channels to the engine's worker.
//
// It notices silence, missed updates and other builds.
// When the engine is silent, it wakes the background, which starts the offscreen document again.

import type { Clock } from "../model/clock";
import type { Intent } from "../model/generated/Intent";
import type { IntentReply } from "../model/generated/IntentReply";
import type { PiecesView } from "../model/generated/PiecesView";
import type { LinkState, PageLink } from "../model/link";
import type { TopicName, TopicState } from "../model/topics";
import { t } from "../text/messages";
import { Followed } from "./followed";
import type { Host } from "./host";
import type {
  EngineMessage,
  HelloMessage,
  PageMessage,
  PageReply,
  PageRequest,
  PublishedState,
} from "./protocol";

/** Without a message for this time, the engine counts as gone, in ms. */
export const SILENCE_MS = 3_000;
/** Time after which an engine that never answered is reported missing, in ms. */
export const NEVER_MS = 30_000;
const REPLY_MS = 15_000;
/** Timeout of requests for which the daemon fetches a file, in ms. The daemon gives up earlier. */
const FETCH_REPLY_MS = 90_000;

/** What the extension's host needs from the page. */
export interface ExtensionActions {
  /** The page's name on the channels. */
  page: string;
  /** The page's build. */
  build: string;
  /** Sends a message to the worker. */
  send(message: PageMessage): void;
  /** Whether the page is in the background. */
  isHidden(): boolean;
  /** Wakes the background, which starts the engine. Returns what is wrong if it can't. */
  ensureEngine(): Promise<string | undefined>;
  /** The build that is installed on disk. `undefined` if it can't be read. */
  installedBuild(): Promise<string | undefined>;
  /** Reloads the page. */
  reloadPage(): void;
}

/** A page's connection to the engine. */
export class ExtensionHost implements Host {
  updateReady = false;
  private heard: LinkState | undefined;
  private silent = false;
  private old: "page" | "engine" | undefined;
  private session = "";
  /** Why there is no engine, while there is none. */
  private trouble: string | undefined;
  private silences = 0;
  private nextId = 0;
  private cancelSilence: () => void = () => {};
  private readonly topics = new Followed();
  private readonly waiting = new Map<
    number,
    { request: PageRequest; settle: (reply: PageReply | undefined) => void }
  >();

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
    if (this.topics.follow(names)) this.announce();
  }

  topic<N extends TopicName>(name: N): TopicState<N> | undefined {
    return this.topics.topic(name);
  }

  listen(changed: () => void, signal: AbortSignal): void {
    this.topics.listen(changed, signal);
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

  /** The complete state, for the console and tests. */
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

  /** Tells the worker that this page closes. */
  leave(): void {
    this.actions.send({ kind: "leave", page: this.actions.page });
  }

  /**
   * Sends the worker the topics that the page follows, for example when the page becomes visible.
   */
  announce(): void {
    const { page } = this.actions;
    const { names, missing } = this.topics;
    this.actions.send({
      kind: "watch",
      page,
      topics: [...names],
      missing,
      hidden: this.actions.isHidden(),
    });
  }

  /** Introduces the page to a new worker, and repeats unanswered requests. */
  handleHello({ build }: HelloMessage): void {
    this.announce();
    for (const [id, { request, settle }] of [...this.waiting]) {
      if (build === this.actions.build) this.ask(id, request, true);
      // A worker of another build would not understand the request.
      else settle({ kind: "lost" });
    }
  }

  /** Handles a message of the worker to this page. */
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
    const outcomes = message.updates.map((update) => this.topics.take(update));
    if (outcomes.includes("gap")) this.announce();
    if (differs || outcomes.includes("applied")) this.topics.tell();
  }

  private async tellOld(): Promise<void> {
    const installed = await this.actions.installedBuild();
    this.old = installed === this.actions.build ? "engine" : "page";
    this.topics.tell();
  }

  /** Starts the engine if needed, and remembers what is wrong if it can't be started. */
  private async ensure(): Promise<void> {
    const trouble = await this.actions.ensureEngine();
    if (trouble === undefined || trouble === this.trouble) return;
    this.trouble = trouble;
    this.topics.tell();
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
      this.topics.tell();
    });
  }
}
