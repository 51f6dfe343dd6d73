// Drives a test page like a user, with keys, mouse and touch, and records failures.

import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "../../scripts/chromium.mjs";

const AXE = readFileSync(
  join(dirname(fileURLToPath(import.meta.url)), "../../node_modules/axe-core/axe.min.js"),
  "utf8",
);
const shots = join(dirname(fileURLToPath(import.meta.url)), "../shots");
const CODES = {
  " ": ["Space", 32],
  Enter: ["Enter", 13],
  Tab: ["Tab", 9],
  Escape: ["Escape", 27],
  Delete: ["Delete", 46],
  ArrowLeft: ["ArrowLeft", 37],
  ArrowUp: ["ArrowUp", 38],
  ArrowRight: ["ArrowRight", 39],
  ArrowDown: ["ArrowDown", 40],
  Home: ["Home", 36],
  End: ["End", 35],
};

export class Stage {
  fails = [];

  constructor(page) {
    this.page = page;
  }

  ask(expression) {
    return this.page.evaluate(expression);
  }

  /**
   * Fails the scene unless the expression becomes true within 10 seconds. An expression that throws
   * is not true yet: what it looks at may not be there.
   */
  async holds(what, expression) {
    let last;
    const ask = async () => {
      try {
        last = await this.ask(expression);
        return last;
      } catch (error) {
        last = error.message;
        return false;
      }
    };
    await until(what, ask).catch(() =>
      this.fails.push(`${what} (${expression} is ${JSON.stringify(last)})`),
    );
  }

  /**
   * Waits until the expression has had one value for 600 ms, for 10 s at most. Returns the value,
   * or `undefined` if the expression throws.
   */
  async settled(expression) {
    const look = () => this.ask(expression).catch(() => undefined);
    let last = await look();
    for (let same = 0, looks = 0; same < 4 && looks < 66; looks += 1) {
      await this.wait(150);
      const now = await look();
      same = now === last && now !== undefined ? same + 1 : 0;
      last = now;
    }
    return last;
  }

  wait(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** Takes the calls that the session got since the last `calls` or `asked`. */
  calls() {
    return this.ask("trial.calls.splice(0)");
  }

  /** Fails the scene unless the session got exactly these calls. */
  async asked(what, wanted) {
    await this.wait(60);
    const calls = (await this.calls())
      .filter(([name]) => name !== "preview" && name !== "wakeLock")
      .map((call) =>
        call.map((one) => (typeof one === "number" ? Math.round(one * 100) / 100 : one)),
      );
    if (JSON.stringify(calls) !== JSON.stringify(wanted))
      this.fails.push(`${what}: asked ${JSON.stringify(calls)}`);
  }

  async press(key, modifiers = 0) {
    const [code, windowsVirtualKeyCode] = CODES[key] ?? [
      `Key${key.toUpperCase()}`,
      key.toUpperCase().charCodeAt(0),
    ];
    const typed = key.length === 1 ? { text: key } : key === "Enter" ? { text: "\r" } : {};
    await this.page.send("Input.dispatchKeyEvent", {
      type: "keyDown",
      key,
      code,
      windowsVirtualKeyCode,
      modifiers,
      ...typed,
    });
    await this.page.send("Input.dispatchKeyEvent", {
      type: "keyUp",
      key,
      code,
      windowsVirtualKeyCode,
      modifiers,
    });
  }

  /** The centre of an element, or the place at a share of its width. */
  async spot(selector, share = 0.5) {
    return this.ask(
      `(() => {
        const box = document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect();
        return { x: box.left + box.width * ${share}, y: box.top + box.height / 2 };
      })()`,
    );
  }

  mouse(type, { x, y }, more = {}) {
    return this.page.send("Input.dispatchMouseEvent", { type, x, y, ...more });
  }

  async hover(selector, share) {
    const spot = await this.spot(selector, share);
    await this.mouse("mouseMoved", spot);
    return spot;
  }

  async click(selector, share, clickCount = 1) {
    const spot = await this.hover(selector, share);
    await this.mouse("mousePressed", spot, { button: "left", buttons: 1, clickCount });
    await this.mouse("mouseReleased", spot, { button: "left", buttons: 0, clickCount });
  }

  async tap(selector, share) {
    const spot = await this.spot(selector, share);
    await this.page.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [spot] });
    await this.page.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  }

  async play() {
    await this.ask("document.querySelector('video').play()");
    await this.holds("the film plays", "document.querySelector('video').currentTime > 0.1");
  }

  /** Fails the scene for each problem that axe finds. */
  async check(where) {
    if (!(await this.ask("!!globalThis.axe"))) await this.ask(AXE);
    const found = await this.ask(`(async () => {
      const { violations } = await axe.run(document, { resultTypes: ["violations"] });
      const places = (nodes) => nodes.map(({ html }) => html.slice(0, 120)).join(" ");
      return violations.map(({ id, nodes }) => id + ": " + places(nodes));
    })()`);
    this.fails.push(...found.map((words) => `axe, ${where}: ${words}`));
  }

  async picture(name) {
    await this.wait(350);
    await mkdir(shots, { recursive: true });
    await writeFile(join(shots, `controls-${name}.png`), await this.page.picture());
  }
}
