// The browser's storage: permanent, or for the life of a tab. Works without it, too.

/** The part of `Storage` that reads and writes. */
export type Store = Pick<Storage, "getItem" | "setItem">;
type WholeStore = Store & Pick<Storage, "removeItem">;

/**
 * Wraps a store that may be forbidden or full. Failed writes are ignored, failed reads return
 * nothing.
 */
export function guarded(of: () => WholeStore): WholeStore {
  const attempt = <T>(act: (store: WholeStore) => T, otherwise: T): T => {
    try {
      return act(of());
    } catch {
      return otherwise;
    }
  };
  return {
    getItem: (name) => attempt((store) => store.getItem(name), null),
    setItem: (name, value) => attempt((store) => store.setItem(name, value), undefined),
    removeItem: (name) => attempt((store) => store.removeItem(name), undefined),
  };
}

/** The permanent storage. */
export const localStore = guarded(() => localStorage);
/** The storage that lasts as long as the tab. */
export const tabStore = guarded(() => sessionStorage);

/** Reads a value stored as JSON. `undefined` if there is none or it is not JSON. */
export function recall(store: Store, name: string): unknown {
  try {
    return JSON.parse(store.getItem(name) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}

/** Stores a value as JSON. */
export function remember(store: Store, name: string, value: unknown): void {
  store.setItem(name, JSON.stringify(value));
}
