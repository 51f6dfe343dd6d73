// Scenes of playing that don't depend on codecs: change of tracks, subtitles, odd films. Each
// returns what failed.

import { cut, film, lateSound, live, manyTracks } from "./films.mjs";

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const near = (value, wanted, by) => Math.abs(value - wanted) <= by;
const pitches = (state) =>
  state.beeps.map(({ pitch }) => Math.round(pitch)).filter((pitch) => pitch > 0);

/** `film` makes the file, `play` gets `page.evaluate` and returns what failed. */
export const scenes = {
  "another audio track": {
    film: () => manyTracks(),
    async play(ask, url) {
      await ask(`trial.mse("${url}")`);
      await wait(3500);
      const before = pitches(await ask("trial.state()"));
      await ask("trial.forget(), trial.audio(3)");
      await wait(4500);
      const after = await ask("trial.state()");
      await ask("trial.forget(), trial.audio(2)");
      await wait(4500);
      const back = pitches(await ask("trial.state()"));
      return [
        !before.every((pitch) => near(pitch, 1000, 120)) && `began with ${before}`,
        !(
          pitches(after).length > 0 &&
          pitches(after)
            .slice(-1)
            .every((pitch) => near(pitch, 3000, 250))
        ) && `then ${pitches(after)}`,
        !(back.length > 0 && back.slice(-1).every((pitch) => near(pitch, 1000, 120))) &&
          `then ${back}`,
        !(after.time > 6.5) && `stands at ${after.time}`,
      ];
    },
  },
  "subtitles, also one that began before the position of a seek": {
    film: () => manyTracks(),
    async play(ask, url) {
      await ask(`trial.mse("${url}")`);
      await wait(1500);
      await ask("trial.subtitles([4])");
      await wait(1500);
      const first = (await ask("trial.state()")).cues;
      await ask("trial.seek(50.2)");
      await wait(2000);
      const lines = (await ask("trial.state()")).cues.map(({ data }) => data);
      return [
        !(first[0]?.data === "Line 1" && first[0].end === 7 && first.length > 10) &&
          JSON.stringify(first.slice(0, 2)),
        // Line 25 is shown from 48 s to 55 s.
        !lines.includes("Line 25") && "line 25 is missing",
        new Set(lines).size !== lines.length && "lines come twice",
      ];
    },
  },
  "opened in the middle": {
    film: () => film("h264", "dts", "mkv"),
    async play(ask, url) {
      await ask(`trial.mse("${url}", 33.5)`);
      await wait(3500);
      const state = await ask("trial.state()");
      return [
        !(state.time > 34 && state.time < 38) && `stands at ${state.time}`,
        state.beeps.length === 0 && "silent",
        state.flashes.some(({ media }) => media < 33) && "showed the beginning",
      ];
    },
  },
  "twelve seeks in two seconds": {
    film: () => film("h264", "ac3", "mkv"),
    async play(ask, url) {
      await ask(`trial.mse("${url}")`);
      await wait(1500);
      for (let count = 0; count < 12; count += 1) {
        await ask(`document.querySelector("video").currentTime = ${1 + ((count * 37) % 60)}`);
        await wait(160);
      }
      await ask("trial.seek(21.5)");
      await wait(3000);
      const state = await ask("trial.state()");
      return [
        !(state.time > 23 && state.time < 26) && `stands at ${state.time}`,
        state.beeps.length === 0 && "silent",
        ...state.troubles,
      ];
    },
  },
  ...Object.fromEntries(
    ["ac3", "aac"].map((audio) => [
      `sound that begins six seconds late (${audio})`,
      {
        film: () => lateSound(audio),
        async play(ask, url) {
          await ask(`trial.mse("${url}")`);
          await wait(9000);
          const state = await ask("trial.state()");
          const first = state.beeps[0]?.media;
          return [
            !(state.time > 7) && `stands at ${state.time}`,
            !(first !== undefined && near(first, 6, 0.2)) && `the first beep comes at ${first}`,
            ...state.troubles,
          ];
        },
      },
    ]),
  ),
  "an interrupted film": {
    film: () => cut(film("h264", "ac3", "mkv"), 0.3),
    async play(ask, url) {
      await ask(`trial.mse("${url}")`);
      await wait(1500);
      await ask("trial.seek(15)");
      await wait(6000);
      const state = await ask("trial.state()");
      return [
        !state.ended && `stands at ${state.time}`,
        !near(state.duration, 19, 3) && `is ${state.duration} long`,
        ...state.troubles,
      ];
    },
  },
  "no index and no duration": {
    film: live,
    async play(ask, url) {
      await ask(`trial.mse("${url}")`);
      await wait(1500);
      const ms = await ask("trial.seek(30.5)");
      await wait(2500);
      const state = await ask("trial.state()");
      return [
        ms < 0 && "does not seek",
        !(state.time > 31.5) && `stands at ${state.time}`,
        state.beeps.length === 0 && "silent",
        ...state.troubles,
      ];
    },
  },
  ...Object.fromEntries(
    [
      ["mse", "h264", "ac3"],
      ["ffmpeg", "hevc", "aac"],
    ].map(([way, video, audio]) => [
      `the engine is replaced during a seek, by ${way}`,
      {
        film: () => film(video, audio, "mkv"),
        async play(ask, url) {
          const { origin, pathname } = new URL(url);
          const answer = (status) =>
            fetch(`${origin}${pathname.replace("/stream/", "/refuse/")}/${status}`);
          await ask(`trial.${way}("${url}")`);
          await wait(3000);
          await ask("trial.linked(false)");
          const fails = [];
          for (const status of [404, 503, 504, 403]) {
            await answer(status);
            if (status === 404)
              void ask("trial.seek(58.5, 60000).then((ms) => (globalThis.seekMs = ms))").catch(
                () => {},
              );
            await wait(5000);
            fails.push(
              ...(await ask("trial.state()")).troubles.map((words) => `${status}: ${words}`),
            );
          }
          const early = await ask("globalThis.seekMs");
          await ask("trial.linked(true)");
          await wait(1000);
          await answer(200);
          await wait(8000);
          const state = await ask("trial.state()");
          return [
            ...fails,
            ...state.troubles,
            early !== undefined && "the seek needed no bytes",
            !(state.time > 60) && `stands at ${state.time}`,
            state.beeps.length === 0 && "silent",
          ];
        },
      },
    ]),
  ),
  "destroyed while it plays": {
    film: () => film("h264", "ac3", "mkv"),
    async play(ask, url) {
      await ask(`trial.mse("${url}")`);
      await wait(1500);
      await ask("trial.destroy()");
      await wait(300);
      const state = await ask("trial.state()");
      return [state.ready !== 0 && "the element still holds the film", state.error && state.error];
    },
  },
};
