//! The player beyond plain films: conversion, silent MP4s, subtitles, seek pictures, seasons.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::Options;
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::fixture::{FILM_RATE_BPS, Fixture};
use jstorrent_tests::keys::Key;
use jstorrent_tests::media::{self, H264};
use jstorrent_tests::pages::{AppPage, PlayerPage};
use jstorrent_tests::scene::Scene;
use jstorrent_tests::swarm::Client;
use jstorrent_tests::workspace::{Scratch, target};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::Mutex;

const PICTURE: &str = "testsrc2=size=320x180:rate=24,noise=alls=14:allf=t";
const SECONDS: u32 = 40;
/// A film that a browser can't open.
const AVI: &[&str] =
    &["-c:v", "mpeg4", "-vtag", "XVID", "-b:v", "1M", "-g", "24", "-c:a", "mp3", "-f", "avi"];
/// A film that a browser plays without sound.
const SILENT: &[&str] = &[
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-pix_fmt",
    "yuv420p",
    "-b:v",
    "1M",
    "-g",
    "48",
    "-c:a",
    "ac3",
    "-movflags",
    "+faststart",
    "-f",
    "mp4",
];

/// A film of this test's own, made once.
async fn film(name: &str, seconds: u32, encoding: &[&str]) -> Result<PathBuf> {
    static MAKING: Mutex<()> = Mutex::const_new(());
    let _turn = MAKING.lock().await;
    let path = target().join("test-media").join(name);
    if !path.exists() {
        media::make(&path, seconds, PICTURE, encoding).await?;
    }
    Ok(path)
}

async fn scene_of(path: &Path) -> Result<Scene> {
    let film = Fixture::of_file(path).seeded(Client::Libtorrent, FILM_RATE_BPS);
    Scene::with(film.build().await?, Options::default()).await
}

/// Plays a film with sound while the film is incomplete. Seeks forth and back, too.
async fn watch_and_listen(path: &Path) -> Result<()> {
    let scene = scene_of(path).await?;
    let watched = async {
        let player = scene.play().await?;
        player.first_frame(LIMIT).await?;
        // An MP4 plays at once; the page inspects it meanwhile.
        player
            .session
            .wait_for(
                "byTestId('video').srcObject !== null && byTestId('video').readyState >= 2",
                LIMIT,
            )
            .await?;
        // The film plays on by itself, in whichever engine.
        player.plays_on(1.0, LIMIT).await?;
        let loudness = player.loudness(LIMIT).await?;
        ensure!(loudness > 0.02, "the loudest of it is {loudness}");
        player.seek(f64::from(SECONDS) * 0.7, LIMIT).await?;
        player.seek(5.0, LIMIT).await?;
        let loudness = player.loudness(LIMIT).await?;
        ensure!(loudness > 0.02, "after the seeks the loudest of it is {loudness}");
        anyhow::Ok(())
    };
    watched.await.with_context(|| scene.browser.report())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_avi_plays_with_sound_through_ffmpeg() -> Result<()> {
    watch_and_listen(&film("player.avi", SECONDS, AVI).await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_mp4_with_sound_that_the_browser_cannot_decode_is_heard() -> Result<()> {
    watch_and_listen(&film("player-ac3.mp4", SECONDS, SILENT).await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_ffmpeg_the_page_names_the_format_and_a_remedy() -> Result<()> {
    let path = film("player.avi", SECONDS, AVI).await?;
    let film = Fixture::of_file(&path).seeded(Client::Libtorrent, 0);
    let daemon_env = vec![("JSTORRENT_FFMPEG", "/nonexistent/ffmpeg".to_owned())];
    let scene =
        Scene::with(film.build().await?, Options { daemon_env, ..Options::default() }).await?;
    let page =
        scene.browser.open(&format!("player.html?torrent={}&file=0", scene.info_hash())).await?;
    let said = "document.querySelector('[data-testid=player-status]')?.innerText ?? ''";
    let has_said = || async {
        let words = page.evaluate(said).await?;
        Ok(words
            .as_str()
            .filter(|words| words.contains("needs ffmpeg") && words.contains("AVI"))
            .map(str::to_owned))
    };
    until("what the film needs", LIMIT, has_said).await.with_context(|| scene.browser.report())?;
    page.wait_for(
        "document.querySelector('[data-testid=remedy] code')?.innerText.includes('install ffmpeg')",
        LIMIT,
    )
    .await
}

/// Holds the pointer over an unplayed part of the seek bar. Waits for the picture of that part.
async fn picture_over_the_bar(path: &Path) -> Result<()> {
    let film = Fixture::of_file(path).seeded(Client::Libtorrent, 0);
    let scene = Scene::with(film.build().await?, Options::default()).await?;
    let seen = async {
        let player = scene.play().await?;
        player.first_frame(LIMIT).await?;
        player.session.evaluate("byTestId('video').pause()").await?;
        scene.torrent_when("all of it", |torrent| torrent.verified == torrent.length).await?;
        let bar = r#"(() => {
          const { left, top, width, height } = byTestId("control-seek").getBoundingClientRect();
          return { x: left + width * 0.7, y: top + height / 2 };
        })()"#;
        until("a picture over the bar", LIMIT, || async {
            let spot = player.session.evaluate(bar).await?;
            // The seek bar learns every second what is on disk; then the pointer has to move again.
            for off in [0.0, 1.0] {
                let x = spot["x"].as_f64().context("a place")? + off;
                let moved = json!({ "type": "mouseMoved", "x": x, "y": spot["y"] });
                player.session.call("Input.dispatchMouseEvent", moved).await?;
            }
            let has = "byTestId('control-tip').hasAttribute('data-picture')";
            Ok(player.session.wait_for(has, Duration::from_secs(3)).await.ok())
        })
        .await?;
        let colours = r#"(() => {
          const context = document.querySelector(".tip-picture").getContext("2d");
          const { data } = context.getImageData(0, 0, 160, 90);
          return new Set(new Uint32Array(data.buffer)).size;
        })()"#;
        let colours = player.session.evaluate(colours).await?;
        ensure!(
            colours.as_u64().is_some_and(|count| count > 100),
            "the picture has {colours} colours"
        );
        let at = player.playback().await?.current_time;
        ensure!(at < f64::from(SECONDS) / 2.0, "it was not played there");
        Ok(())
    };
    seen.await.with_context(|| scene.browser.report())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seek_bar_shows_pictures_of_unplayed_parts_of_a_matroska() -> Result<()> {
    picture_over_the_bar(
        &film("player.mkv", SECONDS, &[H264, &["-b:v", "1M", "-f", "matroska"]].concat()).await?,
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seek_bar_shows_pictures_of_unplayed_parts_of_an_mp4() -> Result<()> {
    let encoding = [H264, &["-b:v", "1M", "-movflags", "+faststart", "-f", "mp4"]].concat();
    picture_over_the_bar(&film("player.mp4", SECONDS, &encoding).await?).await
}

/// Makes a Matroska with subtitles in two languages. The subtitles begin at 2 s and at 30 s.
async fn titled(folder: &Path) -> Result<PathBuf> {
    let plain =
        film("player.mkv", SECONDS, &[H264, &["-b:v", "1M", "-f", "matroska"]].concat()).await?;
    let cues = |first: &str, second: &str| {
        format!(
            "1\n00:00:02,000 --> 00:00:09,000\n{first}\n\n\
             2\n00:00:30,000 --> 00:00:38,000\n{second}\n"
        )
    };
    std::fs::write(folder.join("en.srt"), cues("The first line", "The <i>second</i> line"))?;
    std::fs::write(folder.join("de.srt"), cues("Die erste Zeile", "Die zweite Zeile"))?;
    let path = folder.join("film.mkv");
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-i"]).arg(plain);
    for language in ["en", "de"] {
        command.arg("-i").arg(folder.join(format!("{language}.srt")));
    }
    command.args(["-map", "0", "-map", "1", "-map", "2", "-c", "copy", "-c:s", "srt"]);
    command.args(["-metadata:s:s:0", "language=eng", "-metadata:s:s:1", "language=ger"]).arg(&path);
    ensure!(command.status().await?.success(), "ffmpeg failed");
    Ok(path)
}

/// Waits until exactly these words are drawn over the film.
async fn drawn(player: &PlayerPage, words: &str) -> Result<()> {
    let script = "[...document.querySelectorAll('#subtitles [data-cue]')] \
                  .map((line) => line.innerText.trim()).join('|')";
    until(&format!("“{words}” on the screen"), LIMIT, || async {
        Ok((player.session.evaluate(script).await? == *words).then_some(()))
    })
    .await
}

/// Chooses the subtitle track whose entry in the menu has this word.
async fn choose_subtitles(player: &PlayerPage, words: &str) -> Result<()> {
    player.click("control-subtitles").await?;
    let entry = format!(
        "[...document.querySelectorAll('[role=menuitemradio]')] \
         .find((it) => it.innerText.includes({}))",
        json!(words)
    );
    player.click_on(&entry).await
}

#[tokio::test(flavor = "multi_thread")]
async fn subtitles_inside_and_beside_a_film_are_drawn_also_after_a_seek() -> Result<()> {
    let folder = Scratch::new("titled")?;
    let set = folder.dir("Titled")?;
    std::fs::rename(titled(folder.path()).await?, set.join("film.mkv"))?;
    std::fs::write(set.join("film.fr.srt"), "1\n00:00:01,000 --> 00:00:39,000\nDe côté\n")?;
    let film = Fixture::of_files(folder.path(), "Titled", ["film.mkv", "film.fr.srt"]);
    let fixture = film.seeded(Client::Libtorrent, FILM_RATE_BPS).build().await?;
    let scene = Scene::with(fixture, Options::default()).await?;
    let seen = async {
        let player = scene.play().await?;
        player.first_frame(LIMIT).await?;
        choose_subtitles(&player, "English").await?;
        player.seek(3.0, LIMIT).await?;
        drawn(&player, "The first line").await?;
        player.seek(31.0, LIMIT).await?;
        drawn(&player, "The second line").await?;
        choose_subtitles(&player, "German").await?;
        drawn(&player, "Die zweite Zeile").await?;
        choose_subtitles(&player, "French").await?;
        drawn(&player, "De côté").await?;
        player.seek(4.0, LIMIT).await?;
        drawn(&player, "De côté").await?;
        // The choice is remembered when the film is opened again.
        let again = scene.play().await?;
        again.first_frame(LIMIT).await?;
        drawn(&again, "De côté").await
    };
    seen.await.with_context(|| scene.browser.report())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_season_continues_with_the_next_episode_and_remembers_watched_ones() -> Result<()> {
    let folder = Scratch::new("season")?;
    let set = folder.dir("A season")?;
    let episode = film(
        "episode.mp4",
        8,
        &[H264, &["-b:v", "1M", "-movflags", "+faststart", "-f", "mp4"]].concat(),
    )
    .await?;
    // Their order in the torrent is not the natural one.
    let order = [3, 8, 1, 5, 2, 7, 4, 6];
    let names: Vec<String> = order.iter().map(|number| format!("Episode {number}.mp4")).collect();
    for name in &names {
        std::fs::copy(&episode, set.join(name))?;
    }
    let files = names.iter().map(String::as_str);
    let season = Fixture::of_files(folder.path(), "A season", files).seeded(Client::Libtorrent, 0);
    let scene = Scene::with(season.build().await?, Options::default()).await?;
    let index = |number: usize| order.iter().position(|it| *it == number).context("an episode");
    let seen = async {
        let list = &scene.app.session;
        let first = json!(index(1)?.to_string());
        list.wait_for(&format!("byTestId('play')?.dataset.index === {first}"), LIMIT).await?;
        let player =
            PlayerPage::open(&scene.browser, scene.info_hash(), u32::try_from(index(1)?)?).await?;
        player.first_frame(LIMIT).await?;
        player.seek(6.0, LIMIT).await?;
        player
            .session
            .wait_for("byTestId('next-play')", LIMIT)
            .await
            .context("the card with the next episode")?;
        player.session.click("next-play").await?;
        player
            .session
            .wait_for(
                "document.title === 'Episode 2.mp4' && byTestId('video').currentTime > 1",
                LIMIT,
            )
            .await?;
        let address = player.session.evaluate("location.search").await?;
        ensure!(
            address == json!(format!("?torrent={}&file={}", scene.info_hash(), index(2)?)),
            "{address}"
        );
        // The key does the same.
        player.press(Key::Character('n')).await?;
        player
            .session
            .wait_for(
                "document.title === 'Episode 3.mp4' && byTestId('video').currentTime > 1",
                LIMIT,
            )
            .await?;
        player.session.evaluate("byTestId('video').pause()").await?;
        marks(&scene, index(1)?, index(3)?).await?;
        let notes = scene.browser.state().join("notes/notes.json");
        let mark = format!("film/{}/{}", scene.info_hash(), index(3)?);
        until("the mark to be on disk", LIMIT, || async {
            let text = std::fs::read_to_string(&notes).unwrap_or_default();
            Ok(text.contains(&mark).then_some(()))
        })
        .await?;
        // A new engine remembers it.
        scene.browser.offscreen().await?.evaluate("engineWorker.terminate()").await?;
        scene.app.session.call("Page.reload", json!({})).await?;
        marks(&scene, index(1)?, index(3)?).await
    };
    seen.await.with_context(|| scene.browser.report())
}

/// Waits until the list marks one episode as watched and resumes another.
async fn marks(scene: &Scene, watched: usize, resumed: usize) -> Result<()> {
    let list = AppPage { session: scene.app.session.clone() };
    let open = "document.querySelector('[data-testid=torrent]')?.dataset.open !== undefined";
    list.session.wait_for("document.querySelector('[data-testid=torrent]')", LIMIT).await?;
    if list.session.evaluate(open).await? != Value::Bool(true) {
        list.session.click("toggle").await?;
    }
    let file = |index: usize| {
        format!("document.querySelector('[data-testid=file][data-index=\"{index}\"]')")
    };
    let tick = format!(
        "{}?.querySelector('[data-testid=watched]')?.getAttribute('aria-pressed') === 'true'",
        file(watched)
    );
    list.session.wait_for(&tick, LIMIT).await.context("the tick of what was watched")?;
    let big = format!("document.querySelector('.lead-play')?.dataset.index === '{resumed}'");
    list.session.wait_for(&big, LIMIT).await.context("the big button resumes")
}
