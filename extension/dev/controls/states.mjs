// Tests the player in each state: texts are readable and reachable on a light, a dark and a narrow
// page, and with forced colours.

const theme = (value) => ({ name: "prefers-color-scheme", value });
const FORCED = { name: "forced-colors", value: "active" };
const FITS = "document.documentElement.scrollWidth <= innerWidth";

/**
 * A scene that shows every state with these media features and this size.
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
      await stage.holds("f enters full screen", "document.fullscreenElement !== null");
      await stage.ask("trial.calls.splice(0)");
      await stage.wait(600);
      await stage.check("full screen");
      await stage.picture("state-skip-full");
      await stage.click(".veil .button");
      await stage.asked("the button works in full screen", [["act", "skip"]]);
      await stage.press("Escape");
      await stage.holds("Escape leaves full screen", "document.fullscreenElement === null");
      await stage.ask("trial.show('waiting')");
      const spoken = "document.querySelector('[data-testid=player-spoken]').textContent";
      await stage.holds("no estimates are spoken aloud", `${spoken} === 'Waiting for data'`);
      // While a button below the film has the focus, the arrow keys scroll the page.
      await stage.ask("document.querySelector('[data-testid=copy-url]').focus()");
      const volume = await stage.ask("document.querySelector('video').volume");
      await stage.press("ArrowDown");
      await stage.wait(100);
      await stage.holds(
        "an arrow key outside of the player does not change the volume",
        `document.querySelector('video').volume === ${volume}`,
      );
      await stage.ask("document.activeElement.blur()");
      await stage.press("ArrowDown");
      await stage.holds(
        "an arrow key changes the volume when nothing has the focus",
        `document.querySelector('video').volume < ${volume}`,
      );
    },
  },
};
