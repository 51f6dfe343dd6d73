// Scenes that test whether the controls fit: narrow and medium windows, touch, and plain pictures.
//
// Each scene gets a `Stage` and tells it what must hold.

import { control, dark, FITS, light, one, VIDEO } from "./parts.mjs";

export const layoutScenes = {
  "a narrow window": {
    width: 320,
    height: 640,
    features: light,
    async play(stage) {
      await stage.holds("the controls fit", FITS);
      await stage.picture("320-light");
      await stage.ask("trial.change({ durationS: 7384 })");
      await stage.click(control("more"));
      await stage.holds(
        "the menu has the buttons that the row lacks",
        `["subtitles", "audio", "speed", "pip", "next", "previous"].every((key) =>
          document.querySelector("[role=menu] [data-key=" + key + "]"),
        )`,
      );
      await stage.check("more");
      await stage.picture("320-more");
      await stage.click("[role=menu] [data-key=subtitles]");
      await stage.holds(
        "the menu of subtitles replaces the first menu",
        `${one("[role=menu]")}.dataset.name === "subtitles" &&
          document.documentElement.scrollWidth <= 320`,
      );
      await stage.picture("320-subtitles");
      await stage.check("320, subtitles");
      await stage.press("Escape");
      await stage.holds(
        "Escape returns to the first menu",
        "document.querySelector('[role=menu]').dataset.name === 'more'",
      );
      await stage.press("Escape");
      await stage.holds("Escape closes the menu", "!document.querySelector('[role=menu]')");
      await stage.ask("trial.card.show('03 – A rather long title that goes on and on')");
      await stage.holds(
        "the whole card is inside the window",
        `(() => {
          const { top, left, right, bottom } = ${one(".next-card")}.getBoundingClientRect();
          return top >= 0 && left >= 0 && right <= innerWidth && bottom <= innerHeight;
        })()`,
      );
      await stage.picture("320-card");
    },
  },
  "hours in a narrow window": {
    width: 320,
    height: 640,
    async play(stage) {
      // The element's own length is read only at its events.
      await stage.ask(
        `Object.defineProperty(${VIDEO}, "duration", { value: 36_300 });
        ${VIDEO}.dispatchEvent(new Event("durationchange"))`,
      );
      await stage.holds(
        "the time has hours",
        "document.querySelector('.time').textContent.includes('10:05:00')",
      );
      await stage.holds("the controls fit", FITS);
      await stage.click(control("time"));
      await stage.holds(
        "the remaining time is shown",
        "document.querySelector('.time').textContent.includes('−10:05:00')",
      );
      await stage.holds("the remaining time fits", FITS);
      await stage.page.send("Emulation.setTouchEmulationEnabled", {
        enabled: true,
        maxTouchPoints: 1,
      });
      await stage.tap("#stage", 0.38);
      await stage.holds(
        "buttons are larger for touch",
        "document.querySelector('.controls .control').clientWidth === 44",
      );
      await stage.holds("the larger buttons fit", FITS);
      await stage.picture("320-hours");
    },
  },
  "a window of medium width": {
    width: 500,
    height: 640,
    features: dark,
    async play(stage) {
      await stage.holds("the controls fit", FITS);
      await stage.picture("500-dark");
    },
  },
  touch: {
    width: 400,
    height: 700,
    touch: true,
    features: dark,
    async play(stage) {
      await stage.play();
      await stage.tap("#stage", 0.38);
      await stage.holds("a tap does not pause", `!${VIDEO}.paused`);
      await stage.wait(400);
      await stage.holds(
        "a tap hides the visible controls",
        "document.querySelector('#stage').dataset.controls === 'hidden'",
      );
      await stage.tap("#stage", 0.38);
      await stage.holds(
        "a second tap shows the controls",
        "document.querySelector('#stage').dataset.controls === 'shown'",
      );
      await stage.holds(
        "all targets are at least 44 px high",
        `[...document.querySelectorAll(".controls .row button, .controls .seek")].every(
          ({ clientHeight }) => clientHeight >= 44,
        )`,
      );
      await stage.holds("the controls fit", FITS);
      await stage.picture("touch");
      await stage.wait(400);
      await stage.calls();
      await stage.tap("#stage", 0.9);
      await stage.tap("#stage", 0.9);
      await stage.wait(50);
      await stage.holds(
        "a double tap skips ten seconds",
        `(() => {
          const seeks = trial.calls.filter(([name]) => name === "seek");
          return seeks.length === 1 && seeks[0][1] > 10;
        })()`,
      );
      await stage.picture("touch-skip");
      await stage.ask(`${VIDEO}.pause()`);
      await stage.wait(100);
      await stage.calls();
      const at = (share) => stage.spot(control("seek"), share).then((spot) => [spot]);
      await stage.page.send("Input.dispatchTouchEvent", {
        type: "touchStart",
        touchPoints: await at(0.2),
      });
      await stage.page.send("Input.dispatchTouchEvent", {
        type: "touchMove",
        touchPoints: await at(0.4),
      });
      await stage.picture("touch-drag");
      await stage.page.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
      await stage.wait(100);
      const seeks = (await stage.calls()).filter(([name]) => name === "seek");
      if (!(seeks.length === 1 && Math.abs(seeks[0][1] - 24) < 0.5))
        stage.fails.push(`a finger on the bar asked ${JSON.stringify(seeks)}`);
      await stage.tap(control("more"));
      await stage.holds(
        "items of the menu are at least 44 px high",
        `[...document.querySelectorAll("[role=menu] button")].every(
          ({ clientHeight }) => clientHeight >= 44,
        )`,
      );
      await stage.picture("touch-menu");
      await stage.tap("[role=menu] [data-key=speed]");
      await stage.tap("[role=menu] [data-key='2']");
      await stage.holds("a tap chooses an item", `${VIDEO}.playbackRate === 2`);
      await stage.tap(control("play"));
      await stage.holds("a tap presses a button once", `!${VIDEO}.paused`);
    },
  },
  "plain pictures": {
    features: dark,
    async play(stage) {
      await stage.ask(`${VIDEO}.currentTime = 14`);
      await stage.hover("#stage", 0.5);
      await stage.picture("paused-dark");
      await stage.page.send("Emulation.setEmulatedMedia", { features: light });
      await stage.picture("paused-light");
      await stage.page.send("Emulation.setEmulatedMedia", {
        features: [{ name: "forced-colors", value: "active" }],
      });
      await stage.click(control("subtitles"));
      await stage.picture("forced-colours");
    },
  },
};
