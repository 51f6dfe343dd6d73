// Turns the answer of the native host, or Chrome's error, into a typed result.
//
// It knows Chrome's error strings and the host's two answers. The token is passed on and never put
// into a message.

import { TOKEN } from "../model/generated/Token";
import type { EndpointResult } from "./messages";
import { NativeHostError } from "./platform";

/** Name of the native messaging host that finds or starts the daemon. */
export const NATIVE_HOST = "com.jstorrent.io_daemon";

const TIMEOUT_MS = 20_000;

/** Longest error text that is shown, in characters. */
const MAX_TEXT = 4096;

/** Asks the native host where the daemon is. Never throws. */
export async function requestEndpoint(
  call: (message: object) => Promise<unknown>,
): Promise<EndpointResult> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<EndpointResult>((resolve) => {
    timer = setTimeout(
      () => resolve({ kind: "host_error", reason: "silent", message: "" }),
      TIMEOUT_MS,
    );
  });
  const answer = call({ type: "connect" }).then(readReply, readFailure);
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

function readReply(reply: unknown): EndpointResult {
  const { type, port, token, version, message } = (
    typeof reply === "object" && reply !== null ? reply : {}
  ) as Record<string, unknown>;
  if (type === "endpoint" && isPort(port) && isText(token) && TOKEN.test(token) && isText(version))
    return { kind: "endpoint", port, token, version };
  if (type === "error" && isText(message)) return { kind: "host_error", message };
  return { kind: "host_error", reason: "not_understood", message: "" };
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65535;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_TEXT;
}

function readFailure(error: unknown): EndpointResult {
  const words = error instanceof NativeHostError ? error.message : "";
  if (words.includes("host not found")) return { kind: "no_host" };
  if (words.includes("forbidden")) return { kind: "forbidden" };
  if (words.includes("Failed to start"))
    return { kind: "host_error", reason: "not_started", message: "" };
  if (words.includes("has exited")) return { kind: "host_error", reason: "ended", message: "" };
  return { kind: "host_error", message: words };
}
