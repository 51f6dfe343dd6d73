// The sentences of the pages, by name. They are in `_locales/`, in Chrome's format.
//
// The extension reads them through Chrome, the server's page from a table; each entry calls
// `setSentences`. Look a sentence up when it is shown, never while a module loads.

import type en from "../../_locales/en/messages.json";

/** The names of all sentences. */
export type MessageName = keyof typeof en;
/** Names of sentences with a singular and a plural: `name_one` and `name_other`. */
export type CountedName = {
  [Name in MessageName]: Name extends `${infer Base}_other` ? Base : never;
}[MessageName];
/** Chrome's format: `$1` to `$9` are placeholders, `$$` is a dollar sign. */
export type Messages = Record<MessageName, { message: string; description?: string }>;
/** Finds a sentence and fills in the values. Returns an empty text if there is none. */
export type Lookup = (name: MessageName, values: string[]) => string;

let lookup: Lookup = () => {
  throw new Error("a sentence was requested before `setSentences` was called");
};
const numbers = new Map<string, Intl.NumberFormat>();
let plurals: Intl.PluralRules | undefined;

/** Sets where sentences come from. */
export function setSentences(of: Lookup): void {
  [lookup, plurals] = [of, undefined];
  numbers.clear();
}

/** A lookup in a table. */
export function inTable(messages: Messages): Lookup {
  return (name, values) =>
    (messages[name]?.message ?? "").replace(/\$(\$|[1-9])/g, (_, key: string) =>
      key === "$" ? "$" : (values[Number(key) - 1] ?? ""),
    );
}

/** The sentence with this name, with values for `$1`, `$2`, …. Numbers are formatted. */
export function t(name: MessageName, ...values: (string | number)[]): string {
  return lookup(
    name,
    values.map((value) => (typeof value === "number" ? number(value) : value)),
  );
}

/** The singular or plural sentence for a count. The count is `$1`. */
export function tn(name: CountedName, count: number, ...values: (string | number)[]): string {
  plurals ??= new Intl.PluralRules(language());
  return t(
    plurals.select(count) === "one"
      ? (`${name}_one` as MessageName)
      : (`${name}_other` as MessageName),
    count,
    ...values,
  );
}

/** Formats a number with `digits` decimals, or at most three. */
export function number(value: number, digits?: number): string {
  const form =
    digits === undefined ? {} : { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return formatted(value, form);
}

/** Formats a number for an input field: up to six decimals, no digit grouping. */
export function editable(value: number): string {
  return formatted(value, { maximumFractionDigits: 6, useGrouping: false });
}

/**
 * Parses a typed number with a decimal point or comma. `undefined` if it is not a number, or if the
 * separator could be digit grouping (`1.000` in German, `1,000` in English).
 */
export function readNumber(typed: string): number | undefined {
  if (!/^(\d{1,20}([.,]\d{0,20})?|[.,]\d{1,20})$/.test(typed)) return undefined;
  const grouping = formatted(0.5, {}).includes(",") ? /^\d{1,3}\.\d{3}$/ : /^\d{1,3},\d{3}$/;
  return grouping.test(typed) ? undefined : Number(typed.replace(",", "."));
}

/** A share (0–1) in whole percent, rounded. */
export function percentOf(share: number): string {
  return formatted(share, { style: "percent" });
}

/** An amount with its unit, such as `3 minutes`. */
export function amount(value: number, unit: "second" | "minute" | "hour"): string {
  return formatted(value, { style: "unit", unit, unitDisplay: "long" });
}

function formatted(value: number, form: Intl.NumberFormatOptions): string {
  const key = JSON.stringify(form);
  let format = numbers.get(key);
  if (format === undefined) numbers.set(key, (format = new Intl.NumberFormat(language(), form)));
  return format.format(value);
}

/** The language of the sentences (BCP 47). */
export function language(): string {
  return lookup("language", []) || "en";
}
