// Changes the styles of an ASS script: larger letters, and lines moved above the controls.
//
// Pure functions. Positioned signs stay in place. Lines at the bottom that follow their style move
// up; lines at the top and in the middle keep their margin.

/** The used part of a style, with libass's names. */
export interface AssStyle {
  Name: string;
  FontSize: number;
  Spacing: number;
  /** libass's own numbers: 1 to 3 is the bottom. */
  Alignment: number;
  MarginV: number;
}

/** How styles are changed. */
export interface Look {
  /** Factor of the letters' size. */
  scale: number;
  /** How much of the picture's bottom is covered, as a share of its height, 0–1. */
  covered: number;
}

/** Gap above the controls, as a share of the picture's height. */
const AIR = 0.012;
const LOWEST = 3;
const DEFAULT_HEIGHT = 288;

/** The height in which a script measures margins (`PlayResY`), as libass reads it. */
export function scriptHeight(script: string): number {
  const headerNumber = (name: string) =>
    Number(new RegExp(`^[ \\t]*${name}[ \\t]*:[ \\t]*(\\d+)`, "im").exec(script)?.[1] ?? 0);
  const [width, height] = [headerNumber("PlayResX"), headerNumber("PlayResY")];
  if (height > 0) return height;
  if (width <= 0) return DEFAULT_HEIGHT;
  return width === 1280 ? 1024 : Math.max(1, Math.floor((width * 3) / 4));
}

/** The changed style. For `height` see {@link scriptHeight}. */
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

/** Text that moves itself to the middle or top (`\an4` to `\an9`, and SSA's `\a5` to `\a11`). */
const PUT_HIGHER = /\\(?:an[4-9]|a(?:[5-79]|1[01]))(?!\d)/;

/**
 * Pins a line that moves itself up: its style's margin becomes its own. Changed styles then don't
 * affect it. `style` is the index of the field with the style's name; Name, three margins, Effect
 * and Text follow.
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
  // A margin of 0 would mean the style's margin.
  values[style + 4] = String(Math.max(1, marginOf(name) ?? 1));
  return values.join(",");
}

/**
 * Applies `pinned` to all lines of a script. Its events must have their fields in the usual order.
 */
export function pinnedScript(
  script: string,
  marginOf: (style: string) => number | undefined,
): string {
  if (!PUT_HIGHER.test(script)) return script;
  return script.replace(/^[ \t]*Dialogue:.*$/gim, (line) => pinned(line, 3, marginOf));
}
