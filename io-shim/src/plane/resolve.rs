//! Looks up the addresses of a host that the policy allows.
//!
//! Owns how many lookups run at a time, and how they end. The system's lookup cannot be cancelled,
//! so each runs in a separate process that ends with the command. A name whose server never answers
//! thus holds no thread. A lookup that takes longer than [`PROMPT`] leaves its place to the next.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    pin::pin,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use shared_proto::io::{OpError, OpErrorKind, OpOutput};
use tokio::{
    io::AsyncReadExt,
    process::Command,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::files::error::op_error;
use crate::policy::dial::DialPolicy;
use crate::policy::limits;

/// Timeout of a lookup, its wait for a permit included.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a lookup may hold one of the places that others wait for.
const PROMPT: Duration = Duration::from_millis(500);

/// Looks up names.
pub(crate) struct Lookup {
    policy: DialPolicy,
    /// Peers connect at this machine only. Addresses elsewhere are of no use then, and no name
    /// server needs to learn the name.
    is_secluded: bool,
    program: Option<PathBuf>,
    permits: Arc<Semaphore>,
    slow_permits: Arc<Semaphore>,
}

impl Lookup {
    /// `addresses` are the local addresses at which peers may connect; empty for all. `program`
    /// prints the addresses of a name, one per line, when it is run as `program lookup -- NAME`.
    /// Without it, lookups run in this process.
    pub(crate) fn new(policy: DialPolicy, addresses: &[IpAddr], program: Option<PathBuf>) -> Self {
        let is_secluded = !addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback);
        Self {
            policy,
            is_secluded,
            program,
            permits: Arc::new(Semaphore::new(limits::MAX_LOOKUPS)),
            slow_permits: Arc::new(Semaphore::new(limits::MAX_SLOW_LOOKUPS)),
        }
    }

    /// [`shared_proto::IoCommand::Resolve`]
    ///
    /// # Errors
    /// [`OpErrorKind::Denied`] when the policy allows no address of the name, or peers connect at
    /// this machine only and the name is elsewhere; [`OpErrorKind::Network`] when the name has no
    /// address; [`OpErrorKind::Limit`] when the name is too long; [`OpErrorKind::Timeout`].
    pub(crate) async fn resolve(&self, host: String, port: u16) -> Result<OpOutput, OpError> {
        if self.is_secluded && !is_known_here(&host) {
            return Err(op_error(OpErrorKind::Denied, "no name server may be asked"));
        }
        let found = self.find(&host).await?;
        if found.is_empty() {
            return Err(op_error(OpErrorKind::Network, "the name has no address"));
        }
        let found = found.into_iter().map(|ip| SocketAddr::new(ip, port));
        let allowed: Vec<_> =
            found.filter(|addr| self.policy.allows(*addr)).take(limits::MAX_ADDRESSES).collect();
        if allowed.is_empty() {
            return Err(op_error(OpErrorKind::Denied, "the address is not allowed"));
        }
        Ok(OpOutput::Addresses(allowed))
    }

    /// All addresses of a name, allowed or not. Dropping the future ends the lookup.
    ///
    /// # Errors
    /// [`OpErrorKind::Limit`] when the name is too long; [`OpErrorKind::Network`] when it has no
    /// address; [`OpErrorKind::Timeout`].
    pub(crate) async fn find(&self, host: &str) -> Result<Vec<IpAddr>, OpError> {
        if host.len() > limits::MAX_HOST_BYTES {
            return Err(op_error(OpErrorKind::Limit, "the name is too long"));
        }
        match timeout(PATIENCE, self.look(bare(host))).await {
            Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => Err(too_slow()),
            Ok(found) => {
                found.map_err(|_| op_error(OpErrorKind::Network, "the name has no address"))
            }
            Err(_) => Err(too_slow()),
        }
    }

    async fn look(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![ip]);
        }
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(io::Error::other)?;
        let permit = Arc::new(Mutex::new(permit));
        let mut answer = pin!(self.ask(host, &permit));
        if let Ok(found) = timeout(PROMPT, &mut answer).await {
            return found;
        }
        let slow = Arc::clone(&self.slow_permits).try_acquire_owned();
        *permit.lock() = slow.map_err(|_| io::ErrorKind::TimedOut)?;
        answer.await
    }

    async fn ask(
        &self,
        host: &str,
        permit: &Arc<Mutex<OwnedSemaphorePermit>>,
    ) -> io::Result<Vec<IpAddr>> {
        if let Some(program) = self.program.as_deref().filter(|_| !is_known_here(host)) {
            match ask(program, host).await {
                // An update may have removed the program of a running daemon.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                found => return found,
            }
        }
        // A lookup in this process keeps its permit until it ends, even if no command waits for it.
        let (host, permit) = (host.to_owned(), Arc::clone(permit));
        let looking = tokio::spawn(async move {
            let _permit = permit;
            tokio::net::lookup_host((host, 0))
                .await
                .map(|found| found.map(|addr| addr.ip()).collect())
        });
        looking.await.map_err(io::Error::other)?
    }
}

fn too_slow() -> OpError {
    op_error(OpErrorKind::Timeout, "the name could not be looked up in time")
}

/// Asks a program, which ends when the future is dropped.
async fn ask(program: &Path, host: &str) -> io::Result<Vec<IpAddr>> {
    let mut command = Command::new(program);
    command
        .args(["lookup", "--", host])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    #[cfg(windows)]
    {
        const CREATE_NO_WINDOW: u32 = 0x0800_0000;
        command.creation_flags(CREATE_NO_WINDOW);
    }
    let mut child = command.kill_on_drop(true).spawn()?;
    let output = child.stdout.take().ok_or_else(|| io::Error::other("its output is not there"))?;
    let mut text = String::new();
    output.take(limits::MAX_LOOKUP_BYTES).read_to_string(&mut text).await?;
    if !child.wait().await?.success() {
        return Err(io::Error::other("no address"));
    }
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

/// Whether the name needs no name server.
fn is_known_here(host: &str) -> bool {
    let bare = bare(host);
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

/// URLs write IPv6 addresses in brackets.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}
