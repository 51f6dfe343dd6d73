// Run-time shapes: small predicates that say whether a value from outside has a TypeScript type.
//
// A shape can also repair: of a value with one malformed field the rest is kept.
//
// Nothing here knows any message. `object` demands a predicate for every property of its type, so a type that
// changes without its shape does not compile. Unknown extra properties are allowed and ignored.

/** Hears the name of a field that was not understood. */
export type Lost = (field: string) => void;

/**
 * Says whether a value is a `T`. `repair` makes a `T` of a value that is none, with as little lost as possible; without it, or when it returns
 * `undefined`, nothing can stand for the value.
 */
export type Shape<T> = ((value: unknown) => value is T) & {
  repair?: (value: unknown, lost: Lost, field: string) => T | undefined;
};

function repairable<T>(is: (value: unknown) => value is T, repair: NonNullable<Shape<T>["repair"]>): Shape<T> {
  return Object.assign(is, { repair });
}

/** The shape, with a value that stands for one that is lost. */
export function or<T>(shape: Shape<T>, fallback: T): Shape<T> {
  const is = (value: unknown): value is T => shape(value);
  return repairable(is, () => fallback);
}

/** The value if it has the shape; else what can be made of it. */
export function mend<T>(shape: Shape<T>, value: unknown, lost: Lost, field = ""): T | undefined {
  if (shape(value)) return value;
  return shape.repair?.(value, lost, field);
}

export const boolean: Shape<boolean> = or((value): value is boolean => typeof value === "boolean", false);

/** A finite number that is not negative: sizes, rates, times. */
export const quantity: Shape<number> = or(
  (value): value is number => typeof value === "number" && Number.isFinite(value) && value >= 0,
  0,
);

/** A whole number from `least` to `most`, both included. */
export function integer(least = 0, most = Number.MAX_SAFE_INTEGER): Shape<number> {
  const is = (value: unknown): value is number =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
  return or(is, least);
}

/** A string of at most `most` UTF-16 units. */
export function text(most: number): Shape<string> {
  return or((value): value is string => typeof value === "string" && value.length <= most, "");
}

/** A string that a pattern accepts. Nothing stands for one that is lost. */
export function pattern(expression: RegExp): Shape<string> {
  return (value): value is string => typeof value === "string" && expression.test(value);
}

/** One of some strings; the first stands for one that is lost. */
export function literal<const T extends string>(...choices: [T, ...T[]]): Shape<T> {
  return or((value): value is T => typeof value === "string" && (choices as string[]).includes(value), choices[0]);
}

/** A value that can be missing: `null` in JSON, `undefined` from a structured clone. */
export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  const is = (value: unknown): value is T | null => value === null || value === undefined || shape(value);
  return repairable(is, () => null);
}

/**
 * A list of at most `most` elements. Elements that are lost are left out, and so are those beyond the last. An empty one stands for a list that is
 * lost as a whole, unless it is vital.
 */
export function list<T>(element: Shape<T>, most: number, isVital = false): Shape<T[]> {
  const is = (value: unknown): value is T[] =>
    Array.isArray(value) && value.length <= most && value.every((item) => element(item));
  return repairable(is, (value, lost, field) => {
    if (!Array.isArray(value)) return isVital ? undefined : [];
    const mended: T[] = [];
    for (const item of value.slice(0, most)) {
      const kept = mend(element, item, lost, field);
      if (kept !== undefined) mended.push(kept);
    }
    return mended;
  });
}

/** A byte array of at most `most` bytes. */
export function bytes(most: number): Shape<Uint8Array> {
  return (value): value is Uint8Array => value instanceof Uint8Array && value.byteLength <= most;
}

/** An object with these properties. It is lost with the first property that nothing can stand for. */
export function object<T extends object>(properties: { [K in keyof T]-?: Shape<T[K]> }): Shape<T> {
  const entries = Object.entries(properties) as [string, Shape<unknown>][];
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  const is = (value: unknown): value is T => isObject(value) && entries.every(([name, shape]) => shape(value[name]));
  return repairable(is, (value, lost, field) => {
    if (!isObject(value)) return undefined;
    const mended: Record<string, unknown> = {};
    for (const [name, shape] of entries) {
      const path = field ? `${field}.${name}` : name;
      if (!shape(value[name])) lost(path);
      const kept = mend(shape, value[name], lost, path);
      if (kept === undefined && !shape(undefined)) return undefined;
      mended[name] = kept;
    }
    return mended as T;
  });
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
