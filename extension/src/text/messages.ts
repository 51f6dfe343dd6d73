// The sentences of the pages, each by its name: they lie in `_locales/`, one file a language, in
// Chrome's format.
//
// The extension asks Chrome for them, the server's page a table of its own: the entry of a page
// says which. A sentence is asked for when it is shown, never while a module loads.

import type en from "../../_locales/en/messages.json";

/** The names of all sentences. */
export type MessageName = keyof typeof en;
/** What has one sentence for one thing and another for several: `name_one` and `name_other`. */
export type CountedName = {
  [Name in MessageName]: Name extends `${infer Base}_other` ? Base : never;
}[MessageName];
/** Chrome's format: `$1` to `$9` stand for values, `$$` for a dollar sign. */
export type Messages = Record<MessageName, { message: string; description?: string }>;
/** Finds a sentence and puts the values into it; empty when there is none. */
export type Lookup = (name: MessageName, values: string[]) => string;

let lookup: Lookup = () => {
  throw new Error("a sentence is asked for before the page said where they are");
};
const numbers = new Map<string, Intl.NumberFormat>();
let plurals: Intl.PluralRules | undefined;

/** Takes sentences from here on from `of`. */
export function speak(of: Lookup): void {
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

/** The sentence of that name, with values in place of `$1`, `$2`, …. Numbers are written as the language writes them. */
export function t(name: MessageName, ...values: (string | number)[]): string {
  return lookup(
    name,
    values.map((value) => (typeof value === "number" ? number(value) : value)),
  );
}

/** The sentence for so many: `name_one` or `name_other`, as the language tells them apart. The count is `$1`. */
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

/** A number as the language writes it: with so many digits after the point, or at most three. */
export function number(value: number, digits?: number): string {
  const form =
    digits === undefined ? {} : { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return formatted(value, form);
}

/** A number to be edited: as {@link number}, with up to six digits after the point and none that group it. */
export function editable(value: number): string {
  return formatted(value, { maximumFractionDigits: 6, useGrouping: false });
}

/**
 * A number that a person typed, with a point or a comma before its fraction; `undefined` when it is none. What the language groups digits with
 * (`1.000` in German, `1,000` in English) could mean either, and is none.
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

/** `3 minutes`: an amount with its unit, in full. */
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
