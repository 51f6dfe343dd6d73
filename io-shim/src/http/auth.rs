//! Access to the daemon: hosts, origins, tokens and keys.
//!
//! Every web page and program of the machine can reach the daemon, which therefore trusts none of
//! them. Owns every decision about access; knows nothing of what is asked for. Invariant: secrets
//! are compared in constant time and never logged.

use std::net::SocketAddr;

use http::header::{AUTHORIZATION, HOST, HeaderValue, ORIGIN, REFERER};
use http::{HeaderMap, Method, Uri};

use crate::http::query::Query;
use crate::policy::secrets::{Credential, secrets_match};

/// Why a request is refused before the daemon looks at its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AccessError {
    /// `Host` does not name this daemon: DNS rebinding.
    #[error("this daemon does not answer to that host name")]
    Host,
    /// `Origin` is not on the list.
    #[error("this origin may not speak here")]
    Origin,
    /// A page of another site asks for something reserved for programs and the extension.
    #[error("other sites may not ask for this")]
    Site,
    /// The request names no host, or several.
    #[error("a request names exactly one host")]
    Malformed,
}

/// The access rules of one daemon.
#[derive(Clone)]
pub(crate) struct Guard {
    hosts: Vec<String>,
    origins: Vec<String>,
    token: String,
    is_open: bool,
}

impl Guard {
    /// The rules of a daemon that listens at `addr`.
    pub(crate) fn new(addr: SocketAddr, origins: Vec<String>, token: String) -> Self {
        let port = addr.port();
        let mut hosts =
            ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{port}")).to_vec();
        hosts.push(addr.to_string());
        Self { hosts, origins, token, is_open: false }
    }

    /// The same rules, but calls need no token if `is_open`.
    pub(crate) fn open(self, is_open: bool) -> Self {
        Self { is_open, ..self }
    }

    /// Checks that the request names this daemon as its host.
    ///
    /// The port may be missing, as in requests of libtorrent. A page in a browser cannot leave it
    /// out, and the name alone reveals DNS rebinding.
    ///
    /// # Errors
    /// [`AccessError::Host`], or [`AccessError::Malformed`] for no host or several.
    pub(crate) fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), AccessError> {
        let mut named = headers.get_all(HOST).iter();
        let (Some(host), None) = (named.next(), named.next()) else {
            return Err(AccessError::Malformed);
        };
        let known = |name: &[u8]| {
            self.hosts.iter().any(|host| {
                let alone = host.rsplit_once(':').map_or(host.as_str(), |(alone, _)| alone);
                [host, alone].iter().any(|own| own.as_bytes().eq_ignore_ascii_case(name))
            })
        };
        // An absolute request target outranks `Host` (RFC 9112 §3.2.2), so both have to name this
        // daemon.
        let target_known =
            uri.authority().is_none_or(|authority| known(authority.as_str().as_bytes()));
        if known(host.as_bytes()) && target_known { Ok(()) } else { Err(AccessError::Host) }
    }

    /// Checks that a program or a listed origin makes the request. A program sends no `Origin`.
    ///
    /// # Errors
    /// [`AccessError::Origin`]
    pub(crate) fn check_origin(&self, headers: &HeaderMap) -> Result<(), AccessError> {
        let known = |origin: &HeaderValue| {
            self.origins.iter().any(|known| known.as_bytes() == origin.as_bytes())
        };
        if headers.get_all(ORIGIN).iter().all(known) { Ok(()) } else { Err(AccessError::Origin) }
    }

    /// The origin of the requesting page, if it is on the list. The page may then read the reply.
    pub(crate) fn listed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut named = headers.get_all(ORIGIN).iter();
        let origin = named
            .next()
            .filter(|origin| self.origins.iter().any(|it| it.as_bytes() == origin.as_bytes()))?;
        named.next().is_none().then(|| origin.clone())
    }

    /// Checks that the request does not come from a page of another site.
    ///
    /// Such pages can send requests without `Origin`, but not without `Sec-Fetch-Site`. If the
    /// header is repeated, each value has to be harmless.
    ///
    /// # Errors
    /// [`AccessError::Site`]
    pub(crate) fn check_site(&self, headers: &HeaderMap) -> Result<(), AccessError> {
        let is_harmless = |site: &HeaderValue| matches!(site.as_bytes(), b"none" | b"same-origin");
        if headers.get_all("sec-fetch-site").iter().all(is_harmless) {
            Ok(())
        } else {
            Err(AccessError::Site)
        }
    }

    /// Checks that a program, the daemon's page or a listed origin calls.
    ///
    /// A page of another site may only link to the front page. A browser that sends no
    /// `Sec-Fetch-Site` may still send `Referer`.
    ///
    /// # Errors
    /// [`AccessError::Origin`] or [`AccessError::Site`].
    pub(crate) fn check_call(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<(), AccessError> {
        // An origin always has the port.
        let is = |known: &str, host: &[u8]| known.as_bytes().eq_ignore_ascii_case(host);
        let own_host = headers.get(HOST).map(HeaderValue::as_bytes);
        let is_own = |origin: &[u8]| match (origin.strip_prefix(b"http://"), own_host) {
            (Some(host), Some(own)) => {
                host.eq_ignore_ascii_case(own) && self.hosts.iter().any(|known| is(known, host))
            }
            _ => false,
        };
        let is_listed =
            |origin: &[u8]| self.origins.iter().any(|listed| listed.as_bytes() == origin);
        let is_known = |origin: &[u8]| is_own(origin) || is_listed(origin);
        if !headers.get_all(ORIGIN).iter().all(|origin| is_known(origin.as_bytes())) {
            return Err(AccessError::Origin);
        }
        if opens_front_page(method, path, headers) {
            return Ok(());
        }
        if !headers.get_all(REFERER).iter().all(|page| is_known(origin_of(page.as_bytes()))) {
            return Err(AccessError::Site);
        }
        self.check_site(headers)
    }

    /// Whether a call with this credential is allowed.
    pub(crate) fn allows_call(&self, credential: &Credential<'_>) -> bool {
        self.is_open || credential.is_session
    }

    /// Whether `claimed` is the session token.
    pub(crate) fn is_token(&self, claimed: &str) -> bool {
        secrets_match(claimed, &self.token)
    }

    /// The credential in a request's headers and query.
    pub(crate) fn credential<'a>(&self, headers: &HeaderMap, query: &'a Query) -> Credential<'a> {
        let bearer =
            headers.get(AUTHORIZATION).and_then(|value| bearer_token(value.to_str().ok()?));
        let claimed = [bearer, query.value("token")];
        Credential {
            is_session: claimed.into_iter().flatten().any(|token| self.is_token(token)),
            key: query.value("key"),
        }
    }
}

/// The token of a `Bearer` credential. The scheme's name is case-insensitive, and one or more
/// spaces follow it (RFC 9110 §11.1, §11.4).
fn bearer_token(credentials: &str) -> Option<&str> {
    let (scheme, token) = credentials.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

/// Scheme, host and port of a URL, without normalisation.
fn origin_of(url: &[u8]) -> &[u8] {
    let authority = url.windows(3).position(|three| three == b"://").map_or(url.len(), |at| at + 3);
    let end = url[authority..].iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    &url[..end.map_or(url.len(), |end| authority + end)]
}

/// Whether a browser opens the front page in a tab.
fn opens_front_page(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let says = |name: &str, value: &str| {
        let mut said = headers.get_all(name).iter();
        said.next().is_some_and(|said| said.as_bytes() == value.as_bytes()) && said.next().is_none()
    };
    *method == Method::GET
        && path == "/"
        && says("sec-fetch-mode", "navigate")
        && says("sec-fetch-dest", "document")
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
    fn check_host(target: &str, hosts: &[&str], expected: Result<(), AccessError>) {
        let lines: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
        assert_eq!(
            guard().check_host(&target.parse().unwrap(), &headers(&lines)),
            expected,
            "{target} {hosts:?}"
        );
    }

    #[test]
    fn only_the_daemons_own_names_are_answered() {
        for own in [
            "127.0.0.1:4000",
            "localhost:4000",
            "LOCALHOST:4000",
            "[::1]:4000",
            "127.0.0.1",
            "localhost",
            "[::1]",
        ] {
            check_host("/", &[own], Ok(()));
        }
        for foreign in [
            "evil.example:4000",
            "evil.example",
            "127.0.0.1:4001",
            "127.0.0.1:",
            "localhost:80",
            "127.0.0.1:4000.evil.example",
            "",
            "0.0.0.0:4000",
            "127.1:4000",
        ] {
            check_host("/", &[foreign], Err(AccessError::Host));
        }
        check_host("/", &[], Err(AccessError::Malformed));
        check_host("/", &["127.0.0.1:4000", "127.0.0.1:4000"], Err(AccessError::Malformed));
        check_host("http://evil.example:4000/", &["127.0.0.1:4000"], Err(AccessError::Host));
        check_host("http://127.0.0.1:4000/", &["evil.example"], Err(AccessError::Host));
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
        assert!(
            !check("cross-site") && !check("same-site") && !check("none, cross-site") && !check("")
        );
        assert!(guard().check_site(&headers(&[])).is_ok());
        for values in [["none", "cross-site"], ["cross-site", "same-origin"]] {
            let lines = values.map(|value| ("sec-fetch-site", value));
            assert_eq!(guard().check_site(&headers(&lines)), Err(AccessError::Site), "{values:?}");
        }
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
        assert_eq!(
            show(&[("authorization", &format!("Bearer {TOKEN}"))], "key=k"),
            (true, Some("k".into()))
        );
        for scheme in ["bearer", "BEARER", "bEaReR", "Bearer  "] {
            assert_eq!(
                show(&[("authorization", &format!("{scheme} {TOKEN}"))], ""),
                (true, None),
                "{scheme}"
            );
        }
        for scheme in ["Basic ", "Bearer", "Bearers ", " Bearer ", ""] {
            assert_eq!(
                show(&[("authorization", &format!("{scheme}{TOKEN}"))], "token="),
                (false, None),
                "{scheme}"
            );
        }
        assert_eq!(show(&[], &format!("token={}", &TOKEN[1..])), (false, None));
    }

    #[test]
    fn calls_come_from_programs_and_own_pages_and_strangers_only_knock() {
        let check = |method: Method, path: &str, lines: &[(&'static str, &str)]| {
            let lines = [&[("host", "LocalHost:4000")], lines].concat();
            guard().check_call(&method, path, &headers(&lines)).is_ok()
        };
        assert!(check(Method::POST, "/add", &[]));
        for own in ["http://localhost:4000", EXTENSION] {
            assert!(
                check(Method::POST, "/add", &[("origin", own), ("sec-fetch-site", "same-origin")]),
                "{own}"
            );
        }
        for foreign in [
            "null",
            "http://localhost:4001",
            "http://127.0.0.1:4000",
            "https://localhost:4000",
            "http://evil",
        ] {
            assert!(!check(Method::POST, "/add", &[("origin", foreign)]), "{foreign}");
        }
        let portless = headers(&[("host", "localhost"), ("origin", "http://localhost")]);
        assert_eq!(guard().check_call(&Method::POST, "/add", &portless), Err(AccessError::Origin));
        let navigation = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert!(check(Method::GET, "/", &navigation));
        assert!(
            !check(Method::GET, "/add/x", &navigation) && !check(Method::POST, "/", &navigation)
        );
        assert!(!check(
            Method::GET,
            "/",
            &[navigation[0], navigation[1], ("sec-fetch-dest", "iframe")]
        ));
        assert!(!check(Method::GET, "/", &navigation[..1]));
        assert!(check(Method::GET, "/add/x", &[("sec-fetch-site", "none")]));
        let twice = [navigation[0], navigation[1], navigation[2], ("sec-fetch-dest", "iframe")];
        assert!(!check(Method::GET, "/", &twice));
    }

    #[test]
    fn a_page_of_another_site_is_known_by_its_referer_where_a_browser_sends_nothing_else() {
        let check = |path: &str, lines: &[(&'static str, &str)]| {
            let lines = [&[("host", "localhost:4000")], lines].concat();
            guard().check_call(&Method::GET, path, &headers(&lines)).is_ok()
        };
        for own in [
            "http://localhost:4000",
            "http://localhost:4000/",
            "http://LOCALHOST:4000/x?y",
            EXTENSION,
        ] {
            assert!(check("/add/x", &[("referer", own)]), "{own}");
        }
        for foreign in [
            "https://evil.example/",
            "http://localhost:4001/",
            "http://localhost:4000.evil.example/",
            "http://localhost:4000@evil.example/",
            "http://evil.example/http://localhost:4000/",
            "http://a/",
            "about:blank",
            "localhost:4000",
            "",
        ] {
            assert!(!check("/add/x", &[("referer", foreign)]), "{foreign}");
        }
        assert!(!check(
            "/add/x",
            &[("referer", "http://localhost:4000/"), ("referer", "http://evil.example/")]
        ));
        let arrival = [
            ("referer", "https://a.example/"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert!(check("/", &arrival), "a link may lead to the front page");
    }

    #[test]
    fn an_open_daemon_needs_no_token_for_calls() {
        let stranger = Credential { is_session: false, key: None };
        let session = Credential { is_session: true, key: None };
        assert!(!guard().allows_call(&stranger) && guard().allows_call(&session));
        assert!(!guard().open(false).allows_call(&stranger));
        assert!(guard().open(true).allows_call(&stranger));
    }

    #[test]
    fn a_listed_origin_is_named_in_the_reply_and_no_other() {
        let listed = |origins: &[&str]| {
            let lines: Vec<_> = origins.iter().map(|origin| ("origin", *origin)).collect();
            guard().listed_origin(&headers(&lines))
        };
        assert_eq!(listed(&[EXTENSION]).unwrap(), EXTENSION);
        assert_eq!(listed(&[]), None);
        assert_eq!(listed(&["http://evil.example"]), None);
        assert_eq!(listed(&[EXTENSION, EXTENSION]), None);
    }
}
