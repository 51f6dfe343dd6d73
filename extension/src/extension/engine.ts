// Loads the engine's WebAssembly module, which `cargo xtask build` puts beside the scripts.
//
// The module is imported at run time, because another compiler builds it.

import type { Intent } from "../model/generated/Intent";
import type { IntentReply } from "../model/generated/IntentReply";
import type { PiecesView } from "../model/generated/PiecesView";
import type { Snapshot } from "../model/generated/Snapshot";
import type { TopicUpdate } from "../model/generated/TopicUpdate";
import type { LinkEvent } from "./link";

/** An event from the engine. `changed`: something other than rates and progress changed. */
export type HostEvent = LinkEvent | { kind: "changed" };

/** The engine. It connects only when `connect` is called. */
export interface EngineHost {
  connect(url: string, token: string): void;
  intent(intent: Intent): Promise<IntentReply>;
  /** The complete state. */
  snapshot(): Snapshot;
  /** Changes of these topics since the last call. A topic that is new to the call comes whole. */
  updates(topics: string[]): TopicUpdate[];
  /** A whole topic as of the last `updates`. `undefined` if that call did not name it. */
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
