// The daemon's endpoint from the native messaging host, and sharing of calls that run already.

import { expect, test, vi } from "vitest";
import { requestEndpoint } from "../src/extension/endpoint";
import type { EndpointResult } from "../src/extension/messages";
import { NativeHostError } from "../src/extension/platform";
import { singleFlight } from "../src/extension/single_flight";

const TOKEN = "0f".repeat(32);

async function check(
  host: () => Promise<unknown>,
  expected: EndpointResult | EndpointResult["kind"],
): Promise<void> {
  const result = await requestEndpoint(host);
  if (typeof expected === "string") expect(result.kind).toBe(expected);
  else expect(result).toEqual(expected);
}

const fails = (words: string) => () => Promise.reject(new NativeHostError(words));

test("the host's endpoint is returned", () =>
  check(async () => ({ type: "endpoint", port: 1, token: TOKEN, version: "0.1.0" }), {
    kind: "endpoint",
    port: 1,
    token: TOKEN,
    version: "0.1.0",
  }));

test.each(["sixteen-letters_", "~.-_".repeat(4), "x".repeat(256)])(
  "a token that a user chose, such as %s, is handed on",
  (token) =>
    check(async () => ({ type: "endpoint", port: 1, token, version: "0.1.0" }), "endpoint"),
);

test.each([
  "fifteen-letters",
  "sixteen letters!",
  "x".repeat(257),
  `${TOKEN}\n`,
  "sixteen&letters=",
])("a token such as %j is not understood", (token) =>
  check(async () => ({ type: "endpoint", port: 1, token, version: "0.1.0" }), "host_error"),
);

test("the host's own error text is returned", () =>
  check(async () => ({ type: "error", message: "No room." }), {
    kind: "host_error",
    message: "No room.",
  }));

test("a host that is not installed is reported as missing", () =>
  check(fails("Specified native messaging host not found."), "no_host"));
test("a host that is for another extension is reported as forbidden", () =>
  check(fails("Access to the specified native messaging host is forbidden."), "forbidden"));
test("a host that ends is an error", () => check(fails("Native host has exited."), "host_error"));
test("a host that does not start is an error", () =>
  check(fails("Failed to start native messaging host."), "host_error"));

test.each([
  null,
  7,
  "endpoint",
  {},
  { type: "endpoint" },
  { type: "endpoint", port: 99999, token: TOKEN, version: "" },
  { type: "error" },
])("an answer such as %o is not understood", (answer) => check(async () => answer, "host_error"));

test("a silent host fails after a while", async () => {
  vi.useFakeTimers();
  const result = requestEndpoint(() => new Promise(() => {}));
  await vi.advanceTimersByTimeAsync(20_000);
  expect((await result).kind).toBe("host_error");
  vi.useRealTimers();
});

test("calls made while one runs share its outcome; later calls run again", async () => {
  let calls = 0;
  const call = singleFlight(async () => ++calls);
  expect(await Promise.all([call(), call(), call()])).toEqual([1, 1, 1]);
  expect(await call()).toBe(2);
});

test("a call that fails does not block the next", async () => {
  let calls = 0;
  const call = singleFlight(async () => {
    if (++calls === 1) throw new Error("first");
    return calls;
  });
  await expect(call()).rejects.toThrow("first");
  expect(await call()).toBe(2);
});
