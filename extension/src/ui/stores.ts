// What a browser keeps for a page: for good, or for as long as its tab is open. Where it keeps nothing, nothing is remembered.

export type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** A store that may be forbidden or full: what can't be kept is not kept, and what can't be read was never there. */
export function guarded(of: () => Store): Store {
  const attempt = <T>(act: (store: Store) => T, otherwise: T): T => {
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
