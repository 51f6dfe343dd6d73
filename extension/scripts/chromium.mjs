// Drives Chromium over --remote-debugging-pipe: launches it, finds targets, runs scripts, takes
// pictures.
//
// Only scripts of this folder and of dev/ use this file, which is not shipped.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PLACES = ["/usr/lib/chromium/chromium", "/usr/bin/chromium", "/usr/bin/chromium-browser"];

export const EXTENSION_ID = "cpallhfnafgboofejffacjngdjldepmp";

/**
 * Starts a browser with a fresh profile. `extension` is the folder of an unpacked extension to
 * load; `env` is added to the environment.
 *
 * @param {{ extension?: string, args?: string[], env?: Record<string, string> }} options
 */
export async function launch({ extension, args = [], env = {} } = {}) {
  const binary = process.env.CHROMIUM ?? PLACES.find((place) => existsSync(place));
  if (!binary) throw new Error("No Chromium found: set CHROMIUM to its path.");
  const profile = await mkdtemp(join(tmpdir(), "jstorrent-dev-"));
  const child = spawn(
    binary,
    [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--hide-scrollbars",
      `--user-data-dir=${profile}`,
      "--remote-debugging-pipe",
      ...(extension ? [`--load-extension=${extension}`] : []),
      ...args,
      "about:blank",
    ],
    {
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", process.env.CHROMIUM_LOG ? "inherit" : "ignore", "pipe", "pipe"],
    },
  );
  return new Browser(child, profile);
}

class Browser {
  #child;
  profile;
  #nextId = 1;
  #waiting = new Map();
  #buffer = "";
  listeners = new Set();

  constructor(child, profile) {
    this.#child = child;
    this.profile = profile;
    child.stdio[4].setEncoding("utf8").on("data", (chunk) => this.#read(chunk));
  }

  #read(chunk) {
    const parts = (this.#buffer + chunk).split("\0");
    this.#buffer = parts.pop();
    for (const part of parts) {
      const message = JSON.parse(part);
      if (message.id === undefined) {
        for (const listener of this.listeners) listener(message);
        continue;
      }
      const { resolve, reject, method } = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error) reject(new Error(`${method}: ${message.error.message}`));
      else resolve(message.result);
    }
  }

  send(method, params = {}, sessionId = undefined) {
    const id = this.#nextId++;
    this.#child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject, method }));
  }

  /** Waits for a target that `accept` accepts, and attaches to it. */
  async attach(accept) {
    const target = await until("a target", async () => {
      const { targetInfos } = await this.send("Target.getTargets", { filter: [{}] });
      return targetInfos.find(accept);
    });
    const { sessionId } = await this.send("Target.attachToTarget", {
      targetId: target.targetId,
      flatten: true,
    });
    return new Session(this, sessionId, target);
  }

  /** Opens a page in front. */
  async open(url) {
    const { targetId } = await this.send("Target.createTarget", { url });
    const page = await this.attach((target) => target.targetId === targetId);
    await page.send("Page.enable");
    await page.send("Runtime.enable");
    return page;
  }

  async close() {
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    this.send("Browser.close").catch(() => {});
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 3000);
    await gone;
    clearTimeout(timer);
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

class Session {
  constructor(browser, sessionId, target) {
    this.browser = browser;
    this.sessionId = sessionId;
    this.target = target;
  }

  send(method, params) {
    return this.browser.send(method, params, this.sessionId);
  }

  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
      userGesture: true,
    });
    if (exceptionDetails)
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  async size(width, height, scale = 1) {
    await this.send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: scale,
      mobile: false,
    });
  }

  async theme(scheme) {
    await this.send("Emulation.setEmulatedMedia", {
      features: [{ name: "prefers-color-scheme", value: scheme }],
    });
  }

  async picture(options = {}) {
    const { data } = await this.send("Page.captureScreenshot", { format: "png", ...options });
    return Buffer.from(data, "base64");
  }
}

/** Polls until the answer is true, and returns the answer. Fails after `limitMs`. */
export async function until(what, ask, limitMs = 10_000) {
  const end = Date.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`Timed out waiting for ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
