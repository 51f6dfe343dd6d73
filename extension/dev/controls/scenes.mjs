// The scenes of the controls. Each scene gets a `Stage` and tells it what must hold.

const VIDEO = "document.querySelector('video')";
const dark = [{ name: "prefers-color-scheme", value: "dark" }];
const light = [{ name: "prefers-color-scheme", value: "light" }];
const control = (name) => `[data-testid=control-${name}]`;
const focused = (name) => `document.activeElement.dataset.testid === "control-${name}"`;
/** No element is outside of the window, and no button overlaps its neighbours. */
const FITS = `(() => {
  const stage = document.querySelector("#stage").getBoundingClientRect();
  const boxes = [...document.querySelectorAll(".controls .row button, .controls .row input")].map((one) => one.getBoundingClientRect()).filter(({ width }) => width > 0);
  const inside = boxes.every(({ left, right }) => left >= stage.left - 0.5 && right <= stage.right + 0.5);
  const apart = boxes.every(({ right }, index) => index === 0 || boxes[index - 1].right <= boxes[index].left + 0.5);
  const text = document.querySelector(".controls .time");
  return document.documentElement.scrollWidth <= innerWidth && inside && apart && text.scrollWidth <= text.clientWidth + 1;
})()`;

export const scenes = {
  "keys act on the film": {
    async play(stage) {
      await stage.play();
      await stage.press("k");
      await stage.holds("k pauses", `${VIDEO}.paused`);
      await stage.press(" ");
      await stage.holds("space plays", `!${VIDEO}.paused`);
      await stage.press("K");
      await stage.holds("Caps Lock’s K pauses", `${VIDEO}.paused`);
      await stage.calls();
      await stage.press("5");
      await stage.asked("5 is the middle", [["seek", 30]]);
      await stage.wait(250);
      await stage.press("l");
      await stage.asked("l is ten seconds", [["seek", 40]]);
      await stage.wait(250);
      await stage.press(".");
      await stage.asked("a dot is a frame", [["seek", 40.04]]);
      await stage.wait(250);
      await stage.press(",");
      await stage.asked("a comma is a frame back", [["seek", 40]]);
      await stage.press("n");
      await stage.press("p");
      await stage.press("c");
      await stage.asked("episodes and subtitles", [["next"], ["previous"], ["subtitles", null]]);
      await stage.holds(
        "subtitles are announced",
        "document.querySelector('[data-testid=control-spoken]').textContent === 'Subtitles: Off'",
      );
      await stage.press("c");
      await stage.asked("the same subtitles again", [["subtitles", "4"]]);
      await stage.press("m");
      await stage.holds(
        "m mutes, and that is remembered",
        `${VIDEO}.muted && localStorage.controls.includes("true")`,
      );
      await stage.press("m");
      await stage.holds("m gives sound again", `!${VIDEO}.muted`);
      await stage.press("ArrowDown");
      await stage.press("ArrowDown");
      await stage.holds(
        "arrows are volume",
        `${VIDEO}.volume === 0.9 && localStorage.controls.includes("0.9")`,
      );
      await stage.press(">");
      await stage.holds("> is faster", `${VIDEO}.playbackRate === 1.25`);
      await stage.calls();
      await stage.press("i");
      await stage.asked("i is picture-in-picture", [["pip"]]);
      await stage.press("f");
      await stage.holds(
        "f is full screen",
        "document.fullscreenElement?.id === 'stage' && !!document.querySelector('.controls .head')",
      );
      await stage.picture("full-screen");
      await stage.press("f");
      await stage.holds("and back", "document.fullscreenElement === null");
    },
  },
  "text fields, buttons and the browser keep their keys": {
    async play(stage) {
      await stage.play();
      await stage.calls();
      await stage.ask("document.querySelector('#text').focus()");
      for (const key of ["k", " ", "f", "5", "ArrowLeft"]) await stage.press(key);
      await stage.holds(
        "the field has the text",
        "document.querySelector('#text').value.includes('k f5') || document.querySelector('#text').value.includes('k f')",
      );
      await stage.ask("document.querySelector('#text').blur()");
      for (const modifier of [1, 2, 4]) await stage.press("f", modifier);
      await stage.asked("nothing", []);
      await stage.holds("it still plays", `!${VIDEO}.paused && !document.fullscreenElement`);
      await stage.ask(
        `globalThis.toggles = 0; for (const type of ["play", "pause"]) ${VIDEO}.addEventListener(type, () => toggles++)`,
      );
      await stage.ask(`document.querySelector(${JSON.stringify(control("play"))}).focus()`);
      await stage.press(" ");
      await stage.holds("space presses the focused button once", "toggles === 1");
      await stage.wait(100);
      await stage.holds("and once only", "toggles === 1");
      await stage.press("k");
      await stage.holds("k works on a focused button", "toggles === 2");
      await stage.press("Enter");
      await stage.holds("Enter presses it as well", "toggles === 3");
      await stage.calls();
      await stage.ask(`document.querySelector(${JSON.stringify(control("volume"))}).focus()`);
      const volume = await stage.ask(`${VIDEO}.volume`);
      await stage.press("ArrowLeft");
      await stage.holds(
        "an arrow moves the focused volume slider",
        `${VIDEO}.volume === ${volume} - 0.05`,
      );
      await stage.asked("and not the film", []);
      await stage.ask("document.querySelector('#outside').focus()");
      await stage.press("Enter");
      await stage.wait(100);
      await stage.holds("another’s Enter is another’s", "toggles === 3");
    },
  },
  "the mouse: clicks, double clicks, hiding": {
    async play(stage) {
      await stage.play();
      await stage.click("#stage", 0.3);
      await stage.holds("a click pauses", `${VIDEO}.paused`);
      await stage.click("#stage", 0.3);
      await stage.holds("a click plays", `!${VIDEO}.paused`);
      await stage.click("#stage", 0.3, 1);
      await stage.click("#stage", 0.3, 2);
      await stage.holds(
        "a double click is full screen",
        "document.fullscreenElement?.id === 'stage'",
      );
      await stage.ask("document.exitFullscreen()");
      await stage.holds("it plays on", `!${VIDEO}.paused`);
      await stage.wait(3_200);
      await stage.holds(
        "the controls hide, and the cursor",
        "document.querySelector('#stage').dataset.controls === 'hidden' && getComputedStyle(document.querySelector('#stage')).cursor === 'none' && document.querySelector('#stage').style.getPropertyValue('--controls-inset') === '0px'",
      );
      await stage.picture("hidden");
      await stage.hover("#stage", 0.6);
      await stage.holds(
        "movement shows them",
        "document.querySelector('#stage').dataset.controls === 'shown'",
      );
      await stage.click(control("mute"));
      await stage.holds(
        "a clicked button is not focused",
        "document.activeElement.matches('body, #stage')",
      );
      await stage.wait(3_200);
      await stage.holds(
        "they hide after a click on a button",
        "document.querySelector('#stage').dataset.controls === 'hidden'",
      );
      await stage.press("Tab");
      await stage.press("Tab");
      await stage.press("Tab");
      await stage.holds(
        "the keyboard’s focus shows them",
        "document.querySelector('#stage').dataset.controls === 'shown'",
      );
      await stage.wait(3_500);
      await stage.holds(
        "and keeps them",
        "document.querySelector('#stage').dataset.controls === 'shown'",
      );
      await stage.picture("focus");
    },
  },
  "dragging the bar seeks once, at its end": {
    features: dark,
    async play(stage) {
      await stage.play();
      await stage.calls();
      const from = await stage.hover(control("seek"), 0.2);
      await stage.holds(
        "the tip shows the time",
        "document.querySelector('[data-testid=control-tip]').textContent.includes('0:12')",
      );
      await stage.mouse("mousePressed", from, { button: "left", buttons: 1, clickCount: 1 });
      for (const share of [0.3, 0.4, 0.7])
        await stage.mouse("mouseMoved", await stage.spot(control("seek"), share), {
          button: "left",
          buttons: 1,
        });
      await stage.asked("nothing while it is dragged", []);
      await stage.holds(
        "the thumb follows",
        "Math.abs(parseFloat(document.querySelector('.thumb').style.left) - 70) < 0.5",
      );
      await stage.picture("drag-missing");
      await stage.mouse("mouseReleased", await stage.spot(control("seek"), 0.7), {
        button: "left",
        buttons: 0,
        clickCount: 1,
      });
      await stage.wait(80);
      const calls = (await stage.calls()).filter(([name]) => name === "seek");
      if (!(calls.length === 1 && Math.abs(calls[0][1] - 42) < 0.2))
        stage.fails.push(`asked ${JSON.stringify(calls)}`);
      await stage.mouse("mousePressed", await stage.hover(control("seek"), 0.5), {
        button: "left",
        buttons: 1,
        clickCount: 1,
      });
      await stage.press("Escape");
      await stage.mouse("mouseReleased", await stage.spot(control("seek"), 0.5), {
        button: "left",
        buttons: 0,
        clickCount: 1,
      });
      await stage.asked("Escape ends a drag", []);
    },
  },
  "previews come from played frames, and are requested only for bytes on disk": {
    features: dark,
    async play(stage) {
      await stage.play();
      await stage.wait(600);
      await stage.hover(control("seek"), 0.02);
      await stage.holds("a captured frame shows", "!!document.querySelector('.tip[data-picture]')");
      await stage.picture("preview");
      await stage.calls();
      await stage.hover(control("seek"), 0.4);
      await stage.wait(300);
      await stage.holds(
        "a found picture shows",
        "trial.calls.filter(([name]) => name === 'preview').length === 1 && !!document.querySelector('.tip[data-picture]')",
      );
      await stage.hover(control("seek"), 0.47);
      await stage.wait(300);
      await stage.holds(
        "a missing place is not asked for",
        "trial.calls.filter(([name]) => name === 'preview').length === 1 && document.querySelector('.tip').textContent.includes('Not downloaded')",
      );
    },
  },
  "menus with the keyboard": {
    features: light,
    async play(stage) {
      await stage.ask(`document.querySelector(${JSON.stringify(control("subtitles"))}).focus()`);
      await stage.press("Enter");
      await stage.holds(
        "the chosen item has the focus",
        "document.activeElement.getAttribute('aria-checked') === 'true' && document.activeElement.innerText.trim() === 'English'",
      );
      await stage.check("subtitles");
      await stage.picture("subtitles-keyboard-light");
      await stage.press("ArrowUp");
      await stage.press("ArrowUp");
      await stage.holds(
        "up from the first is the last",
        "document.activeElement.dataset.key === 'larger'",
      );
      await stage.calls();
      await stage.press("Enter");
      await stage.press(" ");
      await stage.asked("larger, twice", [
        ["size", 1.1],
        ["size", 1.2],
      ]);
      await stage.holds(
        "spoken",
        "document.querySelector('[data-testid=control-spoken]').textContent.includes('120%')",
      );
      await stage.press("ArrowLeft");
      await stage.holds("left is smaller", "document.activeElement.dataset.key === 'smaller'");
      await stage.press("ArrowUp");
      await stage.press(" ");
      await stage.asked("later", [["delay", 0.1]]);
      await stage.press("b");
      await stage.holds("a letter finds its item", "document.activeElement.dataset.key === '6'");
      await stage.press("Enter");
      await stage.asked("chosen", [["subtitles", "6"]]);
      await stage.holds(
        "closed, and the focus is back",
        `!document.querySelector("[role=menu]") && ${focused("subtitles")}`,
      );
      await stage.press(" ");
      await stage.holds("space opens", "!!document.querySelector('[role=menu]')");
      await stage.press("Escape");
      await stage.holds(
        "Escape closes, and the focus is back",
        `!document.querySelector("[role=menu]") && ${focused("subtitles")}`,
      );
      await stage.holds(
        "the film was not touched",
        `${VIDEO}.paused && ${VIDEO}.currentTime === 0`,
      );
    },
  },
  "menus with the mouse": {
    features: dark,
    async play(stage) {
      await stage.play();
      await stage.click(control("speed"));
      await stage.holds(
        "no item is focused",
        "document.activeElement.getAttribute('role') === 'menu'",
      );
      await stage.holds("open", "document.querySelectorAll('[role=menuitemradio]').length === 10");
      await stage.check("speed");
      await stage.picture("speed-dark");
      await stage.click("[role=menu] [data-key='1.5']");
      await stage.holds(
        "faster",
        `${VIDEO}.playbackRate === 1.5 && ${VIDEO}.defaultPlaybackRate === 1.5 && !document.querySelector("[role=menu]")`,
      );
      await stage.click(control("audio"));
      await stage.picture("audio-dark");
      await stage.click("#stage", 0.2);
      await stage.holds(
        "a click outside closes, and does no more",
        `!document.querySelector("[role=menu]") && !${VIDEO}.paused`,
      );
      await stage.click(control("audio"));
      await stage.click("[role=menu] [data-key='2']");
      await stage.wait(50);
      await stage.holds("chosen", "trial.model().audio.selected === '2'");
      await stage.click(control("subtitles"));
      await stage.picture("subtitles-dark");
      await stage.click(control("subtitles"));
      await stage.holds("its button closes it again", "!document.querySelector('[role=menu]')");
      await stage.click(control("volume"), 0.5);
      await stage.holds(
        "the slider is volume",
        `Math.abs(${VIDEO}.volume - 0.5) < 0.06 && document.activeElement === document.body`,
      );
    },
  },
  "texts for screen readers": {
    async play(stage) {
      await stage.ask(`${VIDEO}.currentTime = 12.5`);
      await stage.holds(
        "the slider’s words",
        `document.querySelector(${JSON.stringify(control("seek"))}).getAttribute("aria-valuetext") === "12 seconds of 1 minute"`,
      );
      await stage.holds(
        "what is there",
        "document.querySelector('#controls-there').textContent.includes('% of this file is downloaded')",
      );
      await stage.check("paused");
      await stage.play();
      await stage.ask(`document.querySelector(${JSON.stringify(control("seek"))}).focus()`);
      const before = await stage.ask(
        `document.querySelector(${JSON.stringify(control("seek"))}).getAttribute("aria-valuetext")`,
      );
      await stage.wait(2_200);
      await stage.holds(
        "a focused slider is quiet while it plays",
        `document.querySelector(${JSON.stringify(control("seek"))}).getAttribute("aria-valuetext") === ${JSON.stringify(before)}`,
      );
      await stage.calls();
      await stage.press("ArrowRight");
      // A second click would follow after a while.
      await stage.wait(350);
      const seeks = (await stage.calls()).filter(([name]) => name === "seek");
      if (seeks.length !== 1)
        stage.fails.push(`an arrow on the slider asked ${JSON.stringify(seeks)}`);
      await stage.holds(
        "and says where an arrow led",
        `document.querySelector(${JSON.stringify(control("seek"))}).getAttribute("aria-valuetext") !== ${JSON.stringify(before)}`,
      );
      await stage.press(" ");
      await stage.holds("space on the slider pauses", `${VIDEO}.paused`);
      await stage.check("slider");
      await stage.ask("trial.card.show('03 – A rather long title')");
      await stage.check("card");
    },
  },
  "the screen stays awake while it plays": {
    async play(stage) {
      await stage.play();
      await stage.holds("a lock", "trial.locks.filter(({ released }) => !released).length === 1");
      await stage.ask(`${VIDEO}.pause()`);
      await stage.holds("let go when paused", "trial.locks.every(({ released }) => released)");
      await stage.ask("trial.change({ audioOnly: true })");
      await stage.play();
      await stage.wait(200);
      await stage.holds("music needs no screen", "trial.locks.every(({ released }) => released)");
      await stage.ask("trial.change({ audioOnly: false })");
      await stage.holds("a film does", "trial.locks.some(({ released }) => !released)");
      await stage.holds(
        "the panel knows the title",
        "navigator.mediaSession.metadata.title.includes('Harbour') && navigator.mediaSession.playbackState === 'playing'",
      );
      await stage.ask("trial.lifetime.abort()");
      await stage.holds(
        "at the end nothing is left",
        "trial.locks.every(({ released }) => released) && !document.querySelector('.controls, .next-card-place') && !navigator.mediaSession.metadata && !document.querySelector('#stage').hasAttribute('data-controls')",
      );
      await stage.calls();
      await stage.press("k");
      await stage.press("5");
      await stage.asked("no key acts", []);
      await stage.holds("nor on the film", `!${VIDEO}.paused`);
    },
  },
  "the next episode’s card": {
    features: dark,
    async play(stage) {
      await stage.play();
      await stage.ask(
        "trial.card.show('03 – A rather long title that goes on and on until nobody reads it any more, not even here', 10)",
      );
      await stage.holds(
        "it counts",
        "document.querySelector('.next-in').textContent === 'Next episode in 10 s'",
      );
      await stage.picture("next");
      await stage.holds(
        "it counts down",
        "document.querySelector('.next-in').textContent === 'Next episode in 9 s'",
      );
      await stage.calls();
      await stage.press("Escape");
      await stage.asked("Escape cancels", [["cancelled"]]);
      await stage.ask("trial.card.show('03', 1)");
      await stage.wait(1_200);
      await stage.asked("in the end it plays", [["playNow"]]);
      await stage.ask("trial.card.show('03')");
      await stage.click("[data-testid=next-play]");
      await stage.asked("or at once", [["playNow"]]);
      await stage.holds("gone", "!document.querySelector('.next-card')");
    },
  },
  "a narrow window": {
    width: 320,
    height: 640,
    features: light,
    async play(stage) {
      await stage.holds("it fits", FITS);
      await stage.picture("320-light");
      await stage.ask("trial.change({ durationS: 7384 })");
      await stage.click(control("more"));
      await stage.holds(
        "all is in the menu",
        "['subtitles', 'audio', 'speed', 'pip', 'next', 'previous'].every((key) => document.querySelector(`[role=menu] [data-key=${key}]`))",
      );
      await stage.check("more");
      await stage.picture("320-more");
      await stage.click("[role=menu] [data-key=subtitles]");
      await stage.holds(
        "a menu in its place",
        "document.querySelector('[role=menu]').dataset.name === 'subtitles' && document.documentElement.scrollWidth <= 320",
      );
      await stage.picture("320-subtitles");
      await stage.check("320, subtitles");
      await stage.press("Escape");
      await stage.holds(
        "and back",
        "document.querySelector('[role=menu]').dataset.name === 'more'",
      );
      await stage.press("Escape");
      await stage.holds("and closed", "!document.querySelector('[role=menu]')");
      await stage.ask("trial.card.show('03 – A rather long title that goes on and on')");
      await stage.holds(
        "the card is whole",
        "(({ top, left, right, bottom }) => top >= 0 && left >= 0 && right <= innerWidth && bottom <= innerHeight)(document.querySelector('.next-card').getBoundingClientRect())",
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
        `Object.defineProperty(${VIDEO}, "duration", { value: 36_300 }); ${VIDEO}.dispatchEvent(new Event("durationchange"))`,
      );
      await stage.holds(
        "hours show",
        "document.querySelector('.time').textContent.includes('10:05:00')",
      );
      await stage.holds("it fits", FITS);
      await stage.click(control("time"));
      await stage.holds(
        "the remaining time shows",
        "document.querySelector('.time').textContent.includes('−10:05:00')",
      );
      await stage.holds("it fits as well", FITS);
      await stage.page.send("Emulation.setTouchEmulationEnabled", {
        enabled: true,
        maxTouchPoints: 1,
      });
      await stage.tap("#stage", 0.38);
      await stage.holds(
        "big buttons",
        "document.querySelector('.controls .control').clientWidth === 44",
      );
      await stage.holds("they fit, too", FITS);
      await stage.picture("320-hours");
    },
  },
  "a window of medium width": {
    width: 500,
    height: 640,
    features: dark,
    async play(stage) {
      await stage.holds("it fits", FITS);
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
        "the first tap hides what is shown",
        "document.querySelector('#stage').dataset.controls === 'hidden'",
      );
      await stage.tap("#stage", 0.38);
      await stage.holds(
        "the second shows it",
        "document.querySelector('#stage').dataset.controls === 'shown'",
      );
      await stage.holds(
        "big targets",
        "[...document.querySelectorAll('.controls .row button, .controls .seek')].every((one) => one.clientHeight >= 44)",
      );
      await stage.holds("it fits", FITS);
      await stage.picture("touch");
      await stage.wait(400);
      await stage.calls();
      await stage.tap("#stage", 0.9);
      await stage.tap("#stage", 0.9);
      await stage.wait(50);
      await stage.holds(
        "a double tap skips",
        "trial.calls.filter(([name]) => name === 'seek').length === 1 && trial.calls.find(([name]) => name === 'seek')[1] > 10",
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
        "a menu with big items",
        "[...document.querySelectorAll('[role=menu] button')].every((one) => one.clientHeight >= 44)",
      );
      await stage.picture("touch-menu");
      await stage.tap("[role=menu] [data-key=speed]");
      await stage.tap("[role=menu] [data-key='2']");
      await stage.holds("an item by a finger", `${VIDEO}.playbackRate === 2`);
      await stage.tap(control("play"));
      await stage.holds("a button by a finger, once", `!${VIDEO}.paused`);
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
