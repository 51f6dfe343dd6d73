//! The addresses of a host, as the system finds them and the policy allows.
//!
//! Owns how many lookups run at once. The system's own lookup can't be stopped: one that is given up keeps its place until it ends, so that
//! names which nobody answers for don't take the threads that files need.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use shared_proto::io::{OpError, OpErrorKind, OpOutput};
use tokio::{sync::Semaphore, time::timeout};

use crate::{files::error::op_error, limits, sockets::DialPolicy};

/// How long the system may look.
const PATIENCE: Duration = Duration::from_secs(30);

/// Looks names up.
pub(crate) struct Lookup {
    policy: DialPolicy,
    /// Others reach us at this machine alone, so nothing outside it is of use, and nobody outside needs to hear a name.
    is_secluded: bool,
    places: Arc<Semaphore>,
}

impl Lookup {
    /// `addresses` are those at which others may connect; none for all.
    pub(crate) fn new(policy: DialPolicy, addresses: &[IpAddr]) -> Self {
        let is_secluded = !addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback);
        Self { policy, is_secluded, places: Arc::new(Semaphore::new(limits::MAX_LOOKUPS)) }
    }

    /// [`shared_proto::IoCommand::Resolve`]
    ///
    /// # Errors
    /// [`OpErrorKind::Denied`] when the policy allows none of its addresses, or others connect at this machine alone and it is a name elsewhere, [`OpErrorKind::Network`] when it has none,
    /// [`OpErrorKind::Limit`] for what is too long to be a name, [`OpErrorKind::Timeout`].
    pub(crate) async fn resolve(&self, host: String, port: u16) -> Result<OpOutput, OpError> {
        if host.len() > limits::MAX_HOST_BYTES {
            return Err(op_error(OpErrorKind::Limit, "the name is too long"));
        }
        if self.is_secluded && !is_known_here(&host) {
            return Err(op_error(OpErrorKind::Denied, "no name server is asked"));
        }
        let place = Arc::clone(&self.places).acquire_owned().await;
        let looking = tokio::spawn(async move {
            let _place = place;
            // Brackets are how URLs write IPv6 addresses.
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
            tokio::net::lookup_host((host, port)).await.map(|found| found.collect::<Vec<SocketAddr>>())
        });
        let found = match timeout(PATIENCE, looking).await {
            Ok(Ok(Ok(found))) if !found.is_empty() => found,
            Ok(_) => return Err(op_error(OpErrorKind::Network, "the name has no address")),
            Err(_) => return Err(op_error(OpErrorKind::Timeout, "the name could not be looked up in time")),
        };
        let allowed: Vec<_> =
            found.into_iter().filter(|addr| self.policy.allows(*addr)).take(limits::MAX_ADDRESSES).collect();
        if allowed.is_empty() {
            return Err(op_error(OpErrorKind::Denied, "the address is not allowed"));
        }
        Ok(OpOutput::Addresses(allowed))
    }
}

/// Whether no name server is needed.
fn is_known_here(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}
