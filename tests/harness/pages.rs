//! The extension's pages as a person uses them, by their test ids.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::browser::{Browser, extension_url};
use crate::cdp::Session;
use crate::clock::until;

/// Finds an element by its test id, also inside shadow roots.
const FIND: &str = r#"(() => {
  const find = (root, id) => {
    const hit = root.querySelector(`[data-testid="${id}"]`);
    if (hit) return hit;
    for (const element of root.querySelectorAll("*")) {
      const inner = element.shadowRoot && find(element.shadowRoot, id);
      if (inner) return inner;
    }
    return null;
  };
  globalThis.byTestId = (id) => find(document, id);
})()"#;

/// Presses *Download* in the sheet of each torrent that is added, as a person does who wants all of
/// it; not while a test sets `decidesItself`.
const DECIDE: &str = r#"globalThis.deciding ??= setInterval(() => {
  const button = globalThis.decidesItself ? null : byTestId("adding-download");
  if (button && button.closest("dialog")?.open && !button.disabled) button.click();
}, 50)"#;

const PAGE_LIMIT: Duration = Duration::from_secs(20);

/// What the engine says of a torrent.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TorrentSnapshot {
    /// 40 hex digits.
    pub info_hash: String,
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: String,
    /// Plain words about trouble.
    pub message: Option<String>,
    /// Bytes in all.
    pub length: u64,
    /// Bytes verified.
    pub verified: u64,
    /// How much of what is to be hashed is hashed.
    pub check_progress: Option<f64>,
    /// The path of its file or folder below the folder that it lies in.
    pub lies_at: String,
    /// Bytes of payload received.
    pub downloaded: u64,
    /// Bytes of payload that were of no use.
    pub wasted: u64,
    /// Payload per second.
    pub down_rate_bps: u64,
    /// Peers connected.
    pub peers: u32,
    /// Its files.
    pub files: Vec<FileSnapshot>,
}

/// What the engine says of a file.
#[derive(Clone, Debug, Deserialize)]
pub struct FileSnapshot {
    /// Its place in the torrent's list of files.
    pub index: u32,
    /// Its path in the torrent.
    pub path: String,
    /// Length, bytes.
    pub length: u64,
    /// Whether a browser's player takes it.
    pub playable: bool,
    /// Bytes verified.
    pub verified: u64,
    /// How much it is wanted.
    pub priority: String,
    /// Where it is served, below the daemon's base URL.
    pub url: String,
}

async fn prepare(session: Session) -> Result<Session> {
    // The first call makes the page follow everything.
    session
        .wait_for(
            "globalThis.jstorrent && (jstorrent.snapshot(), document.readyState === 'complete')",
            PAGE_LIMIT,
        )
        .await?;
    session.evaluate(FIND).await?;
    session.evaluate(DECIDE).await?;
    Ok(session)
}

async fn torrents(session: &Session) -> Result<Vec<TorrentSnapshot>> {
    Ok(serde_json::from_value(
        session.evaluate("jstorrent.snapshot()?.snapshot?.torrents ?? []").await?,
    )?)
}

async fn torrent(session: &Session, info_hash: &str) -> Result<Option<TorrentSnapshot>> {
    Ok(torrents(session).await?.into_iter().find(|t| t.info_hash == info_hash))
}

/// The list of torrents.
#[derive(Clone, Debug)]
pub struct AppPage {
    /// The page itself.
    pub session: Session,
}

impl AppPage {
    /// Opens it.
    ///
    /// # Errors
    /// It does not load.
    pub async fn open(browser: &Browser) -> Result<Self> {
        let session = browser.open("app.html").await?;
        Ok(Self { session: prepare(session).await.with_context(|| browser.report())? })
    }

    /// The page of a server, once it is linked with it.
    ///
    /// # Errors
    /// It is not in time.
    pub async fn served(session: Session) -> Result<Self> {
        session.wait_for("document.querySelector('[data-state=connected]')", PAGE_LIMIT).await?;
        session.evaluate(FIND).await?;
        session.evaluate(DECIDE).await?;
        Ok(Self { session })
    }

    /// Waits until the engine is linked with the daemon.
    ///
    /// # Errors
    /// It is not in time.
    pub async fn linked(&self) -> Result<()> {
        self.session.wait_for("jstorrent.snapshot()?.link?.kind === 'connected'", PAGE_LIMIT).await
    }

    /// Adds a `.torrent` file through the file input.
    ///
    /// # Errors
    /// There is no such input.
    pub async fn choose(&self, file: &Path) -> Result<()> {
        self.session.wait_for("byTestId('file-input')", PAGE_LIMIT).await?;
        let input = json!({ "expression": "byTestId('file-input')" });
        let found = self.session.call("Runtime.evaluate", input).await?;
        let object = found["result"]["objectId"].as_str().context("a file input")?;
        self.session
            .call("DOM.setFileInputFiles", json!({ "files": [file], "objectId": object }))
            .await?;
        Ok(())
    }

    /// Adds a `.torrent` file by dropping it on the page.
    ///
    /// # Errors
    /// There is no drop zone.
    pub async fn drop_file(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.session.wait_for("byTestId('drop-zone')", PAGE_LIMIT).await?;
        let data = base64::engine::general_purpose::STANDARD.encode(bytes);
        let script = format!(
            r#"(() => {{
              const bytes = Uint8Array.from(atob("{data}"), (c) => c.charCodeAt(0));
              const dataTransfer = new DataTransfer();
              dataTransfer.items.add(new File([bytes], {name}, {{ type: "application/x-bittorrent" }}));
              for (const type of ["dragenter", "dragover", "drop"])
                byTestId("drop-zone").dispatchEvent(
                  new DragEvent(type, {{ dataTransfer, bubbles: true, cancelable: true, composed: true }}));
            }})()"#,
            name = json!(name),
        );
        self.session.evaluate(&script).await.map(drop)
    }

    /// Types a link into the field that the page shows for it, and adds it.
    ///
    /// # Errors
    /// There is no such field.
    pub async fn add_link(&self, link: &str) -> Result<()> {
        self.session.wait_for("byTestId('add-link')", PAGE_LIMIT).await?;
        self.session.evaluate("byTestId('add-link').click()").await?;
        self.session
            .wait_for("document.activeElement === byTestId('link-input')", PAGE_LIMIT)
            .await?;
        self.session.call("Input.insertText", json!({ "text": link })).await?;
        self.session.evaluate("byTestId('link-add').click()").await.map(drop)
    }

    /// Pastes a text on the page, beside its fields.
    ///
    /// # Errors
    /// The page is gone.
    pub async fn paste(&self, text: &str) -> Result<()> {
        let script = format!(
            r#"(() => {{
              const clipboardData = new DataTransfer();
              clipboardData.setData("text/plain", {text});
              document.body.dispatchEvent(new ClipboardEvent("paste", {{ clipboardData, bubbles: true, cancelable: true }}));
            }})()"#,
            text = json!(text),
        );
        self.session.evaluate(&script).await.map(drop)
    }

    /// The app page in the only tab that has it, opened by the extension itself.
    ///
    /// # Errors
    /// None opens in time.
    pub async fn opened(browser: &Browser) -> Result<Self> {
        let target =
            browser.cdp().wait_target("page", &extension_url("app.html"), PAGE_LIMIT).await?;
        let session = browser.cdp().attach(&target.id).await?;
        Ok(Self { session: prepare(session).await.with_context(|| browser.report())? })
    }

    /// What the engine says of all torrents, newest first.
    ///
    /// # Errors
    /// The page is gone.
    pub async fn torrents(&self) -> Result<Vec<TorrentSnapshot>> {
        torrents(&self.session).await
    }

    /// What the engine says of a torrent now.
    ///
    /// # Errors
    /// The page is gone.
    pub async fn torrent(&self, info_hash: &str) -> Result<Option<TorrentSnapshot>> {
        torrent(&self.session, info_hash).await
    }

    /// What the engine says of a torrent, as soon as `is_so` holds for it.
    ///
    /// # Errors
    /// It was not so in time; the last state is in the message.
    pub async fn torrent_when(
        &self,
        info_hash: &str,
        what: &str,
        limit: Duration,
        is_so: impl Fn(&TorrentSnapshot) -> bool,
    ) -> Result<TorrentSnapshot> {
        let last = std::sync::Mutex::new(None);
        let (seen, is_so) = (&last, &is_so);
        until(what, limit, || async move {
            let torrent = self.torrent(info_hash).await?;
            let hit = torrent.clone().filter(is_so);
            *seen.lock().expect("nobody panics while holding it") = torrent;
            Ok(hit)
        })
        .await
        .with_context(|| format!("last seen: {last:?}"))
    }

    /// What the page shows, as text, for the report of a failure.
    pub async fn shows(&self) -> String {
        let text = self.session.evaluate("document.body.innerText").await.unwrap_or_default();
        format!("the page shows:\n{}", text.as_str().unwrap_or_default())
    }

    /// The base URL of the daemon, as the engine published it.
    ///
    /// # Errors
    /// The engine is not linked.
    pub async fn base_url(&self) -> Result<String> {
        let value = self.session.evaluate("jstorrent.snapshot().link.baseUrl").await?;
        Ok(value.as_str().context("a base URL")?.to_owned())
    }

    /// The text of an element.
    ///
    /// # Errors
    /// There is none in time.
    pub async fn text_of(&self, test_id: &str) -> Result<String> {
        self.session.wait_for(&format!("byTestId('{test_id}')"), PAGE_LIMIT).await?;
        let value =
            self.session.evaluate(&format!("byTestId('{test_id}').textContent.trim()")).await?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }
}

/// What a `<video>` is doing.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Playback {
    /// Where it is, seconds.
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
    pub session: Session,
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
                "byTestId('video')?.src || byTestId('video')?.currentSrc || byTestId('video')?.srcObject",
                PAGE_LIMIT,
            )
            .await?;
        session.evaluate("(() => { const v = byTestId('video'); v.muted = true; v.play().catch(() => {}) })()").await?;
        Ok(Self { session })
    }

    /// The player to which the list of a server led, which plays without sound.
    ///
    /// # Errors
    /// It does not open.
    pub async fn served(session: Session) -> Result<Self> {
        session
            .wait_for("document.querySelector('[data-testid=video]')?.currentSrc", PAGE_LIMIT)
            .await?;
        session.evaluate(FIND).await?;
        session.evaluate("(() => { const v = byTestId('video'); v.muted = true; v.play().catch(() => {}) })()").await?;
        Ok(Self { session })
    }

    /// What the `<video>` is doing now.
    ///
    /// # Errors
    /// The page is gone.
    pub async fn playback(&self) -> Result<Playback> {
        let script = "(() => { const v = byTestId('video'); return { currentTime: v.currentTime, \
             duration: Number.isFinite(v.duration) ? v.duration : null, frames: v.getVideoPlaybackQuality().totalVideoFrames, \
             readyState: v.readyState, paused: v.paused, error: v.error && `${v.error.code} ${v.error.message}` } })()";
        Ok(serde_json::from_value(self.session.evaluate(script).await?)?)
    }

    /// Waits until a picture is on the screen; how long that took from now.
    ///
    /// # Errors
    /// There is none in time, or the `<video>` gave up.
    pub async fn first_frame(&self, limit: Duration) -> Result<Duration> {
        let start = Instant::now();
        self.playback_when("the first frame", limit, |p| p.frames > 0 && p.ready_state >= 2)
            .await?;
        Ok(start.elapsed())
    }

    /// Waits until the film has run on for so many seconds of its own time.
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

    /// Seeks and waits until the film runs on from there; how long it took to show the first
    /// picture.
    ///
    /// # Errors
    /// It does not in time, or the `<video>` gave up.
    pub async fn seek(&self, to_s: f64, limit: Duration) -> Result<Duration> {
        let start = Instant::now();
        self.session
            .evaluate(&format!(
                "(() => {{ const v = byTestId('video'); globalThis.seeked = false; \
                 v.addEventListener('seeked', () => {{ globalThis.seeked = true }}, {{ once: true }}); \
                 v.currentTime = {to_s}; v.play().catch(() => {{}}) }})()"
            ))
            .await?;
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

    /// The largest sample of what the film sounds like, 0 to 1, as soon as it is not silence. The
    /// `<video>` is unmuted for it.
    ///
    /// # Errors
    /// The page is gone, or it is silent for too long.
    pub async fn loudness(&self, limit: Duration) -> Result<f64> {
        let begin = "(() => { if (globalThis.analyser) return; const v = byTestId('video'); v.muted = false; v.volume = 1; \
             const context = new AudioContext(); const analyser = new AnalyserNode(context, { fftSize: 8192 }); \
             new MediaStreamAudioSourceNode(context, { mediaStream: v.captureStream() }).connect(analyser); \
             void context.resume(); v.play().catch(() => {}); globalThis.analyser = analyser })()";
        self.session.evaluate(begin).await?;
        let measure = "(() => { const samples = new Float32Array(8192); analyser.getFloatTimeDomainData(samples); \
             return samples.reduce((most, it) => Math.max(most, Math.abs(it)), 0) })()";
        until("a sound", limit, || async {
            self.alive().await?;
            let loudest = self.session.evaluate(measure).await?.as_f64().unwrap_or(0.0);
            Ok((loudest > 0.001).then_some(loudest))
        })
        .await
    }

    /// What the engine says of a torrent now.
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
