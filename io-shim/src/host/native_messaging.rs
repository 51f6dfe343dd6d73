//! The native messaging host: the extension asks this process where the daemon is.
//!
//! Chrome starts the process. Owns the conversation over stdio (a native-endian `u32` length, then
//! JSON), and starts a daemon that outlives it. Knows nothing of what the daemon does. Invariant:
//! standard output carries messages only.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::files::private::make_private_folder;
use crate::host::settings::Settings;
use crate::host::state_folder::{Endpoint, running_endpoint};

/// Name of the host in its manifest.
pub(crate) const HOST_NAME: &str = "com.jstorrent.io_daemon";
/// Longest accepted message, bytes. Chrome would allow 64 MiB.
const MAX_MESSAGE: u32 = 64 << 10;
/// How long a daemon may take to get ready.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// How long a daemon may take to answer a request.
const ALIVE_WITHIN: Duration = Duration::from_secs(2);
/// Longest error output of a daemon that is read, bytes.
const MAX_WORDS: u64 = 2 << 10;

/// A message of the extension.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Request {
    Connect {},
}

/// An answer to the extension.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Reply {
    Endpoint { port: u16, token: String, version: String },
    Error { message: String },
}

/// The extension's origin, if Chrome started this process.
pub fn caller(args: &[String]) -> Option<&str> {
    args.get(1).map(String::as_str).filter(|arg| arg.starts_with("chrome-extension://"))
}

/// Answers the extension until it closes standard input. Settings that cannot be used are reported
/// to the extension.
///
/// # Errors
/// When standard input or output fails.
pub fn run(caller: &str, settings: anyhow::Result<Settings>) -> anyhow::Result<()> {
    let config = settings.and_then(|settings| Ok(settings.resolve_for_extension(0)?));
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    while let Some(message) = read_message(&mut input)? {
        let answer = serde_json::from_slice::<Request>(&message)
            .context("not a message of this host")
            .and_then(|_| {
                let config = config.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
                if !config.origins.iter().any(|origin| origin == caller.trim_end_matches('/')) {
                    bail!("this extension may not use the daemon");
                }
                find_or_start(&config.state)
            });
        let reply = match answer {
            Ok(Endpoint { port, token, version, .. }) => Reply::Endpoint { port, token, version },
            Err(error) => Reply::Error { message: format!("{error:#}") },
        };
        write_message(&mut output, &serde_json::to_vec(&reply)?)?;
    }
    Ok(())
}

/// The daemon of this folder, started if none runs.
fn find_or_start(folder: &Path) -> anyhow::Result<Endpoint> {
    if let Some(endpoint) = running_endpoint(folder)
        && is_alive(&endpoint)
    {
        return Ok(endpoint);
    }
    make_private_folder(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut child = start(folder)?;
    let began = Instant::now();
    while began.elapsed() < READY_WITHIN {
        if let Some(endpoint) = running_endpoint(folder)
            && is_alive(&endpoint)
        {
            return Ok(endpoint);
        }
        // The child also ends when another host's daemon got the folder first. That is no failure.
        if child.try_wait()?.is_some_and(|status| !status.success())
            && began.elapsed() > Duration::from_secs(1)
        {
            let log = folder.join("daemon.log");
            bail!(
                "The daemon did not start: {}. Its log: {}",
                last_words(&mut child),
                log.display()
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!(
        "The daemon is not ready after {} s. Its log may say why: {}",
        READY_WITHIN.as_secs(),
        folder.join("daemon.log").display()
    )
}

fn start(folder: &Path) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("the path of this program is unknown")?;
    let mut command = Command::new(program);
    command.args(["serve", "--detached", "--state"]).arg(folder);
    // The log goes to a file. Standard error says why the daemon did not start.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    // The daemon must not keep the current folder busy, because it may be removed.
    command.current_dir(folder);
    #[cfg(windows)]
    {
        const DETACHED_PROCESS: u32 = 0x8;
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
        const CREATE_BREAKAWAY_FROM_JOB: u32 = 0x0100_0000;
        let flags = DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP | CREATE_BREAKAWAY_FROM_JOB;
        std::os::windows::process::CommandExt::creation_flags(&mut command, flags);
    }
    command.spawn().context("the daemon could not be started")
}

/// The error output of a daemon that ended before it was ready.
fn last_words(child: &mut Child) -> String {
    let mut words = String::new();
    if let Some(stderr) = child.stderr.take() {
        // Unreadable output is treated as none.
        let _ = stderr.take(MAX_WORDS).read_to_string(&mut words);
    }
    let error = words.lines().rev().find_map(|line| line.strip_prefix("error: "));
    error.map_or_else(
        || "it did not say why".to_owned(),
        |words| words.trim_end_matches('.').to_owned(),
    )
}

/// Whether the daemon answers at its port.
fn is_alive(endpoint: &Endpoint) -> bool {
    health(endpoint.port).is_ok_and(|page| page.contains(&format!("\"pid\":{}", endpoint.pid)))
}

fn health(port: u16) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), ALIVE_WITHIN)?;
    stream.set_read_timeout(Some(ALIVE_WITHIN))?;
    write!(stream, "GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.take(u64::from(MAX_MESSAGE)).read_to_string(&mut page)?;
    Ok(page)
}

/// The next message; `None` at the end of input.
fn read_message(input: &mut impl Read) -> anyhow::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_ne_bytes(length);
    if length > MAX_MESSAGE {
        bail!("a message of {length} bytes is too long");
    }
    let mut message = vec![0; length as usize];
    input.read_exact(&mut message)?;
    Ok(Some(message))
}

fn write_message(output: &mut impl Write, message: &[u8]) -> anyhow::Result<()> {
    output.write_all(&u32::try_from(message.len())?.to_ne_bytes())?;
    output.write_all(message)?;
    output.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_pass_and_the_end_is_seen() {
        let mut wire = Vec::new();
        write_message(&mut wire, b"{}").unwrap();
        write_message(&mut wire, b"").unwrap();
        let mut wire = wire.as_slice();
        assert_eq!(read_message(&mut wire).unwrap().as_deref(), Some(&b"{}"[..]));
        assert_eq!(read_message(&mut wire).unwrap().as_deref(), Some(&b""[..]));
        assert_eq!(read_message(&mut wire).unwrap(), None);
    }

    #[test]
    fn an_overlong_or_cut_message_is_an_error() {
        assert!(read_message(&mut &u32::MAX.to_ne_bytes()[..]).is_err());
        assert!(read_message(&mut &[&9u32.to_ne_bytes()[..], b"abc"].concat()[..]).is_err());
    }

    #[test]
    fn chrome_is_known_by_its_first_argument() {
        let args = |list: &[&str]| list.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            caller(&args(&["daemon", "chrome-extension://abc/", "--parent-window=0"])),
            Some("chrome-extension://abc/")
        );
        assert_eq!(caller(&args(&["daemon", "serve"])), None);
        assert_eq!(caller(&args(&["daemon"])), None);
    }
}
