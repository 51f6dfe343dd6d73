// What the native host said, or Chrome in its place, as a typed result.
//
// It knows Chrome's error strings and the host's two answers; it asks nobody itself. The token
// passes through and is never put into words.

import { TOKEN } from "../model/generated/Token";
import type { EndpointResult } from "./messages";
import { NativeHostError } from "./platform";

/** Name of the native messaging host that finds or starts the daemon. */
export const NATIVE_HOST = "com.jstorrent.io_daemon";

const TIMEOUT_MS = 20_000;

/** A longer text is not shown. */
const MAX_TEXT = 4096;

/** Asks the native host where the daemon is; never throws. */
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
