//! `jstorrent serve`, used over HTTP alone.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::process::Command;

use crate::clock::{LIMIT, until};
use crate::terminal::{Terminal, output};

/// A running server; dropping it kills it and its daemon.
#[derive(Debug)]
pub struct Server {
    /// The process.
    pub terminal: Terminal,
    /// Its address, with a slash at the end.
    pub base: String,
    /// The token that calls need; empty when they need none.
    pub token: String,
}

impl Server {
    /// Starts a server on a free port, with its state and downloads here.
    ///
    /// # Errors
    /// It was not built, or does not come up.
    pub async fn start(state: &Path, dir: &Path, further: &[&str]) -> Result<Self> {
        Self::start_with(state, dir, further, &[]).await
    }

    /// As `start`, with further environment variables.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start_with(
        state: &Path,
        dir: &Path,
        further: &[&str],
        environment: &[(&str, &OsStr)],
    ) -> Result<Self> {
        let dir = dir.to_str().context("a plain name")?;
        let args = ["serve", "--listen", "127.0.0.1:0", "--dir", dir]
            .into_iter()
            .chain(further.iter().copied());
        let mut terminal = Terminal::start_with(state, args, environment)?;
        let ready = terminal.event("the address", |event| event["event"] == "ready").await?;
        let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
        Ok(Self { terminal, base: text("base"), token: text("token") })
    }

    /// Lets curl fetch a path with the token; returns status and body.
    ///
    /// # Errors
    /// As [`curl`].
    pub async fn curl(&self, path: &str, options: &[&str]) -> Result<(u16, String)> {
        let authorization = format!("Authorization: Bearer {}", self.token);
        let options: Vec<&str> =
            ["-H", &authorization].into_iter().chain(options.iter().copied()).collect();
        curl(&format!("{}{path}", self.base), &options).await
    }

    /// The JSON at a path.
    ///
    /// # Errors
    /// The status is not 200.
    pub async fn json(&self, path: &str, options: &[&str]) -> Result<Value> {
        let (status, body) = self.curl(path, options).await?;
        ensure!(status == 200, "{path}: {status} {body}");
        Ok(serde_json::from_str(&body)?)
    }

    /// Adds a magnet link with a GET of `add/…`; returns the answer.
    ///
    /// # Errors
    /// The server refuses the link, or gets no metadata.
    pub async fn add(&self, magnet: &str) -> Result<Value> {
        self.json(&format!("add/{}", encoded(magnet)), &[]).await
    }

    /// Adds a `.torrent` file.
    ///
    /// # Errors
    /// It is refused.
    pub async fn add_file(&self, file: &Path, query: &str) -> Result<Value> {
        let body = format!("@{}", file.display());
        let post = ["-H", "Content-Type: application/x-bittorrent", "--data-binary", &body];
        self.json(&format!("add{query}"), &post).await
    }

    /// Adds a magnet link as JSON; returns status and answer.
    ///
    /// # Errors
    /// As [`curl`].
    pub async fn post(&self, body: &Value) -> Result<(u16, Value)> {
        let body = body.to_string();
        let (status, answer) =
            self.curl("add", &["-H", "Content-Type: application/json", "-d", &body]).await?;
        Ok((status, serde_json::from_str(&answer).with_context(|| format!("not JSON: {answer}"))?))
    }

    /// Returns the verified bytes, once they are at least `floor` and no check runs.
    ///
    /// # Errors
    /// It does not happen in time.
    pub async fn verified(&self, info_hash: &str, floor: u64) -> Result<u64> {
        let path = format!("torrents/{info_hash}");
        let look = || async {
            let (status, body) = self.curl(&path, &[]).await?;
            match status {
                200 => {}
                404 => return Ok(None),
                _ => bail!("{path}: {status} {body}"),
            }
            let torrent: Value = serde_json::from_str(&body)?;
            Ok(torrent["verified"]
                .as_u64()
                .filter(|verified| torrent["state"] != "checking" && *verified >= floor))
        };
        until(&format!("{floor} verified bytes"), LIMIT, look).await
    }

    /// The server's view of a torrent, as soon as `is_so` holds.
    ///
    /// # Errors
    /// `is_so` did not hold in time; the message has the last answer.
    pub async fn torrent_when(
        &self,
        info_hash: &str,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let path = format!("torrents/{info_hash}");
        let look = || async {
            let torrent = self.json(&path, &[]).await?;
            Ok(is_so(&torrent).then_some(torrent))
        };
        let found = until(what, LIMIT, look).await;
        if found.is_err() {
            let last = self.json(&path, &[]).await.unwrap_or_default();
            return found.with_context(|| format!("the torrent is {last:#}"));
        }
        found
    }

    /// Waits until a torrent is complete and is not being moved.
    ///
    /// # Errors
    /// As [`Server::torrent_when`].
    pub async fn complete(&self, info_hash: &str) -> Result<()> {
        let is_complete =
            |torrent: &Value| torrent["state"] == "complete" && torrent["moveProgress"].is_null();
        self.torrent_when(info_hash, "it to be complete", is_complete).await.map(drop)
    }

    /// PUTs something of a torrent; returns status and answer.
    ///
    /// # Errors
    /// As [`curl`].
    pub async fn put(&self, info_hash: &str, path: &str, body: &Value) -> Result<(u16, String)> {
        let (path, body) = (format!("torrents/{info_hash}/{path}"), body.to_string());
        let put = ["-X", "PUT", "-H", "Content-Type: application/json", "-d", &body];
        self.curl(&path, &put).await
    }

    /// Removes a torrent and its data.
    ///
    /// # Errors
    /// It is refused.
    pub async fn remove(&self, info_hash: &str) -> Result<()> {
        let (status, said) =
            self.curl(&format!("torrents/{info_hash}?data=1"), &["-X", "DELETE"]).await?;
        ensure!(status == 204, "{status} {said}");
        Ok(())
    }
}

/// Lets curl fetch a URL; returns status and body.
///
/// # Errors
/// It gets nothing.
pub async fn curl(url: &str, options: &[&str]) -> Result<(u16, String)> {
    let mut command = Command::new("curl");
    command.args(["-sS", "-m", "60", "-w", "\n%{http_code}"]).args(options).arg(url);
    let (status, text, errors) = output(&mut command).await?;
    ensure!(status == 0, "curl {url}: {errors}");
    let (body, code) = text.rsplit_once('\n').context("a status")?;
    Ok((code.parse()?, body.to_owned()))
}

/// Percent-encodes all but letters and digits, for any part of a URL.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The URL of the first file in the answer to an add.
///
/// # Errors
/// It has none.
pub fn url_of(added: &Value) -> Result<&str> {
    added["files"][0]["url"].as_str().context("a URL")
}
