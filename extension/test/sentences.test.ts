// Checks that no sentence is in the code: the texts of pages are in `_locales/`.
//
// It reads the syntax only: text and readable attributes in templates, and strings that look like
// sentences.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseAst } from "vite";

const SRC = join(import.meta.dirname, "../src");
/** Folders whose code shows texts to the user. */
const SPEAKING = /^(list|player|ui|text|host|server|extension)\//;
/** Texts that are the same in all languages: names, units, examples, keys. */
const EVERYWHERE = [
  /^(JSTorrent|MB\/s|10 s|[a-z]|magnet:\?xt=urn:btih:…|https:\/\/tracker\.example\.org\/announce)$/,
  /^(sudo apt|brew|winget|cargo|jstorrent-io-daemon) [\w -]+$/,
  // The ASS styles for scripts without any.
  /^\[Script Info\]/,
  // Chrome does not show this sentence.
  /^Runs the torrent engine/,
];
/** Attributes that a user reads or hears. */
const SPOKEN = [
  "aria-label",
  "aria-description",
  "aria-roledescription",
  "aria-valuetext",
  "title",
  "placeholder",
  "alt",
  "label",
];
/** Properties of our own objects that a page shows. */
const SHOWN = [
  "label",
  "title",
  "text",
  "words",
  "brief",
  "message",
  "textContent",
  "ariaLabel",
  "placeholder",
];

type Node = { type: string; start: number } & Record<string, unknown>;
const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && "type" in value;

const isWord = (text: string) =>
  /\p{L}/u.test(text) && !EVERYWHERE.some((pattern) => pattern.test(text.trim()));
/** Several words that begin with a capital, or text that ends like a sentence or a label. */
const isSentence = (text: string) =>
  isWord(text) &&
  (/^\P{L}*\p{Lu}[\p{L}’]* [\p{L}$“]/u.test(text) ||
    /^[^\n;{}]*\p{L}{2} [^\n;{}]*\p{L}[.…]$/u.test(text));

/** The sentences in a source file, each with its line. */
function sentences(path: string, source: string): string[] {
  const found: string[] = [];
  const note = ({ start }: Node, text: string) =>
    found.push(
      `${path}:${source.slice(0, start).split("\n").length} ${text.trim().replace(/\s+/g, " ")}`,
    );

  function visit(node: Node, shown: boolean): void {
    if (
      /^Import|^Export(All|Named)|^TS/.test(node.type) &&
      !("declaration" in node) &&
      !("expression" in node)
    )
      return;
    if (isForDevelopers(node, source)) return;
    const { tag, quasi } = node;
    if (node.type === "TaggedTemplateExpression" && isNode(tag) && isNode(quasi)) {
      if (tag["name"] === "html" || tag["name"] === "svg")
        for (const text of wordsOf(plain(quasi) ?? "")) note(node, text);
      for (const inner of quasi["expressions"] as Node[]) visit(inner, false);
      return;
    }
    const text = plain(node);
    if (
      text !== undefined &&
      (isSentence(text) || (shown && isWord(text) && /^\p{Lu}/u.test(text)))
    )
      note(node, text);
    const passesOn = /^(ConditionalExpression|LogicalExpression|ParenthesizedExpression)$/.test(
      node.type,
    );
    for (const [key, value] of Object.entries(node)) {
      const isValue =
        (key === "value" && node.type === "Property") ||
        (key === "right" && node.type === "AssignmentExpression");
      const isShown = isValue ? SHOWN.includes(nameOf(node)) : shown && passesOn && key !== "test";
      for (const child of Array.isArray(value) ? value : [value])
        if (isNode(child)) visit(child, isShown);
    }
  }
  visit(parseAst(source, { lang: "ts" }, path) as unknown as Node, false);
  return found;
}

/** A literal's text, with `$` for inserted values. `undefined` for anything else. */
function plain(node: Node): string | undefined {
  if (node.type === "Literal") return typeof node["value"] === "string" ? node["value"] : undefined;
  if (node.type !== "TemplateLiteral") return undefined;
  return (node["quasis"] as { value: { cooked: string } }[])
    .map(({ value }) => value.cooked)
    .join("$");
}

/** The name in `name: value` and `thing.name = value`. */
function nameOf({ key, left }: Node): string {
  const named = isNode(key)
    ? key
    : isNode(left) && isNode(left["property"])
      ? left["property"]
      : undefined;
  return String(named?.["name"] ?? "");
}

/** Text and readable attributes of a template. */
function wordsOf(markup: string): string[] {
  const attributes = [...markup.matchAll(/\s([\w-]+)="([^"]*)"/g)]
    .filter(([, name]) => SPOKEN.includes(name!))
    .map(([, , value]) => value!);
  const text = markup.replace(/<[^>]*>/g, "\n").split("\n");
  return [...attributes, ...text].filter(isWord);
}

/** Console output, and errors about broken code. */
function isForDevelopers(node: Node, source: string): boolean {
  const { callee } = node;
  if (!isNode(callee)) return false;
  const name = source.slice(callee.start, callee["end"] as number);
  return node.type === "NewExpression"
    ? name === "Error"
    : /^console\.|\.includes$|postMessage$/.test(name);
}

/** The files with this extension, and their contents. */
function files(end: string): (readonly [path: string, text: string])[] {
  return readdirSync(SRC, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(end) && SPEAKING.test(path))
    .sort()
    .map((path) => [path, readFileSync(join(SRC, path), "utf8")]);
}

test("every sentence is in _locales", () => {
  expect(files(".ts").length).toBeGreaterThan(50);
  expect(files(".ts").flatMap((file) => sentences(...file))).toEqual([]);
  // The engine's own document is never visible.
  const shown = files(".html").filter(([path]) => path !== "extension/offscreen.html");
  expect(
    shown.flatMap(([path, text]) => wordsOf(text).map((words) => `${path} ${words.trim()}`)),
  ).toEqual([]);
});

test.each([
  "html`<p>Play it</p>`",
  'html`<button aria-label="Play" @click=${() => play()}>${icon}</button>`',
  "html`<p>${name} is there</p>`",
  "html`${isOpen ? html`<p>Open</p>` : nothing}`",
  'const text = "The torrent has stopped.";',
  "const text = `None of ${peers} peers has it`;",
  "export const text = `${count} more of it…`;",
  'const action = { label: isOpen ? "Close" : "open" };',
  'button.title = "Copy";',
])("a sentence is seen in %s", (source) => expect(sentences("a.ts", source)).toHaveLength(1));

test.each([
  'html`<p class="A b" data-testid="Play it">${t("playerPlay")}</p>`',
  'console.error("The engine broke.");',
  'throw new Error("The page did not open.");',
  'import { a } from "./A b c.";',
  'type A = "Of a kind";',
  'const key = "ArrowDown";',
  'const action = { label: t("commonClose"), does: "close" };',
])("no sentence is seen in %s", (source) => expect(sentences("a.ts", source)).toEqual([]));
