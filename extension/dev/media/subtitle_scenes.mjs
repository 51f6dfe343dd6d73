// Scenes of subtitles: checks the lines of text and the canvas's pixels on the page.

import { bare, beside, longLine, PICTURES, STYLED, subtitled } from "./subtitle_films.mjs";
import { basename } from "node:path";
import { until } from "../../scripts/chromium.mjs";

const near = (value, wanted, by) => Math.abs(value - wanted) <= by;
const like = (colour, wanted) => colour?.every((value, index) => near(value, wanted[index], 24));
const BLUE = [0, 0, 255, 255];
const RED = [255, 0, 0, 255];
const GREEN = [0, 255, 0, 255];

/** Waits until `holds` is true, for at most five seconds. Returns what is drawn then. */
async function settled(ask, holds) {
  let drawn;
  await until("what is drawn", async () => holds((drawn = await ask("trial.drawn()"))), 5000).catch(
    () => {},
  );
  return drawn;
}
const texts = ({ lines }) => lines.map(({ text }) => text);
const shows =
  (...wanted) =>
  (drawn) =>
    texts(drawn).join("|") === wanted.join("|");
/**
 * Waits until the middle of a box has a colour. Returns false then, and the failure after five
 * seconds.
 */
async function painted(ask, plane, number, wanted) {
  const { x, y, width, height } = plane.box(number);
  let colour;
  await until(
    "a colour",
    async () =>
      like(
        (colour = await ask(
          `trial.colour(${(x + width / 2) / plane.width}, ${(y + height / 2) / plane.height})`,
        )),
        wanted,
      ),
    5000,
  ).catch(() => {});
  return !like(colour, wanted) && `box ${number} is ${colour}, not ${wanted}`;
}
const differs = (what, got, holds) => !holds && `${what}: ${JSON.stringify(got)}`;

/** Opens the film with its subtitles, paused at a time. */
async function begin(ask, url, at, files = [], way = "mse") {
  await ask(`trial.titled(${JSON.stringify(files)})`);
  await ask(`trial.${way}("${url}", ${at})`);
  await until("the tracks", () =>
    ask("subtitles.tracks.length > 0 && document.querySelector('video').readyState > 1"),
  );
  await ask("trial.pause()");
  await ask(`trial.seek(${at})`);
}

export const scenes = {
  "lines inside a film": {
    film: subtitled,
    async play(ask, url, shoot) {
      await begin(ask, url, 12.5);
      const labels = await ask("subtitles.tracks.map(({ label }) => label)");
      await ask("subtitles.select('inside/3')");
      const first = await settled(ask, shows("Line 3"));
      await ask("trial.seek(17)");
      const italic = await settled(ask, shows("Line 4, and bold"));
      await shoot("lines");
      await ask("trial.seek(21.5)");
      const top = await settled(ask, shows("Line 5"));
      await ask("trial.seek(23.5)");
      const none = await settled(ask, shows());
      await ask("trial.seek(36.5)");
      const far = await settled(ask, shows("Line 9"));
      await ask("subtitles.insetPx = 90");
      const lifted = await settled(ask, ({ lines }) => lines[0]?.bottom < 275);
      await ask("subtitles.size = 2");
      const large = await settled(
        ask,
        ({ lines }) => lines[0]?.height > far.lines[0]?.height * 1.5,
      );
      await shoot("lines-large-above-controls");
      await ask("subtitles.size = 1, subtitles.insetPx = 0, subtitles.delayS = 4");
      const late = await settled(ask, ({ lines }) => lines[0]?.text.startsWith("Line 8"));
      await ask("subtitles.delayS = 0");
      await settled(ask, shows("Line 9"));
      await ask("subtitles.select(undefined)");
      const off = await settled(ask, ({ children }) => children === 0);
      await ask("subtitles.select('inside/3')");
      const on = await settled(ask, shows("Line 9"));
      await ask("trial.play()");
      const played = await settled(ask, ({ time, lines }) => time > 40.2 && lines.length > 0);
      return [
        differs("labels", labels, labels.join() === "English,German · Signs,French"),
        differs(
          "at 12.5",
          first,
          shows("Line 3")(first) && first.lines[0].bottom > 320 && first.lines[0].bottom <= 360,
        ),
        differs(
          "at 17",
          italic,
          shows("Line 4, and bold")(italic) && italic.lines[0].italic === "italic",
        ),
        differs(
          "at 21.5",
          top,
          shows("Line 5")(top) && top.lines[0].place === "8" && top.lines[0].top < 40,
        ),
        differs("at 23.5", none, shows()(none)),
        differs("at 36.5", far, shows("Line 9")(far)),
        differs("above controls", lifted, lifted.lines[0]?.bottom < 275),
        differs(
          "twice as large",
          large,
          near(large.lines[0]?.height / far.lines[0]?.height, 2, 0.1),
        ),
        differs("delayed", late, late.lines[0]?.text.startsWith("Line 8")),
        differs("off", off, off.children === 0),
        differs("on again", on, shows("Line 9")(on)),
        differs("played on", played, played.lines[0]?.text.startsWith("Line 10")),
      ];
    },
  },
  "subtitles inside a film that ffmpeg converts": {
    film: () => subtitled("hevc"),
    async play(ask, url, shoot) {
      await begin(ask, url, 12.5, [], "ffmpeg");
      const labels = await ask("subtitles.tracks.map(({ label }) => label)");
      await ask("subtitles.select('inside/3')");
      const first = await settled(ask, shows("Line 3"));
      await shoot("lines-converted");
      await ask("trial.seek(53.5)");
      const far = await settled(ask, shows("Line 13, and bold"));
      await ask("trial.seek(4.5)");
      const back = await settled(ask, shows("Line 1, and bold"));
      await ask("trial.play()");
      const played = await settled(ask, ({ time, lines }) => time > 8.2 && lines.length > 0);
      await ask("trial.pause(), trial.seek(33.5), subtitles.select('inside/4')");
      const fails = [await painted(ask, STYLED, 8, BLUE)];
      await shoot("styled-converted");
      await ask("subtitles.select('inside/5')");
      fails.push(await painted(ask, PICTURES, 8, RED));
      const { verdict, troubles } = await ask("trial.state()");
      return [
        differs("verdict", verdict, verdict?.path === "ffmpeg"),
        differs("labels", labels, labels.join() === "English,German · Signs,French"),
        differs("at 12.5", first, shows("Line 3")(first)),
        differs("at 53.5", far, shows("Line 13, and bold")(far)),
        differs("at 4.5", back, shows("Line 1, and bold")(back)),
        differs("played on", played, played.lines[0]?.text.startsWith("Line 2")),
        ...fails,
        ...troubles,
      ];
    },
  },
  "a line that began long before a seek": {
    film: longLine,
    async play(ask, url) {
      await begin(ask, url, 0);
      await ask("subtitles.select('inside/3')");
      await ask("trial.seek(9.2)");
      const both = await settled(ask, shows("Long", "Short 2"));
      return [differs("at 9.2", both, shows("Long", "Short 2")(both))];
    },
  },
  "styled subtitles": {
    film: subtitled,
    async play(ask, url, shoot) {
      await begin(ask, url, 1);
      await ask("subtitles.select('inside/4')");
      const fails = [await painted(ask, STYLED, 0, BLUE)];
      const text = await ask("trial.drawn()");
      await shoot("styled");
      await ask("trial.seek(33.5)");
      fails.push(await painted(ask, STYLED, 8, BLUE));
      await ask("trial.seek(35.5)");
      const between = await settled(ask, ({ canvas }) => canvas?.opaque === 0);
      await ask("subtitles.delayS = 1");
      fails.push(await painted(ask, STYLED, 8, BLUE));
      await ask("subtitles.delayS = 0, trial.play()");
      fails.push(await painted(ask, STYLED, 9, BLUE));
      await ask("trial.pause(), subtitles.select('inside/3')");
      const lines = await settled(ask, ({ lines }) => lines.length > 0);
      await ask("subtitles.select('inside/4')");
      await ask("trial.seek(41.5)");
      fails.push(await painted(ask, STYLED, 10, BLUE));
      await ask("subtitles.destroy()");
      const gone = await ask("trial.drawn()");
      return [
        ...fails,
        // The box is at the top left, the text at the bottom centre.
        differs(
          "box and text",
          text,
          text.canvas?.box.bottom > text.canvas?.height * 0.85 &&
            near(text.canvas?.box.left / text.canvas?.width, 100 / 1280, 0.01),
        ),
        differs("between", between, between.canvas?.opaque === 0),
        differs("lines instead", lines, lines.lines.length === 1 && lines.canvas === undefined),
        differs("gone", gone, gone.children === 0),
      ];
    },
  },
  "PGS pictures": {
    film: subtitled,
    async play(ask, url, shoot) {
      await begin(ask, url, 1);
      await ask("subtitles.select('inside/5')");
      const fails = [await painted(ask, PICTURES, 0, RED)];
      const first = await ask("trial.drawn()");
      await shoot("pictures");
      await ask("trial.seek(45.5)");
      fails.push(await painted(ask, PICTURES, 11, GREEN));
      await ask("trial.seek(47.5)");
      const between = await settled(ask, ({ canvas }) => canvas?.opaque === 0);
      await ask("subtitles.delayS = 1");
      fails.push(await painted(ask, PICTURES, 11, GREEN));
      await ask("subtitles.delayS = 0, trial.seek(9)");
      fails.push(await painted(ask, PICTURES, 2, RED));
      await ask("subtitles.size = 1.5");
      const large = await settled(ask, ({ canvas }) => canvas?.box.right - canvas?.box.left > 400);
      // The controls cover 90 of 360 px, so three quarters of the plane are visible.
      await ask("subtitles.insetPx = 90");
      const lifted = await settled(ask, ({ canvas }) => canvas?.box.bottom < 810);
      await shoot("pictures-large-above-controls");
      await ask("subtitles.insetPx = 0");
      const back = await settled(ask, ({ canvas }) => canvas?.box.bottom > 970);
      await ask("subtitles.size = 1, subtitles.select('inside/4')");
      fails.push(await painted(ask, STYLED, 2, BLUE));
      await ask("subtitles.select('inside/5'), trial.play()");
      fails.push(await painted(ask, PICTURES, 3, GREEN));
      const { x, y, width, height } = PICTURES.box(0);
      return [
        ...fails,
        differs(
          "the box",
          first.canvas,
          JSON.stringify(first.canvas?.box) ===
            JSON.stringify({ left: x, top: y, right: x + width, bottom: y + height }) &&
            first.canvas.opaque === width * height,
        ),
        differs("between", between.canvas, between.canvas?.opaque === 0),
        differs(
          "larger",
          large.canvas,
          near(large.canvas?.box.right - large.canvas?.box.left, 420, 3) &&
            near(large.canvas?.box.bottom, 980, 2),
        ),
        differs("above controls", lifted.canvas, near(lifted.canvas?.box.bottom, 799, 3)),
        differs("back again", back.canvas, near(back.canvas?.box.bottom, 980, 2)),
      ];
    },
  },
  "files beside a film": {
    film: bare,
    beside,
    async play(ask, url, shoot) {
      const base = new URL(url).origin;
      const files = [
        ...beside().map((path) => ({ url: `${base}/${basename(path)}`, name: basename(path) })),
        { url: `${base}/nowhere.pl.srt`, name: "nowhere.pl.srt" },
      ];
      await ask(`trial.titled(${JSON.stringify(files)})`);
      await ask(`trial.plain("${url}")`);
      await ask("trial.pause()");
      await ask("trial.seek(21.5)");
      const labels = await ask("subtitles.tracks.map(({ label }) => label)");
      const choose = (name) => ask(`subtitles.select("beside/${name}")`);
      const trouble = async (name) => {
        await choose(name);
        await until(
          "trouble",
          () =>
            ask(
              `subtitles.tracks.some(
                ({ id, state }) => id === "beside/${name}" && state === "failed",
              )`,
            ),
          5000,
        ).catch(() => {});
        return ask(`subtitles.tracks.find(({ id }) => id === "beside/${name}").trouble ?? ""`);
      };
      await choose("beside.ru.srt");
      const russian = await settled(ask, ({ lines }) => lines.length > 0);
      await shoot("russian");
      await choose("beside.en.vtt");
      const voice = await settled(ask, shows("Voice 5 & Ann"));
      await choose("beside.de.ass");
      const fails = [await painted(ask, STYLED, 5, BLUE)];
      // The bundled font lacks Georgian letters, so the text is shown as HTML with the system's
      // fonts.
      await choose("beside.ka.ass");
      const georgian = await settled(ask, shows("გამარჯობა 5"));
      await shoot("georgian");
      await choose("beside.fr.sup");
      fails.push(await painted(ask, PICTURES, 5, GREEN));
      const troubles = [
        await trouble("beside.es.sub"),
        await trouble("beside.it.srt"),
        await trouble("nowhere.pl.srt"),
      ];
      await choose("beside.en.vtt");
      await ask("trial.seek(29)");
      const after = await settled(ask, shows("Voice 7 & Ann"));
      const own = await ask(
        "subtitles.addFiles([new File(['1\\n00:00:28,000 --> 00:00:30,000\\nMine'], 'mine.srt')])",
      );
      const mine = await settled(ask, shows("Mine"));
      return [
        ...fails,
        differs(
          "labels",
          labels,
          labels.join() === "Russian,English,German,Georgian,French,Spanish,Italian,Polish",
        ),
        differs("Russian", russian, texts(russian)[0]?.startsWith("Где мы находимся сегодня, 5?")),
        differs("VTT", voice, shows("Voice 5 & Ann")(voice) && voice.lines[0].place === "8"),
        differs(
          "Georgian",
          georgian,
          shows("გამარჯობა 5")(georgian) && georgian.canvas === undefined,
        ),
        differs(
          "troubles",
          troubles,
          /MicroDVD/.test(troubles[0]) &&
            /no subtitles/.test(troubles[1]) &&
            /can’t be read/.test(troubles[2]),
        ),
        differs("after a seek", after, shows("Voice 7 & Ann")(after)),
        differs("the user's own", [own, mine], own.length === 0 && shows("Mine")(mine)),
      ];
    },
  },
  "a script with letters that only the film's font has": {
    film: subtitled,
    beside,
    async play(ask, url, shoot) {
      await begin(ask, url, 9, [
        { url: `${new URL(url).origin}/beside.ka.ass`, name: "beside.ka.ass" },
      ]);
      await ask("subtitles.select('beside/beside.ka.ass')");
      const fails = [await painted(ask, STYLED, 2, BLUE)];
      await settled(ask, ({ lines }) => lines.length > 0);
      const drawn = await ask("trial.drawn()");
      await shoot("georgian-by-font");
      await ask("subtitles.insetPx = 90");
      const lifted = await settled(ask, ({ canvas }) => canvas?.box.bottom < canvas?.height * 0.76);
      await ask("subtitles.size = 2");
      const large = await settled(ask, ({ canvas }) => canvas?.opaque > drawn.canvas?.opaque * 1.5);
      await shoot("styled-large-above-controls");
      await ask("subtitles.size = 1, subtitles.insetPx = 0");
      const again = await settled(
        ask,
        ({ canvas }) => canvas?.box.bottom === drawn.canvas?.box.bottom,
      );
      return [
        ...fails,
        differs(
          "by libass",
          drawn,
          drawn.lines.length === 0 && drawn.canvas?.box.bottom > drawn.canvas?.height * 0.85,
        ),
        differs("above controls", lifted, lifted.canvas?.box.bottom < lifted.canvas?.height * 0.76),
        differs("large", large, large.canvas?.opaque > drawn.canvas?.opaque * 1.5),
        differs("as before", again, again.canvas?.box.bottom === drawn.canvas?.box.bottom),
      ];
    },
  },
};
