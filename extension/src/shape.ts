// Run-time shapes: small predicates that say whether a value from outside has a TypeScript type.
//
// Nothing here knows any message. `object` demands a predicate for every property of its type, so a type that
// changes without its shape does not compile. Unknown extra properties are allowed and ignored.

/** Says whether a value is a `T`. */
export type Shape<T> = (value: unknown) => value is T;

export const boolean: Shape<boolean> = (value) => typeof value === "boolean";

/** A finite number that is not negative: sizes, rates, times. */
export const quantity: Shape<number> = (value): value is number =>
  typeof value === "number" && Number.isFinite(value) && value >= 0;

/** A whole number from `least` to `most`, both included. */
export function integer(least = 0, most = Number.MAX_SAFE_INTEGER): Shape<number> {
  return (value): value is number => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}

/** A string of at most `most` UTF-16 units. */
export function text(most: number): Shape<string> {
  return (value): value is string => typeof value === "string" && value.length <= most;
}

/** A string that a pattern accepts. */
export function pattern(expression: RegExp): Shape<string> {
  return (value): value is string => typeof value === "string" && expression.test(value);
}

/** One of some strings. */
export function literal<const T extends string>(...choices: T[]): Shape<T> {
  return (value): value is T => typeof value === "string" && (choices as string[]).includes(value);
}

/** A value that can be missing: `null` in JSON, `undefined` from a structured clone. */
export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return (value): value is T | null => value === null || value === undefined || shape(value);
}

/** A list of at most `most` elements. */
export function list<T>(element: Shape<T>, most: number): Shape<T[]> {
  return (value): value is T[] => Array.isArray(value) && value.length <= most && value.every((item) => element(item));
}

/** A byte array of at most `most` bytes. */
export function bytes(most: number): Shape<Uint8Array> {
  return (value): value is Uint8Array => value instanceof Uint8Array && value.byteLength <= most;
}

/** An object with these properties. */
export function object<T extends object>(properties: { [K in keyof T]-?: Shape<T[K]> }): Shape<T> {
  const entries = Object.entries(properties) as [string, Shape<unknown>][];
  return (value): value is T =>
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    entries.every(([name, shape]) => shape((value as Record<string, unknown>)[name]));
}

/** One member of a union that is told apart by its `kind`. */
export function variants<T extends { kind: string }>(members: {
  [K in T["kind"]]: Shape<Extract<T, { kind: K }>>;
}): Shape<T> {
  return (value): value is T => {
    if (typeof value !== "object" || value === null) return false;
    const kind = (value as Record<string, unknown>)["kind"];
    if (typeof kind !== "string" || !Object.hasOwn(members, kind)) return false;
    return (members as Record<string, Shape<T>>)[kind]!(value);
  };
}

/** The value if it has the shape. */
export function parse<T>(shape: Shape<T>, value: unknown): T | undefined {
  return shape(value) ? value : undefined;
}
