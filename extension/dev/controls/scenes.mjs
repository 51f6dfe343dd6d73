// Scenes that test what the controls do: keys, mouse, menus, previews, screen readers.
//
// Each scene gets a `Stage` and tells it what must hold.

import { control, dark, focused, light, one, VIDEO } from "./parts.mjs";

/** The slider's value as a screen reader speaks it. */
const SPOKEN_PLACE = `${one(control("seek"))}.getAttribute("aria-valuetext")`;
/** Whether the page was asked for one preview. */
const ONE_PREVIEW = "trial.calls.filter(([name]) => name === 'preview').length === 1";

export const scenes = {
  "keys act on the film": {
    async play(stage) {
      await stage.play();
      await stage.press("k");
      await stage.holds("k pauses the film", `${VIDEO}.paused`);
      await stage.press(" ");
      await stage.holds("Space plays the film", `!${VIDEO}.paused`);
      await stage.press("K");
      await stage.holds("K with Caps Lock pauses the film", `${VIDEO}.paused`);
      await stage.calls();
      await stage.press("5");
      await stage.asked("5 seeks to the middle", [["seek", 30]]);
      await stage.wait(250);
      await stage.press("l");
      await stage.asked("l seeks ten seconds forwards", [["seek", 40]]);
      await stage.wait(250);
      await stage.press(".");
      await stage.asked("a dot steps one frame", [["seek", 40.04]]);
      await stage.wait(250);
      await stage.press(",");
      await stage.asked("a comma steps one frame back", [["seek", 40]]);
      await stage.press("n");
      await stage.press("p");
      await stage.press("c");
      await stage.asked("n, p and c change episodes and subtitles", [
        ["next"],
        ["previous"],
        ["subtitles", null],
      ]);
      await stage.holds(
        "subtitles are announced",
        "document.querySelector('[data-testid=control-spoken]').textContent === 'Subtitles: Off'",
      );
      await stage.press("c");
      await stage.asked("c selects the same subtitles again", [["subtitles", "4"]]);
      await stage.press("m");
      await stage.holds(
        "m mutes, and the page stores that",
        `${VIDEO}.muted && localStorage.controls.includes("true")`,
      );
      await stage.press("m");
      await stage.holds("m unmutes", `!${VIDEO}.muted`);
      await stage.press("ArrowDown");
      await stage.press("ArrowDown");
      await stage.holds(
        "arrows change the volume",
        `${VIDEO}.volume === 0.9 && localStorage.controls.includes("0.9")`,
      );
      await stage.press(">");
      await stage.holds("> increases the speed", `${VIDEO}.playbackRate === 1.25`);
      await stage.calls();
      await stage.press("i");
      await stage.asked("i requests picture-in-picture", [["pip"]]);
      await stage.press("f");
      await stage.holds(
        "f enters full screen",
        "document.fullscreenElement?.id === 'stage' && !!document.querySelector('.controls .head')",
      );
      await stage.picture("full-screen");
      await stage.press("f");
      await stage.holds("f leaves full screen", "document.fullscreenElement === null");
    },
  },
  "text fields, buttons and the browser keep their keys": {
    async play(stage) {
      await stage.play();
      await stage.calls();
      await stage.ask("document.querySelector('#text').focus()");
      for (const key of ["k", " ", "f", "5", "ArrowLeft"]) await stage.press(key);
      await stage.holds("the field gets the text", `${one("#text")}.value.includes("k f")`);
      await stage.ask("document.querySelector('#text').blur()");
      for (const modifier of [1, 2, 4]) await stage.press("f", modifier);
      await stage.asked("no key acts on the film", []);
      await stage.holds("the film still plays", `!${VIDEO}.paused && !document.fullscreenElement`);
      await stage.ask(`
        globalThis.toggles = 0;
        for (const type of ["play", "pause"]) ${VIDEO}.addEventListener(type, () => toggles++);
      `);
      await stage.ask(`${one(control("play"))}.focus()`);
      await stage.press(" ");
      await stage.holds("Space presses the focused button", "toggles === 1");
      await stage.wait(100);
      await stage.holds("Space presses the button only once", "toggles === 1");
      await stage.press("k");
      await stage.holds("k works while a button has the focus", "toggles === 2");
      await stage.press("Enter");
      await stage.holds("Enter presses the focused button", "toggles === 3");
      await stage.calls();
      await stage.ask(`${one(control("volume"))}.focus()`);
      const volume = await stage.ask(`${VIDEO}.volume`);
      await stage.press("ArrowLeft");
      await stage.holds(
        "an arrow moves the focused volume slider",
        `${VIDEO}.volume === ${volume} - 0.05`,
      );
      await stage.asked("the arrow does not seek", []);
      await stage.ask("document.querySelector('#outside').focus()");
      await stage.press("Enter");
      await stage.wait(100);
      await stage.holds("Enter outside of the player does not act on the film", "toggles === 3");
    },
  },
  "the mouse: clicks, double clicks, hiding": {
    async play(stage) {
      await stage.play();
      await stage.click("#stage", 0.3);
      await stage.holds("a click pauses the film", `${VIDEO}.paused`);
      await stage.click("#stage", 0.3);
      await stage.holds("a click plays the film", `!${VIDEO}.paused`);
      await stage.click("#stage", 0.3, 1);
      await stage.click("#stage", 0.3, 2);
      await stage.holds(
        "a double click enters full screen",
        "document.fullscreenElement?.id === 'stage'",
      );
      await stage.ask("document.exitFullscreen()");
      await stage.holds("the film plays on", `!${VIDEO}.paused`);
      await stage.wait(3_200);
      await stage.holds(
        "the controls and the cursor hide",
        `${one("#stage")}.dataset.controls === "hidden" &&
          getComputedStyle(${one("#stage")}).cursor === "none" &&
          ${one("#stage")}.style.getPropertyValue("--controls-inset") === "0px"`,
      );
      await stage.picture("hidden");
      await stage.hover("#stage", 0.6);
      await stage.holds(
        "moving the mouse shows the controls",
        "document.querySelector('#stage').dataset.controls === 'shown'",
      );
      await stage.click(control("mute"));
      await stage.holds(
        "a clicked button is not focused",
        "document.activeElement.matches('body, #stage')",
      );
      await stage.wait(3_200);
      await stage.holds(
        "the controls hide after a click on a button",
        "document.querySelector('#stage').dataset.controls === 'hidden'",
      );
      await stage.press("Tab");
      await stage.press("Tab");
      await stage.press("Tab");
      await stage.holds(
        "the keyboard’s focus shows the controls",
        "document.querySelector('#stage').dataset.controls === 'shown'",
      );
      await stage.wait(3_500);
      await stage.holds(
        "the keyboard’s focus keeps the controls visible",
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
      await stage.asked("a drag does not seek", []);
      await stage.holds(
        "the thumb follows the pointer",
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
      await stage.asked("Escape cancels a drag", []);
    },
  },
  "previews come from played frames, and are requested only for bytes on disk": {
    features: dark,
    async play(stage) {
      await stage.play();
      await stage.wait(600);
      await stage.hover(control("seek"), 0.02);
      await stage.holds(
        "a captured frame is shown",
        "!!document.querySelector('.tip[data-picture]')",
      );
      await stage.picture("preview");
      await stage.calls();
      await stage.hover(control("seek"), 0.4);
      await stage.wait(300);
      await stage.holds(
        "a requested picture is shown",
        `${ONE_PREVIEW} && !!${one(".tip[data-picture]")}`,
      );
      await stage.hover(control("seek"), 0.47);
      await stage.wait(300);
      await stage.holds(
        "no picture is requested for a missing place",
        `${ONE_PREVIEW} && ${one(".tip")}.textContent.includes("Not downloaded")`,
      );
    },
  },
  "menus with the keyboard": {
    features: light,
    async play(stage) {
      await stage.ask(`${one(control("subtitles"))}.focus()`);
      await stage.press("Enter");
      await stage.holds(
        "the chosen item has the focus",
        `document.activeElement.getAttribute("aria-checked") === "true" &&
          document.activeElement.innerText.trim() === "English"`,
      );
      await stage.check("subtitles");
      await stage.picture("subtitles-keyboard-light");
      await stage.press("ArrowUp");
      await stage.press("ArrowUp");
      await stage.holds(
        "up from the first item leads to the last",
        "document.activeElement.dataset.key === 'larger'",
      );
      await stage.calls();
      await stage.press("Enter");
      await stage.press(" ");
      await stage.asked('Enter and Space press "larger"', [
        ["size", 1.1],
        ["size", 1.2],
      ]);
      await stage.holds(
        "the size is spoken",
        "document.querySelector('[data-testid=control-spoken]').textContent.includes('120%')",
      );
      await stage.press("ArrowLeft");
      await stage.holds(
        'left leads to "smaller"',
        "document.activeElement.dataset.key === 'smaller'",
      );
      await stage.press("ArrowUp");
      await stage.press(" ");
      await stage.asked('Space presses "later"', [["delay", 0.1]]);
      await stage.press("b");
      await stage.holds("a letter finds its item", "document.activeElement.dataset.key === '6'");
      await stage.press("Enter");
      await stage.asked("Enter chooses the item", [["subtitles", "6"]]);
      await stage.holds(
        "the menu closes, and its button has the focus",
        `!document.querySelector("[role=menu]") && ${focused("subtitles")}`,
      );
      await stage.press(" ");
      await stage.holds("Space opens the menu", "!!document.querySelector('[role=menu]')");
      await stage.press("Escape");
      await stage.holds(
        "Escape closes the menu, and its button has the focus",
        `!document.querySelector("[role=menu]") && ${focused("subtitles")}`,
      );
      await stage.holds("the film did not move", `${VIDEO}.paused && ${VIDEO}.currentTime === 0`);
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
      await stage.holds(
        "the menu opens",
        "document.querySelectorAll('[role=menuitemradio]').length === 10",
      );
      await stage.check("speed");
      await stage.picture("speed-dark");
      await stage.click("[role=menu] [data-key='1.5']");
      await stage.holds(
        "the speed changes, and the menu closes",
        `${VIDEO}.playbackRate === 1.5 &&
          ${VIDEO}.defaultPlaybackRate === 1.5 &&
          !${one("[role=menu]")}`,
      );
      await stage.click(control("audio"));
      await stage.picture("audio-dark");
      await stage.click("#stage", 0.2);
      await stage.holds(
        "a click outside only closes the menu",
        `!document.querySelector("[role=menu]") && !${VIDEO}.paused`,
      );
      await stage.click(control("audio"));
      await stage.click("[role=menu] [data-key='2']");
      await stage.wait(50);
      await stage.holds("a click chooses the track", "trial.model().audio.selected === '2'");
      await stage.click(control("subtitles"));
      await stage.picture("subtitles-dark");
      await stage.click(control("subtitles"));
      await stage.holds("the button closes its menu", "!document.querySelector('[role=menu]')");
      await stage.click(control("volume"), 0.5);
      await stage.holds(
        "the slider changes the volume and has no focus",
        `Math.abs(${VIDEO}.volume - 0.5) < 0.06 && document.activeElement === document.body`,
      );
    },
  },
  "subtitles with the mouse, while the film plays and tracks arrive": {
    async play(stage) {
      await stage.play();
      await stage.wait(3_200);
      await stage.holds("the controls hide", `${one("#stage")}.dataset.controls === "hidden"`);
      await stage.hover("#stage", 0.6);
      await stage.click(control("subtitles"));
      await stage.wait(3_200);
      await stage.holds(
        "the open menu keeps the controls visible",
        `${one("#stage")}.dataset.controls === "shown"`,
      );
      await stage.calls();
      await stage.click("[role=menu] [data-key='6']");
      await stage.asked("the clicked track is chosen", [["subtitles", "6"]]);
      await stage.holds("the menu closes", `!${one("[role=menu]")}`);
      await stage.click(control("subtitles"));
      const spot = await stage.hover("[role=menu] [data-key='6']");
      await stage.mouse("mousePressed", spot, { button: "left", buttons: 1, clickCount: 1 });
      await stage.ask(`(() => {
        const { subtitles } = trial.model();
        const arrived = { id: "8", label: "", language: "fr" };
        trial.change({ subtitles: { ...subtitles, tracks: [arrived, ...subtitles.tracks] } });
      })()`);
      await stage.wait(50);
      await stage.mouse("mouseReleased", spot, { button: "left", buttons: 0, clickCount: 1 });
      await stage.asked("a click counts if a track arrives during the click", [["subtitles", "6"]]);
    },
  },
  "texts for screen readers": {
    async play(stage) {
      await stage.ask(`${VIDEO}.currentTime = 12.5`);
      await stage.holds(
        "the slider speaks its position",
        `${SPOKEN_PLACE} === "12 seconds of 1 minute"`,
      );
      await stage.holds(
        "the share on disk is described",
        `${one("#controls-there")}.textContent.includes("% of this file is downloaded")`,
      );
      await stage.check("paused");
      await stage.play();
      await stage.ask(`${one(control("seek"))}.focus()`);
      const before = await stage.ask(SPOKEN_PLACE);
      await stage.wait(2_200);
      await stage.holds(
        "a focused slider says nothing while the film plays",
        `${SPOKEN_PLACE} === ${JSON.stringify(before)}`,
      );
      await stage.calls();
      await stage.press("ArrowRight");
      // A second click would follow after a while.
      await stage.wait(350);
      const seeks = (await stage.calls()).filter(([name]) => name === "seek");
      if (seeks.length !== 1)
        stage.fails.push(`an arrow on the slider asked ${JSON.stringify(seeks)}`);
      await stage.holds(
        "the slider speaks the position after an arrow",
        `${SPOKEN_PLACE} !== ${JSON.stringify(before)}`,
      );
      await stage.press(" ");
      await stage.holds("Space on the slider pauses the film", `${VIDEO}.paused`);
      await stage.check("slider");
      await stage.ask("trial.card.show('03 – A rather long title')");
      await stage.check("card");
    },
  },
  "the screen stays awake while a film plays": {
    async play(stage) {
      await stage.play();
      await stage.holds(
        "a playing film holds one lock",
        "trial.locks.filter(({ released }) => !released).length === 1",
      );
      await stage.ask(`${VIDEO}.pause()`);
      await stage.holds(
        "a pause releases the lock",
        "trial.locks.every(({ released }) => released)",
      );
      await stage.ask("trial.change({ audioOnly: true })");
      await stage.play();
      await stage.wait(200);
      await stage.holds("music holds no lock", "trial.locks.every(({ released }) => released)");
      await stage.ask("trial.change({ audioOnly: false })");
      await stage.holds(
        "a film holds a lock again",
        "trial.locks.some(({ released }) => !released)",
      );
      await stage.holds(
        "the media panel shows the title",
        `navigator.mediaSession.metadata.title.includes("Harbour") &&
          navigator.mediaSession.playbackState === "playing"`,
      );
      await stage.ask("trial.lifetime.abort()");
      await stage.holds(
        "nothing of the controls is left after their end",
        `trial.locks.every(({ released }) => released) &&
          !${one(".controls, .next-card-place")} &&
          !navigator.mediaSession.metadata &&
          !${one("#stage")}.hasAttribute("data-controls")`,
      );
      await stage.calls();
      await stage.press("k");
      await stage.press("5");
      await stage.asked("no key acts after the end of the controls", []);
      await stage.holds("the film plays on", `!${VIDEO}.paused`);
    },
  },
  "the next episode’s card": {
    features: dark,
    async play(stage) {
      await stage.play();
      await stage.ask(`trial.card.show(
        "03 – A rather long title that goes on and on until nobody reads it any more, " +
          "not even here",
        10,
      )`);
      await stage.holds(
        "the card shows the seconds",
        "document.querySelector('.next-in').textContent === 'Next episode in 10 s'",
      );
      await stage.picture("next");
      await stage.holds(
        "the card counts down",
        "document.querySelector('.next-in').textContent === 'Next episode in 9 s'",
      );
      await stage.calls();
      await stage.press("Escape");
      await stage.asked("Escape cancels the card", [["cancelled"]]);
      await stage.ask("trial.card.show('03', 1)");
      await stage.wait(1_200);
      await stage.asked("the next episode plays at zero", [["playNow"]]);
      await stage.ask("trial.card.show('03')");
      await stage.click("[data-testid=next-play]");
      await stage.asked("the button plays the next episode at once", [["playNow"]]);
      await stage.holds("the card is gone", "!document.querySelector('.next-card')");
    },
  },
};
