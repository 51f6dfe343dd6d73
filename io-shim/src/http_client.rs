//! Fetching of URLs that come from strangers, under the same dial policy as sockets.
//!
//! Owns the HTTP client and the few rules around it: `http` and `https` only, every address checked after name
//! resolution and at each redirect, few redirects, a bounded body. It never sends cookies and knows nothing of what it
//! fetches.

use std::{
    error::Error,
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Client, Response, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{LOCATION, RANGE},
    redirect::Policy,
};
use shared_proto::{
    frame::MAX_VALUE,
    io::{OpError, OpErrorKind, OpOutput},
};

use crate::{files::error::op_error, limits, sockets::DialPolicy};

const USER_AGENT: &str = concat!("JSTorrent/", env!("CARGO_PKG_VERSION"));
/// How long an idle connection to a server is kept for the next request.
const IDLE: Duration = Duration::from_secs(30);

/// The client; it is built at the first fetch.
pub(crate) struct HttpClient {
    policy: DialPolicy,
    client: OnceLock<Option<Client>>,
}

impl HttpClient {
    pub(crate) fn new(policy: DialPolicy) -> Self {
        Self { policy, client: OnceLock::new() }
    }

    /// [`shared_proto::IoCommand::HttpGet`]
    ///
    /// # Errors
    /// [`OpErrorKind::Denied`] for what the policy does not allow, [`OpErrorKind::Limit`] for too long a URL or body or
    /// too many redirects, [`OpErrorKind::Timeout`], [`OpErrorKind::Network`].
    pub(crate) async fn get(&self, url: &str, max_bytes: u32, timeout: Duration) -> Result<OpOutput, OpError> {
        let timeout = timeout.min(limits::MAX_FETCH_TIMEOUT);
        match tokio::time::timeout(timeout, self.get_in_time(url, max_bytes)).await {
            Ok(result) => result,
            Err(_) => Err(op_error(OpErrorKind::Timeout, "the server took too long")),
        }
    }

    async fn get_in_time(&self, url: &str, max_bytes: u32) -> Result<OpOutput, OpError> {
        let response = self.open(url, None).await?;
        let status = response.status().as_u16();
        Ok(OpOutput::Http { status, body: body_of(response, max_bytes).await? })
    }

    /// The reply to a GET of all or of a range, first and last byte, when no redirect follows.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn open(&self, url: &str, range: Option<(u64, u64)>) -> Result<Response, OpError> {
        if url.len() > limits::MAX_URL_BYTES {
            return Err(op_error(OpErrorKind::Limit, "the URL is too long"));
        }
        let client = self.client.get_or_init(|| build(self.policy)).as_ref();
        let client =
            client.ok_or_else(|| op_error(OpErrorKind::Other, "the HTTP client cannot be used on this system"))?;
        let mut url = Url::parse(url).map_err(|_| op_error(OpErrorKind::Denied, "it is not a URL"))?;
        for _ in 0..=limits::MAX_REDIRECTS {
            self.check(&url)?;
            let mut request = client.get(url.clone());
            if let Some((first, last)) = range {
                request = request.header(RANGE, format!("bytes={first}-{last}"));
            }
            let response = request.send().await.map_err(|error| failure_of(&error))?;
            match redirect_of(&url, &response)? {
                Some(next) => url = next,
                None => return Ok(response),
            }
        }
        Err(op_error(OpErrorKind::Limit, "too many redirects"))
    }

    /// What can be said before a name is resolved.
    fn check(&self, url: &Url) -> Result<(), OpError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(op_error(OpErrorKind::Denied, "only http and https are fetched"));
        }
        let host = url.host_str().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        if url.port() == Some(0) || literal.is_some_and(|ip| !self.policy.allows_ip(ip)) {
            return Err(denied());
        }
        Ok(())
    }
}

fn build(policy: DialPolicy) -> Option<Client> {
    // An error says that a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .user_agent(USER_AGENT)
        .redirect(Policy::none())
        // A proxy would dial for us, without our policy.
        .no_proxy()
        .dns_resolver(Arc::new(Resolver(policy)))
        .pool_idle_timeout(IDLE)
        .build();
    client.inspect_err(|error| tracing::error!(%error, "no HTTP client")).ok()
}

/// Where a response points, if it is a redirect that a GET follows.
fn redirect_of(from: &Url, response: &Response) -> Result<Option<Url>, OpError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(LOCATION) else { return Ok(None) };
    let next = location.to_str().ok().and_then(|location| from.join(location).ok());
    next.map(Some).ok_or_else(|| op_error(OpErrorKind::Network, "the server redirects to nowhere"))
}

async fn body_of(mut response: Response, max_bytes: u32) -> Result<Bytes, OpError> {
    let most = usize::try_from(max_bytes).unwrap_or(usize::MAX).min(MAX_VALUE);
    let too_long = || op_error(OpErrorKind::Limit, "the reply is too long");
    if response.content_length().is_some_and(|length| length > most as u64) {
        return Err(too_long());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure_of(&error))? {
        if body.len() + chunk.len() > most {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Resolves names as the system does and keeps what may be dialled.
struct Resolver(DialPolicy);

/// A name has addresses, but none that may be dialled.
#[derive(Debug, thiserror::Error)]
#[error("the address is not allowed")]
struct AddressDenied;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0;
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let (allowed, denied): (Vec<_>, Vec<_>) = found.into_iter().partition(|addr| policy.allows_ip(addr.ip()));
            if allowed.is_empty() && !denied.is_empty() {
                return Err(AddressDenied.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn denied() -> OpError {
    op_error(OpErrorKind::Denied, "the address is not allowed")
}

/// What went wrong on the way.
pub(crate) fn failure_of(error: &reqwest::Error) -> OpError {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<AddressDenied>() {
            return denied();
        }
        cause = error.source();
    }
    let message =
        if error.is_connect() { "the server cannot be reached" } else { "the exchange with the server failed" };
    op_error(OpErrorKind::Network, message)
}
