// Decides when the engine asks for the daemon, connects, waits, or stays idle.
//
// No input or output but the functions that it is given; it knows no WebSocket and no Chrome.
// Invariant: at most one attempt runs at a time, and the answer to an abandoned attempt is ignored.

import type { Clock } from "../model/clock";
import { backoff } from "../model/clock";
import type { DownCause, LinkDown, LinkState } from "../model/link";
import type { EndpointResult } from "./messages";

/** An event of the engine's connection. */
export type LinkEvent =
  | { kind: "connected"; epoch: number }
  | { kind: "disconnected"; code: number; reason: string };

/** What a link needs from its owner. */
export interface LinkActions {
  /** Finds the daemon, and starts it if needed. */
  endpoint(): Promise<EndpointResult>;
  /** Makes one attempt to connect. A `LinkEvent` reports the outcome. */
  connect(url: string, token: string): void;
  /** Called with each new state. */
  changed(state: LinkState): void;
}

/** First pause after a failed attempt, in ms. It doubles. */
export const FIRST_DELAY_MS = 200;
/** Longest pause between attempts, in ms. */
export const MOST_DELAY_MS = 5_000;
/**
 * Longest pause, in ms, for causes that only the user can fix, and while no page is open. Such
 * causes are a daemon that can't be started or has another version. Each attempt starts a program.
 */
export const MOST_BROKEN_DELAY_MS = 300_000;
/** An attempt without an outcome fails after this time, in ms. */
export const ATTEMPT_MS = 10_000;
/** After a connection of this length, in ms, the next attempt comes at once. */
export const GOOD_MS = 2_000;
/** How many attempts fail before the user is told that the daemon does not answer. */
const QUIET_FAILURES = 3;

// Close code of the control WebSocket for a wrong token.
const TOKEN_REFUSED = 4401;
const SUPERSEDED = 4409;
const OTHER_VERSION = 4426;

type Phase =
  | { kind: "idle" }
  | { kind: "asking" }
  | { kind: "opening"; baseUrl: string; version: string }
  | { kind: "open"; since: number; version: string }
  | { kind: "pausing"; isLong: boolean }
  /** No attempts until a page is visible. */
  | { kind: "parked" }
  | { kind: "superseded" };

/** Keeps the engine connected to the daemon. */
export class Link {
  state: LinkState = { kind: "connecting" };
  private phase: Phase = { kind: "idle" };
  private attempt = 0;
  private failures = 0;
  private watched = false;
  private present = false;
  private cancelTimer: () => void = () => {};

  constructor(
    private readonly clock: Clock,
    private readonly actions: LinkActions,
    /** The extension's version. */
    private readonly version: string,
  ) {}

  /** Starts connecting, or tries again at once. Does nothing while connected. */
  start(): void {
    if (this.phase.kind !== "idle" && this.phase.kind !== "pausing" && this.phase.kind !== "parked")
      return;
    this.failures = 0;
    void this.ask();
  }

  /** Takes the daemon back from the engine that replaced this one. */
  takeOver(): void {
    if (this.phase.kind !== "superseded") return;
    this.failures = 0;
    this.show({ kind: "connecting" });
    void this.ask();
  }

  /**
   * Sets whether any page is visible, and any is open. Without a visible page, a daemon that is not
   * installed is not requested again. A page that becomes visible ends a long pause.
   */
  setWatched(watched: boolean, present = watched): void {
    const isFirst = watched && !this.watched;
    this.watched = watched;
    this.present = present;
    if (
      isFirst &&
      (this.phase.kind === "parked" || (this.phase.kind === "pausing" && this.phase.isLong))
    )
      void this.ask();
  }

  /** Handles an event of the engine's connection. */
  handle(event: LinkEvent): void {
    if (event.kind === "connected") this.handleConnected();
    else this.handleDisconnected(event.code, event.reason);
  }

  private handleConnected(): void {
    if (this.phase.kind !== "opening") return;
    const { baseUrl, version } = this.phase;
    this.cancelTimer();
    this.phase = { kind: "open", since: this.clock.now(), version };
    this.show({ kind: "connected", baseUrl, version });
  }

  private handleDisconnected(code: number, reason: string): void {
    if (this.phase.kind !== "opening" && this.phase.kind !== "open") return;
    if (code === SUPERSEDED) {
      this.cancelTimer();
      this.phase = { kind: "superseded" };
      this.show({ kind: "superseded" });
      return;
    }
    if (this.phase.kind === "open" && this.clock.now() - this.phase.since >= GOOD_MS)
      this.failures = 0;
    if (code === OTHER_VERSION) {
      this.fail("version", { versions: { extension: this.version, daemon: this.phase.version } });
    } else if (code === TOKEN_REFUSED) {
      this.fail("unreachable", { reason: "token" });
    } else {
      this.fail("unreachable", { message: reason });
    }
  }

  private async ask(): Promise<void> {
    this.cancelTimer();
    this.attempt += 1;
    const attempt = this.attempt;
    this.phase = { kind: "asking" };
    const result = await this.actions.endpoint();
    if (attempt !== this.attempt || this.phase.kind !== "asking") return;
    switch (result.kind) {
      case "endpoint":
        this.open(result.port, result.token, result.version);
        break;
      case "no_host":
        this.fail("no_host");
        break;
      case "forbidden":
        this.fail("forbidden");
        break;
      case "host_error":
        this.fail("host_error", { message: result.message, reason: result.reason });
        break;
    }
  }

  private open(port: number, token: string, version: string): void {
    this.phase = { kind: "opening", baseUrl: `http://127.0.0.1:${port}`, version };
    this.cancelTimer = this.clock.after(ATTEMPT_MS, () => this.fail("unreachable"));
    this.actions.connect(`ws://127.0.0.1:${port}/control`, token);
  }

  private fail(
    cause: DownCause,
    more: Pick<LinkDown, "reason" | "versions"> & { message?: string } = {},
  ): void {
    this.cancelTimer();
    this.attempt += 1;
    const hopeless = cause === "no_host" || cause === "forbidden";
    const broken = cause === "host_error" || cause === "version";
    // Without a page, downloads can still continue when the daemon comes back: keep trying, slowly.
    const mostMs = broken || !this.present ? MOST_BROKEN_DELAY_MS : MOST_DELAY_MS;
    const delayMs = backoff(this.failures, FIRST_DELAY_MS, mostMs);
    this.failures += 1;
    const passing =
      cause === "unreachable" && this.failures <= QUIET_FAILURES && this.state.kind !== "down";
    this.show(passing ? { kind: "connecting" } : { kind: "down", cause, message: "", ...more });
    if (!this.watched && (hopeless || (broken && delayMs > MOST_DELAY_MS))) {
      this.phase = { kind: "parked" };
      return;
    }
    this.phase = { kind: "pausing", isLong: delayMs > MOST_DELAY_MS };
    // A cause that only a user can fix is checked at a slow, fixed pace.
    this.cancelTimer = this.clock.after(hopeless ? MOST_DELAY_MS : delayMs, () => void this.ask());
  }

  private show(state: LinkState): void {
    const before = JSON.stringify(this.state);
    this.state = state;
    if (JSON.stringify(state) !== before) this.actions.changed(state);
  }
}
