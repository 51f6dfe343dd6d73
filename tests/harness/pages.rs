//! The extension's list of torrents, and the engine's views on pages.

use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use serde::Deserialize;
use serde_json::json;

use crate::browser::{Browser, extension_url};
use crate::cdp::Session;
use crate::clock::until;
use crate::page::Page;
pub use crate::player::{Playback, PlayerPage};

/// Presses *Download* in the sheet of each torrent that is added.
const DECIDE: &str = r#"globalThis.deciding ??= setInterval(() => {
  const button = byTestId("adding-download");
  if (button && button.closest("dialog")?.open && !button.disabled) button.click();
}, 50)"#;

pub(crate) const PAGE_LIMIT: Duration = Duration::from_secs(20);

/// The engine's view of a torrent.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TorrentSnapshot {
    /// 40 hex digits.
    pub info_hash: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: String,
    /// A sentence about its trouble.
    pub message: Option<String>,
    /// Bytes in all.
    pub length: u64,
    /// Bytes verified.
    pub verified: u64,
    /// Share of a check that is done.
    pub check_progress: Option<f64>,
    /// The path of its file or folder below the download folder.
    pub lies_at: String,
    /// Bytes of payload received.
    pub downloaded: u64,
    /// Useless bytes of payload.
    pub wasted: u64,
    /// Payload per second.
    pub down_rate_bps: u64,
    /// Peers connected.
    pub peers: u32,
    /// Its files.
    pub files: Vec<FileSnapshot>,
}

/// The engine's view of a file.
#[derive(Clone, Debug, Deserialize)]
pub struct FileSnapshot {
    /// Its index in the torrent.
    pub index: u32,
    /// Its path in the torrent.
    pub path: String,
    /// Length, bytes.
    pub length: u64,
    /// Whether a browser can play it.
    pub playable: bool,
    /// Bytes verified.
    pub verified: u64,
    /// Its priority.
    pub priority: String,
    /// Its URL, below the daemon's base URL.
    pub url: String,
}

pub(crate) async fn prepare(session: Session) -> Result<Page> {
    // The first call of `snapshot` makes the page follow every topic.
    session
        .wait_for(
            "globalThis.jstorrent && (jstorrent.snapshot(), document.readyState === 'complete')",
            PAGE_LIMIT,
        )
        .await?;
    Page::of(session).await
}

async fn torrents(session: &Session) -> Result<Vec<TorrentSnapshot>> {
    Ok(serde_json::from_value(
        session.evaluate("jstorrent.snapshot()?.snapshot?.torrents ?? []").await?,
    )?)
}

/// The engine's view of a torrent, read on any page.
///
/// # Errors
/// The page is gone.
pub async fn torrent(session: &Session, info_hash: &str) -> Result<Option<TorrentSnapshot>> {
    Ok(torrents(session).await?.into_iter().find(|t| t.info_hash == info_hash))
}

/// The list of torrents.
#[derive(Clone, Debug)]
pub struct AppPage {
    /// The page itself.
    pub session: Page,
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

    /// A server's page, once it is connected.
    ///
    /// # Errors
    /// It is not in time.
    pub async fn served(session: Session) -> Result<Self> {
        session.wait_for("document.querySelector('[data-state=connected]')", PAGE_LIMIT).await?;
        Ok(Self { session: Page::of(session).await? })
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
              const type = "application/x-bittorrent";
              dataTransfer.items.add(new File([bytes], {name}, {{ type }}));
              const how = {{ dataTransfer, bubbles: true, cancelable: true, composed: true }};
              for (const type of ["dragenter", "dragover", "drop"])
                byTestId("drop-zone").dispatchEvent(
                  new DragEvent(type, how));
            }})()"#,
            name = json!(name),
        );
        self.session.evaluate(&script).await.map(drop)
    }

    /// Types a link into the page's field for links, and adds it.
    ///
    /// # Errors
    /// There is no such field.
    pub async fn add_link(&self, link: &str) -> Result<()> {
        self.click("add-link").await?;
        self.wait_for("document.activeElement === byTestId('link-input')", PAGE_LIMIT).await?;
        self.call("Input.insertText", json!({ "text": link })).await?;
        self.click("link-add").await
    }

    /// Presses *Download* in the sheet of a torrent that was just added.
    ///
    /// # Errors
    /// There is no sheet in time.
    pub async fn download(&self) -> Result<()> {
        self.click("adding-download").await
    }

    /// Lets a script press *Download* for every added torrent, for benchmarks and the demo.
    ///
    /// # Errors
    /// The page is gone.
    pub async fn download_all(&self) -> Result<()> {
        self.evaluate(DECIDE).await.map(drop)
    }

    /// Pastes a text on the page, outside its fields.
    ///
    /// # Errors
    /// The page is gone.
    pub async fn paste(&self, text: &str) -> Result<()> {
        let script = format!(
            r#"(() => {{
              const clipboardData = new DataTransfer();
              clipboardData.setData("text/plain", {text});
              const how = {{ clipboardData, bubbles: true, cancelable: true }};
              document.body.dispatchEvent(new ClipboardEvent("paste", how));
            }})()"#,
            text = json!(text),
        );
        self.session.evaluate(&script).await.map(drop)
    }

    /// The list in the only tab that shows it, opened by the extension.
    ///
    /// # Errors
    /// None opens in time.
    pub async fn opened(browser: &Browser) -> Result<Self> {
        let target =
            browser.cdp().wait_target("page", &extension_url("app.html"), PAGE_LIMIT).await?;
        let session = browser.cdp().attach(&target.id).await?;
        Ok(Self { session: prepare(session).await.with_context(|| browser.report())? })
    }

    /// The engine's view of all torrents, newest first.
    ///
    /// # Errors
    /// The page is gone.
    pub async fn torrents(&self) -> Result<Vec<TorrentSnapshot>> {
        torrents(&self.session).await
    }

    /// The engine's view of a torrent now.
    ///
    /// # Errors
    /// The page is gone.
    pub async fn torrent(&self, info_hash: &str) -> Result<Option<TorrentSnapshot>> {
        torrent(&self.session, info_hash).await
    }

    /// The engine's view of a torrent, as soon as `is_so` holds.
    ///
    /// # Errors
    /// `is_so` did not hold in time; the message has the last view.
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

    /// The daemon's base URL, as the engine published it.
    ///
    /// # Errors
    /// The engine is not linked.
    pub(crate) async fn base_url(&self) -> Result<String> {
        let value = self.session.evaluate("jstorrent.snapshot().link.baseUrl").await?;
        Ok(value.as_str().context("a base URL")?.to_owned())
    }
}

impl Deref for AppPage {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.session
    }
}
