// What a browser keeps for a page: for good, or for as long as its tab is open. Where it keeps
// nothing, nothing is remembered.

export type Store = Pick<Storage, "getItem" | "setItem">;
type WholeStore = Store & Pick<Storage, "removeItem">;

/** A store that may be forbidden or full: what can't be kept is not kept, and what can't be read was never there. */
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

export const localStore = guarded(() => localStorage);
export const tabStore = guarded(() => sessionStorage);

/** What was kept as JSON; `undefined` for nothing, and for what is no JSON. */
export function recall(store: Store, name: string): unknown {
  try {
    return JSON.parse(store.getItem(name) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a value as JSON. */
export function remember(store: Store, name: string, value: unknown): void {
  store.setItem(name, JSON.stringify(value));
}
