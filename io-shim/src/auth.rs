//! Who may speak: hosts, origins, tokens, keys.
//!
//! The daemon is within reach of every web page and program of the machine and takes both for hostile. Owns every decision
//! about that; knows nothing of what is asked for. Invariant: secrets are compared in constant time and never logged.

use std::net::SocketAddr;

use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, Uri};
use subtle::ConstantTimeEq;

/// Length of a session token, hex digits (256 bits).
pub const TOKEN_DIGITS: usize = 64;

/// Why a request is not even looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    /// `Host` is not this daemon: DNS rebinding.
    #[error("this daemon does not answer to that host name")]
    Host,
    /// `Origin` is not on the list.
    #[error("this origin may not speak here")]
    Origin,
    /// A page of another site asks for what only programs and the extension need.
    #[error("other sites may not ask for this")]
    Site,
    /// It names no host, or several.
    #[error("a request names exactly one host")]
    Malformed,
}

/// Guards of one daemon.
#[derive(Clone, Debug)]
pub struct Guard {
    hosts: Vec<String>,
    origins: Vec<String>,
    token: String,
}

/// What a request shows to open a file.
#[derive(Clone, Copy)]
pub struct Credential<'a> {
    /// It carries the session token.
    pub is_session: bool,
    /// The file's key, as it claims.
    pub key: Option<&'a str>,
}

impl Guard {
    /// The guard of a daemon that listens at `addr`.
    pub fn new(addr: SocketAddr, origins: Vec<String>, token: String) -> Self {
        let port = addr.port();
        let mut hosts = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{port}")).to_vec();
        hosts.push(addr.to_string());
        Self { hosts, origins, token }
    }

    /// Whether the request is addressed to this daemon by one of its own names.
    ///
    /// # Errors
    /// [`Stranger`] if not.
    pub fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Stranger> {
        let mut named = headers.get_all(HOST).iter();
        let (Some(host), None) = (named.next(), named.next()) else { return Err(Stranger::Malformed) };
        let known = |name: &[u8]| self.hosts.iter().any(|host| host.as_bytes().eq_ignore_ascii_case(name));
        // An absolute request target outranks `Host` (RFC 9112 §3.2.2), so both have to be ours.
        let target_known = uri.authority().is_none_or(|authority| known(authority.as_str().as_bytes()));
        if known(host.as_bytes()) && target_known { Ok(()) } else { Err(Stranger::Host) }
    }

    /// Whether the request comes from a program (no `Origin`) or from an origin on the list.
    ///
    /// # Errors
    /// [`Stranger::Origin`] if not.
    pub fn check_origin(&self, headers: &HeaderMap) -> Result<(), Stranger> {
        let known = |origin: &http::HeaderValue| self.origins.iter().any(|known| known.as_bytes() == origin.as_bytes());
        if headers.get_all(ORIGIN).iter().all(known) { Ok(()) } else { Err(Stranger::Origin) }
    }

    /// Whether the request does not stem from a page of another site. Such pages can send requests without `Origin`, but
    /// not without `Sec-Fetch-Site`.
    ///
    /// # Errors
    /// [`Stranger::Site`] if it does.
    pub fn check_site(&self, headers: &HeaderMap) -> Result<(), Stranger> {
        match headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes) {
            None | Some(b"none" | b"same-origin") => Ok(()),
            Some(_) => Err(Stranger::Site),
        }
    }

    /// Whether this is the session token.
    pub fn is_token(&self, claimed: &str) -> bool {
        secrets_match(claimed, &self.token)
    }

    /// What a request with these headers and query shows.
    pub fn credential<'a>(&self, headers: &HeaderMap, query: &'a Query) -> Credential<'a> {
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let claimed = [bearer, query.value("token")];
        Credential {
            is_session: claimed.into_iter().flatten().any(|token| self.is_token(token)),
            key: query.value("key"),
        }
    }
}

/// Compares secrets in a time that depends on their lengths only.
pub fn secrets_match(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// A fresh session token.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn new_token() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; TOKEN_DIGITS / 2];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The query of a URL, decoded.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes what follows the `?`.
    pub fn parse(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// The first value of this name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    const EXTENSION: &str = "chrome-extension://cpallhfnafgboofejffacjngdjldepmp";

    fn guard() -> Guard {
        Guard::new("127.0.0.1:4000".parse().unwrap(), vec![EXTENSION.into()], TOKEN.into())
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[track_caller]
    fn check_host(target: &str, hosts: &[&str], expected: Result<(), Stranger>) {
        let lines: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
        assert_eq!(guard().check_host(&target.parse().unwrap(), &headers(&lines)), expected, "{target} {hosts:?}");
    }

    #[test]
    fn only_the_daemons_own_names_are_answered() {
        for own in ["127.0.0.1:4000", "localhost:4000", "LOCALHOST:4000", "[::1]:4000"] {
            check_host("/", &[own], Ok(()));
        }
        for foreign in [
            "evil.example:4000",
            "127.0.0.1",
            "127.0.0.1:4001",
            "localhost",
            "127.0.0.1:4000.evil.example",
            "",
            "0.0.0.0:4000",
            "127.1:4000",
        ] {
            check_host("/", &[foreign], Err(Stranger::Host));
        }
        check_host("/", &[], Err(Stranger::Malformed));
        check_host("/", &["127.0.0.1:4000", "127.0.0.1:4000"], Err(Stranger::Malformed));
        check_host("http://evil.example:4000/", &["127.0.0.1:4000"], Err(Stranger::Host));
        check_host("http://127.0.0.1:4000/", &["evil.example"], Err(Stranger::Host));
        check_host("http://127.0.0.1:4000/", &["127.0.0.1:4000"], Ok(()));
    }

    #[test]
    fn only_listed_origins_and_programs_pass() {
        let check = |lines: &[(&'static str, &str)]| guard().check_origin(&headers(lines)).is_ok();
        assert!(check(&[]));
        assert!(check(&[("origin", EXTENSION)]));
        for foreign in [
            "null",
            "",
            "https://evil.example",
            "chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "http://127.0.0.1:4000",
        ] {
            assert!(!check(&[("origin", foreign)]), "{foreign}");
        }
        assert!(!check(&[("origin", EXTENSION), ("origin", "https://evil.example")]));
    }

    #[test]
    fn pages_of_other_sites_are_known_by_their_fetch_metadata() {
        let check = |site: &str| guard().check_site(&headers(&[("sec-fetch-site", site)])).is_ok();
        assert!(check("none") && check("same-origin"));
        assert!(!check("cross-site") && !check("same-site"));
        assert!(guard().check_site(&headers(&[])).is_ok());
    }

    #[test]
    fn a_credential_is_the_session_token_or_a_key() {
        let show = |lines: &[(&'static str, &str)], query: &str| {
            let query = Query::parse(query);
            let credential = guard().credential(&headers(lines), &query);
            (credential.is_session, credential.key.map(str::to_owned))
        };
        assert_eq!(show(&[], ""), (false, None));
        assert_eq!(show(&[], "key=a%20b"), (false, Some("a b".into())));
        assert_eq!(show(&[], &format!("token={TOKEN}")), (true, None));
        assert_eq!(show(&[("authorization", &format!("Bearer {TOKEN}"))], "key=k"), (true, Some("k".into())));
        assert_eq!(show(&[("authorization", &format!("Basic {TOKEN}"))], "token="), (false, None));
        assert_eq!(show(&[], &format!("token={}", &TOKEN[1..])), (false, None));
    }

    #[test]
    fn tokens_are_long_and_differ() {
        let (a, b) = (new_token().unwrap(), new_token().unwrap());
        assert!(a.len() == TOKEN_DIGITS && a.bytes().all(|b| b.is_ascii_hexdigit()) && a != b);
    }
}
