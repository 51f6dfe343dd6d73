//! A torrent that stops during playback: the player says why, and plays on when it resumes.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::Options;
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::media::{self, H264};
use jstorrent_tests::mounts::{Disk, within};
use jstorrent_tests::pages::PlayerPage;
use jstorrent_tests::scene::Scene;
use jstorrent_tests::swarm::Client;
use jstorrent_tests::workspace::{Scratch, target};

const SECONDS: u32 = 60;
/// Rate of the seeder. The film takes half a minute to download, so it is incomplete at every stop
/// here.
const RATE_BPS: u64 = 256 << 10;
/// Longer than the player's pause between two attempts.
const PATIENCE: Duration = Duration::from_secs(90);

/// A film of about 7 MB.
async fn film() -> Result<PathBuf> {
    let path = target().join("test-media").join("stopped.mp4");
    if !path.exists() {
        let picture = "testsrc2=size=320x180:rate=24,noise=alls=14:allf=t";
        media::make(
            &path,
            SECONDS,
            picture,
            &[H264, &["-b:v", "1M", "-movflags", "+faststart", "-f", "mp4"]].concat(),
        )
        .await?;
    }
    Ok(path)
}

async fn scene(options: Options) -> Result<Scene> {
    let film = Fixture::of_file(&film().await?).seeded(Client::Libtorrent, RATE_BPS);
    Scene::with(film.build().await?, options).await
}

/// Waits until the player shows this sentence.
async fn says(player: &PlayerPage, words: &str) -> Result<()> {
    let script = "document.querySelector('[data-testid=player-status]')?.innerText ?? ''";
    let last = std::sync::Mutex::new(String::new());
    let seen = &last;
    until(&format!("the player to say “{words}”"), LIMIT, || async move {
        let said = player.session.evaluate(script).await?.as_str().unwrap_or_default().to_owned();
        seen.lock().expect("nobody panics while holding it").clone_from(&said);
        Ok(said.contains(words).then_some(()))
    })
    .await
    .with_context(|| format!("it says {last:?}"))
}

/// Waits until the film plays on from about here.
async fn runs_on_from(player: &PlayerPage, at_s: f64, limit: Duration) -> Result<()> {
    let script = format!(
        "(({{ error, currentTime }}) => \
         !error && currentTime > {at_s} + 1 && currentTime < {at_s} + 20)(byTestId('video'))"
    );
    player.session.wait_for(&script, limit).await
}

#[tokio::test(flavor = "multi_thread")]
async fn playing_a_film_resumes_its_paused_torrent() -> Result<()> {
    let scene = scene(Options::default()).await?;
    let watched = async {
        scene.app.session.wait_for("document.querySelector('[data-testid=pause]')", LIMIT).await?;
        scene.app.click("pause").await?;
        scene.torrent_when("it to be paused", |torrent| torrent.state == "paused").await?;
        let player = scene.play().await?;
        player.first_frame(LIMIT).await?;
        scene.torrent_when("it to go on", |torrent| torrent.state == "downloading").await?;
        player.plays_on(0.5, LIMIT).await?;

        scene.is_incomplete().await?;
        scene.app.click("pause").await?;
        scene.torrent_when("it to be paused again", |torrent| torrent.state == "paused").await?;
        // Chrome pauses a silent film in a hidden tab, and the click brought the list to the front.
        player.bring_to_front().await?;
        says(&player, "Paused. Resume to keep watching").await?;
        // The missing part can't be played now, but the player must not call the film damaged.
        player.session.evaluate("byTestId('video').currentTime = 40").await?;
        player.session.wait_for("byTestId('video').readyState < 3", LIMIT).await?;
        player
            .session
            .wait_for("byTestId('video').error || byTestId('video').seeking", LIMIT)
            .await?;
        says(&player, "Paused. Resume to keep watching").await?;
        player.click("status-action").await?;
        runs_on_from(&player, 40.0, LIMIT).await
    };
    watched.await.with_context(|| scene.browser.report())
}

#[test]
fn a_film_plays_on_when_a_full_disk_has_room_again() -> Result<()> {
    within(async {
        let scratch = Scratch::new("full")?;
        let folder = scratch.dir("downloads")?;
        let disk = Disk::mount(&folder, "size=3m").await?;
        let daemon_env = vec![("JSTORRENT_DOWNLOADS", folder.display().to_string())];
        let scene = scene(Options { daemon_env, ..Options::default() }).await?;
        let watched = async {
            let player = scene.play().await?;
            player.first_frame(LIMIT).await?;
            player.session.evaluate("byTestId('video').currentTime = 35").await?;
            says(&player, "Free some space; it continues automatically").await?;
            // The player does not call the film damaged, however long this takes.
            player.session.wait_for("byTestId('video').readyState < 3", LIMIT).await?;
            let stopped = scene.torrent().await?;
            ensure!(stopped.verified < stopped.length, "{stopped:?}");
            disk.change("size=64m").await?;
            runs_on_from(&player, 35.0, PATIENCE).await
        };
        watched.await.with_context(|| scene.browser.report())
    })
}
