//! The player page with a film.

use std::ops::Deref;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::browser::Browser;
use crate::cdp::Session;
use crate::clock::until;
use crate::page::Page;
use crate::pages::{PAGE_LIMIT, TorrentSnapshot, prepare, torrent};

/// Plays the film without sound.
const PLAY: &str = r#"(() => {
  const video = byTestId("video");
  video.muted = true;
  video.play().catch(() => {});
})()"#;

/// What the `<video>` is doing, as [`Playback`].
const PLAYBACK: &str = r#"(() => {
  const video = byTestId("video");
  return {
    currentTime: video.currentTime,
    duration: Number.isFinite(video.duration) ? video.duration : null,
    frames: video.getVideoPlaybackQuality().totalVideoFrames,
    readyState: video.readyState,
    paused: video.paused,
    error: video.error && `${video.error.code} ${video.error.message}`,
  };
})()"#;

/// The end of the buffered range around the present position, seconds.
const BUFFERED: &str = r#"(() => {
  const { buffered, currentTime } = byTestId("video");
  for (let at = 0; at < buffered.length; at++) {
    const isHere = buffered.start(at) <= currentTime && currentTime <= buffered.end(at);
    if (isHere) return buffered.end(at);
  }
  return null;
})()"#;

/// Seeks, and notes when the browser has done so.
const SEEK: &str = r#"((to) => {
  const video = byTestId("video");
  globalThis.seeked = false;
  video.addEventListener("seeked", () => { globalThis.seeked = true }, { once: true });
  video.currentTime = to;
  video.play().catch(() => {});
})"#;

/// Unmutes the film and analyses its sound.
const LISTEN: &str = r#"(() => {
  if (globalThis.analyser) return;
  const video = byTestId("video");
  video.muted = false;
  video.volume = 1;
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 8192 });
  const source = { mediaStream: video.captureStream() };
  new MediaStreamAudioSourceNode(context, source).connect(analyser);
  void context.resume();
  video.play().catch(() => {});
  globalThis.analyser = analyser;
})()"#;

/// The largest sample of the last 8,192.
const LOUDEST: &str = r#"(() => {
  const samples = new Float32Array(8192);
  analyser.getFloatTimeDomainData(samples);
  return samples.reduce((most, it) => Math.max(most, Math.abs(it)), 0);
})()"#;

/// What a `<video>` is doing.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Playback {
    /// The position, seconds.
    pub current_time: f64,
    /// Its length, seconds.
    pub duration: Option<f64>,
    /// Frames shown so far.
    pub frames: u64,
    /// `HTMLMediaElement.readyState`
    pub ready_state: u8,
    /// Whether it is paused.
    pub paused: bool,
    /// What is wrong, if anything.
    pub error: Option<String>,
}

/// The player with one film.
#[derive(Clone, Debug)]
pub struct PlayerPage {
    /// The page itself.
    pub session: Page,
}

impl PlayerPage {
    /// Opens it and presses play, without sound.
    ///
    /// # Errors
    /// It does not load.
    pub async fn open(browser: &Browser, info_hash: &str, file_index: u32) -> Result<Self> {
        let session =
            browser.open(&format!("player.html?torrent={info_hash}&file={file_index}")).await?;
        let session = prepare(session).await.with_context(|| browser.report())?;
        session
            .wait_for(
                "(({ src, currentSrc, srcObject }) => src || currentSrc || srcObject) \
                 (byTestId('video'))",
                PAGE_LIMIT,
            )
            .await?;
        session.evaluate(PLAY).await?;
        Ok(Self { session })
    }

    /// The player to which a server's list led; it plays without sound.
    ///
    /// # Errors
    /// It does not open.
    pub async fn served(session: Session) -> Result<Self> {
        session
            .wait_for("document.querySelector('[data-testid=video]')?.currentSrc", PAGE_LIMIT)
            .await?;
        let session = Page::of(session).await?;
        session.evaluate(PLAY).await?;
        Ok(Self { session })
    }

    /// What the `<video>` is doing now.
    ///
    /// # Errors
    /// The page is gone.
    pub async fn playback(&self) -> Result<Playback> {
        Ok(serde_json::from_value(self.session.evaluate(PLAYBACK).await?)?)
    }

    /// Waits until a picture is on the screen; returns how long that took.
    ///
    /// # Errors
    /// There is none in time, or the `<video>` gave up.
    pub async fn first_frame(&self, limit: Duration) -> Result<Duration> {
        let start = Instant::now();
        self.playback_when("the first frame", limit, |p| p.frames > 0 && p.ready_state >= 2)
            .await?;
        Ok(start.elapsed())
    }

    /// Waits until the position is this many seconds further.
    ///
    /// # Errors
    /// It stands still, or the `<video>` gave up.
    pub async fn plays_on(&self, seconds: f64, limit: Duration) -> Result<()> {
        let from = self.playback().await?.current_time;
        self.playback_when(&format!("{seconds} s more of film"), limit, |p| {
            p.current_time >= from + seconds
        })
        .await?;
        Ok(())
    }

    /// The end of what the browser has buffered from the present position on, seconds.
    ///
    /// # Errors
    /// The page is gone, or has nothing there.
    pub async fn buffered_until(&self) -> Result<f64> {
        self.session.evaluate(BUFFERED).await?.as_f64().context("nothing is buffered")
    }

    /// Waits until the position is at least this many seconds.
    ///
    /// # Errors
    /// It stands still, or the `<video>` gave up.
    pub async fn plays_to(&self, seconds: f64, limit: Duration) -> Result<()> {
        let what = format!("the film to come to {seconds} s");
        self.playback_when(&what, limit, |p| p.current_time >= seconds).await.map(drop)
    }

    /// Seeks and waits until the film plays on. Returns how long the first picture took.
    ///
    /// # Errors
    /// It does not in time, or the `<video>` gave up.
    pub async fn seek(&self, to_s: f64, limit: Duration) -> Result<Duration> {
        let start = Instant::now();
        self.session.evaluate(&format!("{SEEK}({to_s})")).await?;
        let what = format!("the picture at {to_s} s");
        until(&what, limit, || async {
            let playback = self.alive().await?;
            Ok((self.session.evaluate("globalThis.seeked").await? == Value::Bool(true)
                && playback.ready_state >= 2)
                .then_some(()))
        })
        .await?;
        let took = start.elapsed();
        let end = self.playback().await?;
        ensure!(
            (end.current_time - to_s).abs() < 5.0,
            "sought {to_s} s and is at {} s",
            end.current_time
        );
        self.plays_on(0.5, limit).await?;
        Ok(took)
    }

    /// Unmutes the film and returns its loudest sample, 0 to 1. Waits until the film is not silent.
    ///
    /// # Errors
    /// The page is gone, or it is silent for too long.
    pub async fn loudness(&self, limit: Duration) -> Result<f64> {
        self.session.evaluate(LISTEN).await?;
        until("a sound", limit, || async {
            self.alive().await?;
            let loudest = self.session.evaluate(LOUDEST).await?.as_f64().unwrap_or(0.0);
            Ok((loudest > 0.001).then_some(loudest))
        })
        .await
    }

    /// The engine's view of a torrent now.
    ///
    /// # Errors
    /// The page is gone.
    pub async fn torrent(&self, info_hash: &str) -> Result<Option<TorrentSnapshot>> {
        torrent(&self.session, info_hash).await
    }

    async fn alive(&self) -> Result<Playback> {
        let playback = self.playback().await?;
        if let Some(error) = &playback.error {
            anyhow::bail!("the video gave up: {error}");
        }
        Ok(playback)
    }

    async fn playback_when(
        &self,
        what: &str,
        limit: Duration,
        is_so: impl Fn(&Playback) -> bool,
    ) -> Result<Playback> {
        let last = std::sync::Mutex::new(None);
        let (seen, is_so) = (&last, &is_so);
        until(what, limit, || async move {
            let playback = self.alive().await?;
            *seen.lock().expect("nobody panics while holding it") = Some(playback.clone());
            Ok(Some(playback).filter(is_so))
        })
        .await
        .with_context(|| format!("last seen: {last:?}"))
    }
}

impl Deref for PlayerPage {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.session
    }
}
