//! Fetches URLs of strangers, under the same dial policy as sockets.
//!
//! Owns the HTTP client and its rules: `http` and `https` only, every address checked after name
//! resolution and at each redirect, few redirects, a bounded body without its codings
//! ([`crate::plane::decoding`]). Never sends cookies. Knows nothing of what it fetches.

use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Client, Response, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT_ENCODING, LOCATION, RANGE},
    redirect::Policy,
};
use shared_proto::{
    frame::MAX_VALUE,
    io::{OpError, OpErrorKind, OpOutput},
};

use crate::files::error::op_error;
use crate::plane::decoding::decoded;
use crate::plane::resolve::Lookup;
use crate::policy::dial::DialPolicy;
use crate::policy::limits;

const USER_AGENT: &str = concat!("JSTorrent/", env!("CARGO_PKG_VERSION"));
/// How long an idle connection to a server is kept.
const IDLE: Duration = Duration::from_secs(30);

/// The clients, each built at its first fetch.
pub(crate) struct HttpClient {
    policy: DialPolicy,
    lookup: Arc<Lookup>,
    client: OnceLock<Option<Client>>,
    /// For URLs with the port of the daemon's own server. A resolver does not learn the port, so
    /// this client never resolves to the daemon's own address.
    at_own_port: OnceLock<Option<Client>>,
}

impl HttpClient {
    pub(crate) fn new(policy: DialPolicy, lookup: Arc<Lookup>) -> Self {
        Self { policy, lookup, client: OnceLock::new(), at_own_port: OnceLock::new() }
    }

    /// [`shared_proto::IoCommand::HttpGet`]
    ///
    /// # Errors
    /// [`OpErrorKind::Denied`] for what the policy does not allow; [`OpErrorKind::Limit`] for a URL
    /// or body that is too long, or too many redirects; [`OpErrorKind::Timeout`];
    /// [`OpErrorKind::Network`].
    pub(crate) async fn get(
        &self,
        url: &str,
        max_bytes: u32,
        timeout: Duration,
    ) -> Result<OpOutput, OpError> {
        let timeout = timeout.min(limits::MAX_FETCH_TIMEOUT);
        match tokio::time::timeout(timeout, self.get_in_time(url, max_bytes)).await {
            Ok(result) => result,
            Err(_) => Err(op_error(OpErrorKind::Timeout, "the server took too long")),
        }
    }

    async fn get_in_time(&self, url: &str, max_bytes: u32) -> Result<OpOutput, OpError> {
        let response = self.open(url, None).await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let most = usize::try_from(max_bytes).unwrap_or(usize::MAX).min(MAX_VALUE);
        let body = decoded(&headers, body_of(response, most).await?, most)?;
        Ok(OpOutput::Http { status, body })
    }

    /// Sends a GET and follows redirects to the reply. `range` is the first and last byte to ask
    /// for; `None` asks for the whole.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn open(
        &self,
        url: &str,
        range: Option<(u64, u64)>,
    ) -> Result<Response, OpError> {
        if url.len() > limits::MAX_URL_BYTES {
            return Err(op_error(OpErrorKind::Limit, "the URL is too long"));
        }
        let mut url =
            Url::parse(url).map_err(|_| op_error(OpErrorKind::Denied, "it is not a URL"))?;
        for _ in 0..=limits::MAX_REDIRECTS {
            self.check(&url)?;
            // A range of a compressed file cannot be stored, and small replies gain little.
            let request = self.client(&url)?.get(url.clone());
            let mut request = request.header(ACCEPT_ENCODING, "identity");
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

    fn client(&self, url: &Url) -> Result<&Client, OpError> {
        let is_own_port =
            self.policy.own.is_some_and(|own| url.port_or_known_default() == Some(own.port()));
        let slot = if is_own_port { &self.at_own_port } else { &self.client };
        let resolver =
            || Resolver { policy: self.policy, is_own_port, lookup: Arc::clone(&self.lookup) };
        let client = slot.get_or_init(|| build(resolver())).as_ref();
        client.ok_or_else(|| {
            op_error(OpErrorKind::Other, "the HTTP client cannot be used on this system")
        })
    }

    /// Checks what can be checked before name resolution.
    fn check(&self, url: &Url) -> Result<(), OpError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(op_error(OpErrorKind::Denied, "only http and https are fetched"));
        }
        let host = url.host_str().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        let port = url.port_or_known_default().unwrap_or_default();
        if port == 0 || literal.is_some_and(|ip| !self.policy.allows(SocketAddr::new(ip, port))) {
            return Err(denied());
        }
        Ok(())
    }
}

fn build(resolver: Resolver) -> Option<Client> {
    // An error means that a provider is already installed, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .user_agent(USER_AGENT)
        .redirect(Policy::none())
        // A proxy would connect for the daemon, without its policy.
        .no_proxy()
        .dns_resolver(Arc::new(resolver))
        .pool_idle_timeout(IDLE)
        // Header lines that other clients overlook must not cost the reply.
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .build();
    client.inspect_err(|error| tracing::error!(%error, "the HTTP client cannot be built")).ok()
}

/// The target of a redirect that a GET follows.
fn redirect_of(from: &Url, response: &Response) -> Result<Option<Url>, OpError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(LOCATION) else { return Ok(None) };
    // Some servers send names as they are, in UTF-8.
    let next = str::from_utf8(location.as_bytes()).ok();
    let next = next.and_then(|location| from.join(location.trim()).ok());
    next.map(Some)
        .ok_or_else(|| op_error(OpErrorKind::Network, "the server's redirect has no target"))
}

async fn body_of(mut response: Response, most: usize) -> Result<Bytes, OpError> {
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

/// Resolves names as the system does, and keeps the allowed addresses.
struct Resolver {
    policy: DialPolicy,
    /// Whether the port is that of the daemon's own server.
    is_own_port: bool,
    lookup: Arc<Lookup>,
}

impl Resolver {
    fn allows(policy: DialPolicy, is_own_port: bool, ip: IpAddr) -> bool {
        let is_own = policy
            .own
            .is_some_and(|own| is_own_port && policy.is_own(SocketAddr::new(ip, own.port())));
        policy.allows_ip(ip) && !is_own
    }
}

/// A name has addresses, but none is allowed.
#[derive(Debug, thiserror::Error)]
#[error("the address is not allowed")]
struct AddressDenied;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, is_own_port, lookup) =
            (self.policy, self.is_own_port, Arc::clone(&self.lookup));
        Box::pin(async move {
            let found = lookup
                .find(name.as_str())
                .await
                .map_err(|error| std::io::Error::other(error.message))?;
            let is_allowed = |ip: &IpAddr| Self::allows(policy, is_own_port, *ip);
            let (allowed, denied): (Vec<_>, Vec<_>) = found.into_iter().partition(is_allowed);
            if allowed.is_empty() && !denied.is_empty() {
                return Err(AddressDenied.into());
            }
            Ok(Box::new(allowed.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

fn denied() -> OpError {
    op_error(OpErrorKind::Denied, "the address is not allowed")
}

/// What a failure means to the engine.
pub(crate) fn failure_of(error: &reqwest::Error) -> OpError {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<AddressDenied>() {
            return denied();
        }
        cause = error.source();
    }
    let message = if error.is_connect() {
        "the server cannot be reached"
    } else {
        "the exchange with the server failed"
    };
    op_error(OpErrorKind::Network, message)
}
