// Which requests of pages the worker performs, so that none is performed twice.

import { expect, test } from "vitest";
import { RECALL_MS, Requests } from "../src/extension/requests";
import type { PageRequest } from "../src/host/protocol";
import { HASH } from "./samples";

const intent = (kind: "pause" | "remove"): PageRequest => ({
  kind: "intent",
  intent:
    kind === "pause"
      ? { kind, infoHash: HASH }
      : { kind, infoHash: HASH, deleteData: true, undo: false },
});

test("a repeated request is performed once", () => {
  const requests = new Requests(0);
  expect(requests.judge("p", 7, false, intent("remove"), 1)).toBe("act");
  expect(requests.judge("p", 7, true, intent("remove"), 2)).toBe("ignore");
  expect(requests.judge("p", 6, true, intent("pause"), 3)).toBe("act");
  expect(requests.judge("q", 7, false, intent("pause"), 4)).toBe("act");
});

test("a request that a former worker may have performed is repeated only if harmless", () => {
  const requests = new Requests(0);
  expect(requests.judge("p", 1, true, intent("pause"), 1)).toBe("act");
  expect(requests.judge("p", 2, true, intent("remove"), 1)).toBe("lost");
  expect(
    requests.judge("p", 3, true, { kind: "pieces", infoHash: HASH, fileIndex: 0, cells: 1 }, 1),
  ).toBe("act");
});

test("old requests are forgotten", () => {
  const requests = new Requests(0);
  requests.judge("p", 1, false, intent("pause"), 1);
  expect(requests.judge("p", 2, false, intent("pause"), RECALL_MS)).toBe("act");
  expect(requests.judge("p", 1, false, intent("pause"), RECALL_MS)).toBe("act");
});
