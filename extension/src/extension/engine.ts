// The engine as the worker sees it: the module that `cargo xtask build` puts beside the scripts.
//
// Only loading happens here. The module is found at run time, because it is built by another
// compiler.

import type { Intent } from "../model/generated/Intent";
import type { IntentReply } from "../model/generated/IntentReply";
import type { PiecesView } from "../model/generated/PiecesView";
import type { Snapshot } from "../model/generated/Snapshot";
import type { TopicUpdate } from "../model/generated/TopicUpdate";
import type { LinkEvent } from "./link";

/** What the engine tells its host. `changed`: something differs in more than numbers. */
export type HostEvent = LinkEvent | { kind: "changed" };

/** The engine; it connects when told and never by itself. */
export interface EngineHost {
  connect(url: string, token: string): void;
  intent(intent: Intent): Promise<IntentReply>;
  /** Everything at once. */
  snapshot(): Snapshot;
  /** What changed of these topics since the last call; all of a topic that was not among them then. */
  updates(topics: string[]): TopicUpdate[];
  /** All of a topic as `updates` told it last; `undefined` if that did not name it. */
  whole(topic: string): TopicUpdate | undefined;
  pieces(infoHash: string, fileIndex: number, cells: number): PiecesView | undefined;
}

interface EngineModule {
  default(): Promise<unknown>;
  EngineHost: new (onEvent: (event: HostEvent) => void) => EngineHost;
}

/** Loads the WebAssembly and starts an engine. */
export async function loadEngine(onEvent: (event: HostEvent) => void): Promise<EngineHost> {
  const url = new URL("./engine/engine_wasm.js", import.meta.url).href;
  const module = (await import(url)) as EngineModule;
  await module.default();
  return new module.EngineHost(onEvent);
}
