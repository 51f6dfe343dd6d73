// How a script of SSA or ASS is drawn larger, and above what covers the picture's lower end: what
// its styles become. Pure.
//
// Signs stay where the script puts them. Lines at the lower end that follow their style move up;
// those at the upper end and in the middle keep their margin.

/** What of a style counts here, as libass names it. */
export interface AssStyle {
  Name: string;
  FontSize: number;
  Spacing: number;
  /** libass's own: 1 to 3 is the lower end. */
  Alignment: number;
  MarginV: number;
}

export interface Look {
  /** Factor of the letters' size. */
  scale: number;
  /** How much of the picture's height is covered at its lower end, 0–1. */
  covered: number;
}

/** A little air above what covers the picture, as a share of its height. */
const AIR = 0.012;
const LOWEST = 3;
const DEFAULT_HEIGHT = 288;

/** The height in which a script counts its margins (`PlayResY`), as libass takes it. */
export function scriptHeight(script: string): number {
  const told = (name: string) =>
    Number(new RegExp(`^[ \\t]*${name}[ \\t]*:[ \\t]*(\\d+)`, "im").exec(script)?.[1] ?? 0);
  const [width, height] = [told("PlayResX"), told("PlayResY")];
  if (height > 0) return height;
  if (width <= 0) return DEFAULT_HEIGHT;
  return width === 1280 ? 1024 : Math.max(1, Math.floor((width * 3) / 4));
}

/** What a style becomes. `height`: see {@link scriptHeight}. */
export function restyled<Style extends AssStyle>(
  style: Style,
  { scale, covered }: Look,
  height: number,
): Style {
  const least = covered > 0 && style.Alignment <= LOWEST ? (covered + AIR) * height : 0;
  return {
    ...style,
    FontSize: style.FontSize * scale,
    Spacing: style.Spacing * scale,
    MarginV: Math.max(style.MarginV, Math.round(least)),
  };
}

/** Text that puts itself to the middle or the upper end (`\an4` to `\an9`, and SSA's `\a5` to `\a11`). */
const PUT_HIGHER = /\\(?:an[4-9]|a(?:[5-79]|1[01]))(?!\d)/;

/**
 * A line whose text puts itself higher than its style does, with its style's margin as its own, so that it stays when styles change. `style` is the
 * number of the field with the style's name; after it come Name, three margins, Effect and Text.
 */
export function pinned(
  line: string,
  style: number,
  marginOf: (style: string) => number | undefined,
): string {
  const values = line.split(",");
  const margin = values[style + 4];
  const name = values[style]?.trim().replace(/^\*/, "");
  if (
    margin === undefined ||
    name === undefined ||
    Number(margin) !== 0 ||
    !PUT_HIGHER.test(values.slice(style + 6).join(","))
  )
    return line;
  // None at all would mean the style's again.
  values[style + 4] = String(Math.max(1, marginOf(name) ?? 1));
  return values.join(",");
}

/** A whole script with such lines. Its events have their fields in the usual order. */
export function pinnedScript(
  script: string,
  marginOf: (style: string) => number | undefined,
): string {
  if (!PUT_HIGHER.test(script)) return script;
  return script.replace(/^[ \t]*Dialogue:.*$/gim, (line) => pinned(line, 3, marginOf));
}
