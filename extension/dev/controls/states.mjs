// Tests the player in each state: texts are readable and reachable in light, dark, narrow, and with
// forced colours.

const theme = (value) => ({ name: "prefers-color-scheme", value });
const FORCED = { name: "forced-colors", value: "active" };
const FITS = "document.documentElement.scrollWidth <= innerWidth";

/**
 * Looks at every state in one dress.
 * @param {string} name
 * @param {{ name: string, value: string }[]} features
 * @param {{ axe?: boolean, width?: number, height?: number }} [options]
 */
function looked(name, features, { axe = true, ...size } = {}) {
  return {
    page: "states.html",
    features,
    ...size,
    async play(stage) {
      for (const state of await stage.ask("trial.states")) {
        await stage.ask(`trial.show(${JSON.stringify(state)})`);
        await stage.holds(`${state} fits`, FITS);
        if (axe) await stage.check(state);
        await stage.picture(`state-${state}-${name}`);
      }
    },
  };
}

export const states = {
  "states, light": looked("light", [theme("light")]),
  "states, dark": looked("dark", [theme("dark")]),
  "states, 320 px": looked("320", [theme("light")], { width: 320, height: 640 }),
  "states, forced colours": looked("forced", [FORCED], { axe: false }),
  "the buttons of each state work": {
    page: "states.html",
    async play(stage) {
      const offers = async (state, label, does) => {
        await stage.ask(`trial.show("${state}")`);
        const button = "document.querySelector('[data-testid=status-action]')";
        await stage.holds(`${state}: ${label}`, `${button}.innerText === ${JSON.stringify(label)}`);
        await stage.click("[data-testid=status-action]");
        await stage.asked(state, [["act", does]]);
      };
      await offers("paused", "Resume", "resume");
      await offers("fulldisk", "Try again", "resume");
      await offers("skip", "Skip ahead", "skip");
      await stage.press("f");
      await stage.holds("it fills the screen", "document.fullscreenElement !== null");
      await stage.ask("trial.calls.splice(0)");
      await stage.wait(600);
      await stage.check("full screen");
      await stage.picture("state-skip-full");
      await stage.click(".veil .button");
      await stage.asked("in full screen", [["act", "skip"]]);
      await stage.press("Escape");
      await stage.holds("it is a window again", "document.fullscreenElement === null");
      await stage.ask("trial.show('waiting')");
      const spoken = "document.querySelector('[data-testid=player-spoken]').textContent";
      await stage.holds("no estimates are spoken aloud", `${spoken} === 'Waiting for data'`);
      // Scrolling keys belong to the page while a button below the film has the focus.
      await stage.ask("document.querySelector('[data-testid=copy-url]').focus()");
      const volume = await stage.ask("document.querySelector('video').volume");
      await stage.press("ArrowDown");
      await stage.wait(100);
      await stage.holds(
        "no change of volume",
        `document.querySelector('video').volume === ${volume}`,
      );
      await stage.ask("document.activeElement.blur()");
      await stage.press("ArrowDown");
      await stage.holds("a change of volume", `document.querySelector('video').volume < ${volume}`);
    },
  },
};
