// The scenes of the list: keyboard, several torrents, many files, leaving and returning.

import { file, torrent } from "../scenes.mjs";
import { CTRL, FOCUS, MB, SHIFT, all, films, focusFirst, many, one } from "./shared.mjs";

export const scenes = {
  "the arrow keys move between lines, open and fold": {
    torrents: [torrent(1, "Show", "downloading", 0.1, { files: films(40) }), ...many(3).slice(1)],
    async play(stage) {
      await focusFirst(stage);
      await stage.press("ArrowRight");
      await stage.holds("the torrent opens", `!!${one("folder")}`);
      await stage.press("ArrowDown");
      await stage.holds("the tools have the focus", `${FOCUS} === "want-all 1"`);
      await stage.press("ArrowDown");
      await stage.holds(
        "the folder has the focus",
        `${FOCUS} === "folder-toggle 2" || ${FOCUS} === "want-folder 2"`,
      );
      await stage.ask(`${one("folder-toggle")}.focus()`);
      await stage.press("ArrowLeft");
      await stage.holds(
        "the folder folds",
        `${one("folder-toggle")}.getAttribute("aria-expanded") === "false"`,
      );
      await stage.press("ArrowRight");
      await stage.holds(
        "the folder unfolds",
        `${one("folder-toggle")}.getAttribute("aria-expanded") === "true"`,
      );
      for (let at = 0; at < 42; at += 1) await stage.press("ArrowDown");
      await stage.holds(
        "the focus moved beyond the window",
        "Number(document.activeElement.closest('.line')?.dataset.line) > 40",
      );
    },
  },
  "the focused line stays rendered when the page scrolls": {
    torrents: many(100),
    active: 1,
    async play(stage) {
      await focusFirst(stage);
      await stage.ask("scrollTo(0, 5000)");
      await stage.holds(
        "the page scrolled",
        `!${all("torrent")}.some((it) => it.innerText.includes("Torrent number 2\\n"))`,
      );
      await stage.wait(700);
      await stage.holds("the first torrent has the focus", `${FOCUS} === "toggle 0"`);
      await stage.ask("scrollTo(0, 1e6)");
      await stage.holds(
        "the last torrent is rendered",
        `${all("torrent")}.some((it) => it.innerText.includes("Torrent number 100"))`,
      );
    },
  },
  "several torrents are selected, paused, resumed and removed": {
    torrents: many(30),
    async play(stage, { asked }) {
      await stage.click("[data-line='1'] [data-testid=select]");
      await stage.ask(`
        document
          .querySelector("[data-line='3'] [data-testid=select]")
          .dispatchEvent(new MouseEvent("click", { shiftKey: true, bubbles: true }));
      `);
      await stage.holds(
        "three torrents are selected",
        `${one("selection")}.innerText.includes("3 selected")`,
      );
      await stage.click("[data-testid=selected-pause]");
      await stage.holds(
        "the selected torrents pause",
        `${all("torrent")}.filter((it) => it.dataset.state === "paused").length === 3`,
      );
      await stage.click("[data-testid=selected-resume]");
      await stage.holds(
        "the selected torrents resume",
        `${all("torrent")}.every((it) => it.dataset.state === "downloading")`,
      );
      await stage.press("Escape");
      await stage.holds("nothing is selected", `${one("selection")}.dataset.shown === undefined`);
      await focusFirst(stage);
      await stage.press("a", CTRL);
      await stage.holds(
        "all torrents are selected",
        `${one("selection")}.innerText.includes("30 selected")`,
      );
      await stage.check("selected");
      await stage.press("Delete");
      await stage.holds(
        "a dialog asks whether to remove the torrents",
        `document.querySelector("#dialog[open]")?.innerText.includes("Remove 30 torrents?")`,
      );
      await stage.check("removing");
      await stage.press("Enter");
      await stage.holds("the torrents are gone", `!!${one("empty")}`);
      if (asked.filter(({ kind, deleteData }) => kind === "remove" && !deleteData).length !== 30)
        stage.fails.push("not each torrent was removed once");
    },
  },
  "Ctrl+click and Shift+click on a row select, a plain click opens": {
    torrents: many(5),
    async play(stage) {
      const click = async (line, modifiers) => {
        const spot = await stage.spot(`[data-line='${line}'] [data-testid=torrent-state]`);
        await stage.mouse("mousePressed", spot, {
          button: "left",
          buttons: 1,
          clickCount: 1,
          modifiers,
        });
        await stage.mouse("mouseReleased", spot, {
          button: "left",
          buttons: 0,
          clickCount: 1,
          modifiers,
        });
      };
      await click(0, CTRL);
      await click(2, SHIFT);
      await stage.holds(
        "three torrents are selected",
        `${one("selection")}.innerText.includes("3 selected")`,
      );
      await click(4, 0);
      await stage.holds(
        "the last torrent is open",
        `${all("torrent")}.at(-1).dataset.open !== undefined`,
      );
    },
  },
  "torrents and files are searched and sorted": {
    torrents: [...many(12), torrent(50, "Show", "complete", 1, { files: films(40) })],
    async play(stage) {
      await focusFirst(stage);
      await stage.press("f", CTRL);
      await stage.holds("the field has the focus", `document.activeElement === ${one("search")}`);
      await stage.page.send("Input.insertText", { text: "SHOW" });
      await stage.holds("one torrent is found", `${all("torrent")}.length === 1`);
      await stage.click("[data-testid=toggle]");
      await stage.holds("the torrent opens", `!!${one("file-search")}`);
      await stage.ask(`${one("file-search")}.focus()`);
      await stage.page.send("Input.insertText", { text: "season 2 15" });
      await stage.holds(
        "one file is found",
        `${all("file")}.length === 1 && ${one("file")}.dataset.index === "14"`,
      );
      await stage.ask(`(() => {
        const search = ${one("search")};
        search.value = "";
        search.dispatchEvent(new Event("input"));
      })()`);
      await stage.ask(`(() => {
        const sort = ${one("sort")};
        sort.value = "name";
        sort.dispatchEvent(new Event("change"));
      })()`);
      await stage.holds(
        "the list is sorted by name",
        `${all("toggle")}.map((it) => it.title).slice(0, 3).join() ===
          "Show,Torrent number 1,Torrent number 2"`,
      );
      await stage.check("sorted");
    },
  },
  "returning from a film restores the list": {
    torrents: [...many(40), torrent(50, "Show", "downloading", 0.1, { files: films(60) })],
    active: 1,
    async play(stage, { origin }) {
      await stage.ask("scrollTo(0, 1e6)");
      await stage.holds("the last torrent is rendered", `${all("toggle")}.at(-1).title === "Show"`);
      await stage.ask(`${all("toggle")}.at(-1).click()`);
      await stage.holds("the torrent opens", `!!${one("file")}`);
      await stage.ask("scrollTo(0, scrollY + 900)");
      await stage.settled(`${all("file")}[6]?.getBoundingClientRect().top`);
      await stage.ask(`${all("file")}[6].querySelector("[data-testid=play]").focus()`);
      await stage.ask("void scrollBy(0, 3)");
      // The focused control's place in the window. Its place in the page may differ: the heights of
      // the lines above are measured anew.
      const top = "document.activeElement.getBoundingClientRect().top";
      const focus = await stage.ask(FOCUS);
      const before = await stage.settled(top);
      const back = `Math.abs(${top} - ${before}) <= 2 && ${FOCUS} === ${JSON.stringify(focus)}`;
      await stage.page.send("Page.navigate", {
        url: `${origin}/player.html?torrent=${"32".padStart(40, "0")}&file=0`,
      });
      await stage.holds(
        "the player opens",
        "location.pathname === '/player.html' && document.readyState === 'complete'",
      );
      await stage.page.send("Page.navigate", { url: `${origin}/app.html` });
      await stage.holds("the focused control is where it was", back);
      await stage.wait(1500);
      if (!(await stage.ask(back))) stage.fails.push("the focused control did not stay there");
    },
  },
  "when a torrent is added again, the list scrolls to its row and says so": {
    torrents: many(60),
    async play(stage) {
      await stage.ask(`(() => {
        const clipboardData = new DataTransfer();
        clipboardData.setData("text/plain", "magnet:?xt=urn:btih:${"37".padStart(40, "0")}");
        dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
      })()`);
      await stage.holds(
        "the row says that the torrent is in the list",
        `${one("already")}?.innerText === "Already in the list"`,
      );
      await stage.holds(
        "the note is inside the window",
        `(() => {
          const { top, bottom } = ${one("already")}.getBoundingClientRect();
          return top > 60 && bottom < innerHeight;
        })()`,
      );
      await stage.holds(
        "the note is read aloud",
        `${one("announcement")}.innerText.includes("Torrent number 55 is already in the list")`,
      );
      await stage.check("already");
    },
  },
  "a folder’s checkbox selects all its files": {
    torrents: [torrent(1, "Show", "downloading", 0.1, { files: films(30) })],
    async play(stage, { asked }) {
      await stage.click("[data-testid=toggle]");
      await stage.holds("the torrent opens", `${all("folder")}.length > 1`);
      await stage.click("[data-testid=want-folder]");
      await stage.holds(
        "none of the folder’s files is selected",
        `${all("file")}.slice(0, 10).every((it) => it.dataset.priority === "skip")`,
      );
      await stage.holds("some of all files are selected", `${one("want-all")}.indeterminate`);
      await stage.click("[data-testid=want]");
      await stage.holds(
        "some of the folder’s files are selected",
        `${one("want-folder")}.indeterminate`,
      );
      await stage.click("[data-testid=want-all]");
      await stage.holds(
        "all files are selected",
        `${one("want-all")}.checked &&
          ${all("file")}.every((it) => it.dataset.priority === "normal")`,
      );
      if (asked.filter(({ kind }) => kind === "set_priorities").length !== 3)
        stage.fails.push("not each click was one intent");
      await stage.check("folders");
    },
  },
  "a file is renamed, a torrent gets limits": {
    torrents: [torrent(1, "Show", "downloading", 0.1, { files: films(3) })],
    async play(stage, { asked }) {
      await stage.click("[data-testid=toggle]");
      await stage.holds("the torrent opens", `!!${one("rename")}`);
      await stage.click("[data-testid=rename]");
      await stage.holds(
        "the name is selected, without its extension",
        "getSelection().toString() === '1' || document.activeElement.selectionEnd === 1",
      );
      await stage.check("renaming");
      await stage.page.send("Input.insertText", { text: "First" });
      await stage.press("Enter");
      await stage.holds("the dialog closes", `!document.querySelector("#dialog").open`);
      await stage.click("[data-testid=details]");
      await stage.holds("the details open", `!!${one("limit-upload")}`);
      await stage.ask(`${one("limit-upload")}.focus()`);
      await stage.page.send("Input.insertText", { text: "0.5" });
      await stage.press("Enter");
      await stage.holds(
        "the limits are saved",
        `${one("details-open")}.innerText.includes("Saved.")`,
      );
      await stage.check("details");
      await stage.holds(
        "the page shows the path",
        `${one("place")}.innerText.endsWith("/films/Show")`,
      );
      await stage.click("[data-testid=show-in-folder]");
      for (let at = 0; at < 50 && !asked.some(({ kind }) => kind === "show_in_folder"); at += 1)
        await stage.ask("0");
      const wanted = JSON.stringify([{ name: "First.mkv" }, { up: 500_000 }, { shown: null }]);
      const was = JSON.stringify([
        { name: asked.find(({ kind }) => kind === "rename_file")?.name },
        { up: asked.find(({ kind }) => kind === "set_sharing")?.sharing.upLimitBps },
        { shown: asked.find(({ kind }) => kind === "show_in_folder")?.file },
      ]);
      if (was !== wanted) stage.fails.push(`asked ${was}`);
    },
  },
  "a film is added and played using only the keyboard": {
    torrents: many(2),
    async play(stage) {
      const press = async (key, until, what) => {
        for (let at = 0; at < 30 && !(await stage.ask(until)); at += 1) await stage.press(key);
        await stage.holds(what, until);
      };
      await press(
        "Tab",
        `document.activeElement === ${one("add-link")}`,
        "Tab moves the focus to the button for links",
      );
      await stage.press("Enter");
      await stage.holds(
        "the field has the focus",
        `document.activeElement === ${one("link-input")}`,
      );
      await stage.page.send("Input.insertText", { text: `magnet:?xt=urn:btih:${"ab".repeat(20)}` });
      await stage.press("Enter");
      await stage.holds(
        "the new torrent is in the list and open",
        `${one("torrent")}.innerText.includes("A new film") && !!${one("file")}`,
      );
      await press(
        "Tab",
        `document.activeElement === ${one("play")}`,
        "Tab moves the focus to the film",
      );
      await stage.press("Enter");
      await stage.holds("the player opens", "location.pathname === '/player.html'");
    },
  },
  "nothing overflows a narrow window": {
    torrents: [torrent(1, "Show", "downloading", 0.1, { files: films(30) }), ...many(3).slice(1)],
    width: 360,
    async play(stage) {
      await stage.click("[data-testid=toggle]");
      await stage.holds("the torrent opens", `!!${one("details")}`);
      await stage.click("[data-testid=details]");
      await stage.holds("the details open", `!!${one("peers")}`);
      await stage.holds(
        "nothing is wider than the window",
        "document.documentElement.scrollWidth <= innerWidth",
      );
      await stage.check("360 px");
    },
  },
  "with forced colours, bars and borders are visible": {
    torrents: many(2),
    async play(stage) {
      await stage.page.send("Emulation.setEmulatedMedia", {
        features: [{ name: "forced-colors", value: "active" }],
      });
      await stage.holds(
        "bars have a border",
        "getComputedStyle(document.querySelector('.meter')).borderTopWidth === '1px'",
      );
      await stage.holds(
        "the list has a border",
        "getComputedStyle(document.querySelector('.lines')).borderTopWidth === '1px'",
      );
      await stage.holds(
        "done and missing parts of a bar differ",
        `getComputedStyle(document.querySelector(".meter-fill")).backgroundColor !==
          getComputedStyle(document.querySelector(".meter")).backgroundColor`,
      );
      await stage.picture("list-forced-colours");
    },
  },
  "a film that Chrome can’t play says so before it is opened": {
    torrents: [
      torrent(1, "Old", "complete", 1, {
        files: [file(0, "Old.avi", 9 * MB, 1, "video/x-msvideo")],
      }),
    ],
    async play(stage) {
      await stage.click("[data-testid=toggle]");
      await stage.holds(
        "the file’s line says that the film needs ffmpeg",
        `${one("file")}?.innerText.includes("AVI: needs ffmpeg")`,
      );
    },
  },
  "when a torrent is removed, the next one has the focus": {
    torrents: many(4),
    async play(stage) {
      await stage.ask(`${all("remove")}[1].focus()`);
      await stage.press("Enter");
      await stage.holds("a dialog opens", `document.querySelector("#dialog").open`);
      await stage.press("Enter");
      await stage.holds("the torrent is gone", `${all("torrent")}.length === 3`);
      await stage.holds("the next torrent has the focus", `${FOCUS} === "remove 1"`);
    },
  },
  "after the last torrent is removed, Undo has the focus and restores the torrent": {
    torrents: many(1),
    async play(stage) {
      await stage.ask(`${one("remove")}.focus()`);
      await stage.press("Enter");
      await stage.holds("a dialog opens", `document.querySelector("#dialog").open`);
      await stage.press("Enter");
      await stage.holds("the list is empty", `!!${one("empty")}`);
      await stage.holds("Undo has the focus", `document.activeElement === ${one("undo")}`);
      await stage.press("Enter");
      await stage.holds("the torrent is back", `${all("torrent")}.length === 1`);
      await stage.holds("the torrent’s row has the focus", `${FOCUS} === "toggle 0"`);
    },
  },
  "a refusal is shown beside the button that asked, or in the torrent’s row": {
    torrents: [torrent(1, "Show", "downloading", 0.1, { files: films(60) }), ...many(3).slice(1)],
    async play(stage, { refused }) {
      for (const kind of ["recheck", "move_in_queue", "set_priorities", "pause"]) refused.add(kind);
      const words = "Not connected to the daemon.";
      await stage.click("[data-testid=toggle]");
      await stage.holds("the torrent opens", `!!${one("details")}`);
      await stage.click("[data-testid=details]");
      await stage.holds("the details open", `!!${one("recheck")}`);
      const below = (id) => {
        const wrong = `${one(id)}.closest(".details-part").querySelector("[data-wrong]")`;
        return `${wrong}?.innerText.includes("${words}")`;
      };
      await stage.ask(`${one("recheck")}.click()`);
      await stage.holds("the refusal of the check is beside its button", below("recheck"));
      await stage.ask(`${one("queue-top")}.click()`);
      await stage.holds("the refusal of the move is beside its button", below("queue-top"));
      await stage.holds("the page’s top shows nothing", `!${one("note")}`);
      await stage.check("refused");
      await stage.ask("scrollTo(0, 2500)");
      await stage.settled("scrollY");
      await stage.ask(`${all("want")}.at(-1).click()`);
      await stage.holds(
        "the row says why, and is in the window",
        `(() => {
          const reply = ${one("torrent-reply")};
          if (!reply) return false;
          const { top, bottom } = reply.getBoundingClientRect();
          return reply.innerText.includes("${words}") && top > 60 && bottom < innerHeight;
        })()`,
      );
      await stage.check("refused in the row");
      await stage.picture("list-refused");
      await stage.click("[data-testid=reply-dismiss]");
      await stage.holds("the refusal goes when the user dismisses it", `!${one("torrent-reply")}`);
      await stage.click("[data-testid=pause]");
      await stage.holds("the row says why the torrent was not paused", `!!${one("torrent-reply")}`);
      refused.clear();
      await stage.click("[data-testid=pause]");
      await stage.holds("the refusal goes when the action works", `!${one("torrent-reply")}`);
    },
  },
  "torrents added above the window do not move the visible ones": {
    torrents: many(60),
    async play(stage) {
      await stage.ask("scrollTo(0, 2000)");
      const seen = `(() => {
        const top = (it) => it.getBoundingClientRect().top;
        const first = ${all("toggle")}.find((it) => top(it) > 100);
        return first.title + " " + Math.round(top(first));
      })()`;
      // Lines move until the list has measured those above them.
      const before = await stage.settled(seen);
      const paste = ["ab", "cd"].map((one) => `magnet:?xt=urn:btih:${one.repeat(20)}`).join("\n");
      await stage.ask(`(() => {
        const clipboardData = new DataTransfer();
        clipboardData.setData("text/plain", ${JSON.stringify(paste)});
        dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
      })()`);
      await stage.holds("both torrents are added", "document.title.includes('62 torrents')");
      await stage.settled(seen);
      await stage.holds(
        "the first visible torrent is where it was",
        `${seen} === ${JSON.stringify(before)}`,
      );
      await stage.ask("scrollTo(0, 0)");
      await stage.holds(
        "the new torrents come first",
        `${one("torrent")}.innerText.includes("A new film")`,
      );
    },
  },
};
