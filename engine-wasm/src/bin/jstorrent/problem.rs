//! `jstorrent report`: prints a problem report of a running server or of this installation.
//!
//! A server is asked over HTTP at the address that it printed. Without an address, a daemon and an
//! engine are started for the report.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use engine_wasm::Config as EngineConfig;
use engine_wasm::host::native::HostEvent;
use engine_wasm::view::{Intent, IntentReply};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::cli::Problem;
use crate::daemon::{Access, Launch};
use crate::linked::{Event, Linked};
use crate::logging;
use crate::place::Place;
use crate::stop::Stop;

/// Timeout for the server's answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);
/// Longest accepted report, bytes.
const MOST: u64 = 4 << 20;

/// `jstorrent report`
pub(crate) async fn report(args: Problem) -> Result<ExitCode> {
    let text = match &args.url {
        Some(url) => tokio::time::timeout(ANSWERED_WITHIN, of_server(url))
            .await
            .context("the server does not answer")??,
        None => of_this(args).await?,
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Fetches the report of a server; the address contains the token.
async fn of_server(url: &str) -> Result<String> {
    let rest =
        url.strip_prefix("http://").context("the address of a server begins with http://")?;
    let (host, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let token = rest.split(['?', '&']).find_map(|part| part.strip_prefix("token="));
    let mut stream =
        TcpStream::connect(host).await.with_context(|| format!("cannot reach {host}"))?;
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request =
        format!("GET /report HTTP/1.1\r\nHost: {host}\r\n{token}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer).await?;
    let answer = String::from_utf8(answer).context("the server's answer is no text")?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the server's answer is not HTTP")?;
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        Some("401" | "403") => bail!("the server wants its token: use the address that it printed"),
        status => bail!("the server answered {}", status.unwrap_or("nothing")),
    }
}

/// Starts a daemon and an engine, and returns their report.
async fn of_this(args: Problem) -> Result<String> {
    let config = args.settings.resolve()?;
    let place = Place::of_report(&config)?;
    let stop = Stop::catch()?;
    let launch = Launch {
        state: place.state.clone(),
        downloads: place.downloads.clone(),
        listen: None,
        allow_private_peers: false,
        peer_addresses: Vec::new(),
        access: Access::Kept,
        pages: false,
        stop_grace: Duration::ZERO,
        max_replies: None,
    };
    let engine = EngineConfig { log: logging::tail(), ..EngineConfig::default() };
    let mut linked = Linked::start(launch, engine, Arc::clone(&stop.hurry)).await?;
    loop {
        let event = linked.event().await;
        let is_linked = matches!(event, Event::Engine(Some(HostEvent::Connected { .. })));
        linked.handle(event).await?;
        if is_linked {
            break;
        }
    }
    let reply = linked.host.intent(Intent::Report { about: Vec::new() }).await?;
    linked.stop().await;
    match reply {
        IntentReply::Text { text } => Ok(text),
        other => bail!("the engine did not write a report: {other:?}"),
    }
}
