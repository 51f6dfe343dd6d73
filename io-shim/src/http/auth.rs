//! Who may speak: hosts, origins, tokens, keys.
//!
//! The daemon is within reach of every web page and program of the machine and takes both for
//! hostile. Owns every decision about that; knows nothing of what is asked for. Invariant: secrets
//! are compared in constant time and never logged.

use std::net::SocketAddr;

use http::header::{AUTHORIZATION, HOST, HeaderValue, ORIGIN, REFERER};
use http::{HeaderMap, Method, Uri};
use shared_proto::token::{TOKEN_MAX, TOKEN_MIN, is_token};
use subtle::ConstantTimeEq;

/// Length of a session token that is made here, hex digits (256 bits).
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
#[derive(Clone)]
pub struct Guard {
    hosts: Vec<String>,
    origins: Vec<String>,
    token: String,
    is_open: bool,
}

/// A session token that the user chose: it fits a URL as it is, and is not shown by accident.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Token(String);

/// The user chose no good token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token is {TOKEN_MIN} to {TOKEN_MAX} characters of A-Z a-z 0-9 - . _ ~")]
pub struct BadToken;

impl Token {
    /// The token itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl TryFrom<String> for Token {
    type Error = BadToken;

    fn try_from(text: String) -> Result<Self, BadToken> {
        if is_token(&text) { Ok(Self(text)) } else { Err(BadToken) }
    }
}

impl std::str::FromStr for Token {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        text.to_owned().try_into()
    }
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
        let mut hosts =
            ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{port}")).to_vec();
        hosts.push(addr.to_string());
        Self { hosts, origins, token, is_open: false }
    }

    /// The same, but calls and what they name need no token.
    pub fn open(self, is_open: bool) -> Self {
        Self { is_open, ..self }
    }

    /// Whether the request is addressed to this daemon by one of its own names. The port may be
    /// left out, as libtorrent does: a page in a browser can't, and the name alone tells of DNS
    /// rebinding.
    ///
    /// # Errors
    /// [`Stranger`] if not.
    pub fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Stranger> {
        let mut named = headers.get_all(HOST).iter();
        let (Some(host), None) = (named.next(), named.next()) else {
            return Err(Stranger::Malformed);
        };
        let known = |name: &[u8]| {
            self.hosts.iter().any(|host| {
                let alone = host.rsplit_once(':').map_or(host.as_str(), |(alone, _)| alone);
                [host, alone].iter().any(|own| own.as_bytes().eq_ignore_ascii_case(name))
            })
        };
        // An absolute request target outranks `Host` (RFC 9112 §3.2.2), so both have to be ours.
        let target_known =
            uri.authority().is_none_or(|authority| known(authority.as_str().as_bytes()));
        if known(host.as_bytes()) && target_known { Ok(()) } else { Err(Stranger::Host) }
    }

    /// Whether the request comes from a program (no `Origin`) or from an origin on the list.
    ///
    /// # Errors
    /// [`Stranger::Origin`] if not.
    pub fn check_origin(&self, headers: &HeaderMap) -> Result<(), Stranger> {
        let known = |origin: &HeaderValue| {
            self.origins.iter().any(|known| known.as_bytes() == origin.as_bytes())
        };
        if headers.get_all(ORIGIN).iter().all(known) { Ok(()) } else { Err(Stranger::Origin) }
    }

    /// The origin of the page that asks, if it is on the list: what is answered may be read there.
    pub fn listed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut named = headers.get_all(ORIGIN).iter();
        let origin = named
            .next()
            .filter(|origin| self.origins.iter().any(|it| it.as_bytes() == origin.as_bytes()))?;
        named.next().is_none().then(|| origin.clone())
    }

    /// Whether the request does not stem from a page of another site. Such pages can send requests
    /// without `Origin`, but not without `Sec-Fetch-Site`. The header may be repeated: each value
    /// has to be harmless.
    ///
    /// # Errors
    /// [`Stranger::Site`] if it does.
    pub fn check_site(&self, headers: &HeaderMap) -> Result<(), Stranger> {
        let is_harmless = |site: &HeaderValue| matches!(site.as_bytes(), b"none" | b"same-origin");
        if headers.get_all("sec-fetch-site").iter().all(is_harmless) {
            Ok(())
        } else {
            Err(Stranger::Site)
        }
    }

    /// Whether a call may come from where it says that it comes from: a program, the daemon's own
    /// page, or an origin on the list. Pages of other sites may only lead people to the front page.
    /// A browser that sends no `Sec-Fetch-Site` may still send a `Referer`.
    ///
    /// # Errors
    /// [`Stranger`] if not.
    pub fn check_call(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<(), Stranger> {
        // A page names the port.
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
            return Err(Stranger::Origin);
        }
        if is_arrival(method, path, headers) {
            return Ok(());
        }
        if !headers.get_all(REFERER).iter().all(|page| is_known(origin_of(page.as_bytes()))) {
            return Err(Stranger::Site);
        }
        self.check_site(headers)
    }

    /// Whether a call with this credential may be made.
    pub fn admits(&self, credential: &Credential<'_>) -> bool {
        self.is_open || credential.is_session
    }

    /// Whether this is the session token.
    pub fn is_token(&self, claimed: &str) -> bool {
        secrets_match(claimed, &self.token)
    }

    /// What a request with these headers and query shows.
    pub fn credential<'a>(&self, headers: &HeaderMap, query: &'a Query) -> Credential<'a> {
        let bearer =
            headers.get(AUTHORIZATION).and_then(|value| bearer_token(value.to_str().ok()?));
        let claimed = [bearer, query.value("token")];
        Credential {
            is_session: claimed.into_iter().flatten().any(|token| self.is_token(token)),
            key: query.value("key"),
        }
    }
}

/// The token of a `Bearer` credential. The name of a scheme has no case, and one or more spaces
/// follow it (RFC 9110 §11.1, §11.4).
fn bearer_token(credentials: &str) -> Option<&str> {
    let (scheme, token) = credentials.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

/// Scheme, host and port of a URL, as they stand there.
fn origin_of(url: &[u8]) -> &[u8] {
    let authority = url.windows(3).position(|three| three == b"://").map_or(url.len(), |at| at + 3);
    let end = url[authority..].iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    &url[..end.map_or(url.len(), |end| authority + end)]
}

/// Whether a browser opens the front page in a tab of its own.
fn is_arrival(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let says = |name: &str, value: &str| {
        let mut said = headers.get_all(name).iter();
        said.next().is_some_and(|said| said.as_bytes() == value.as_bytes()) && said.next().is_none()
    };
    *method == Method::GET
        && path == "/"
        && says("sec-fetch-mode", "navigate")
        && says("sec-fetch-dest", "document")
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

/// A raw query without its session token.
pub fn without_token(query: &str) -> String {
    let is_token =
        |pair: &str| form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| name == "token");
    query.split('&').filter(|pair| !is_token(pair)).collect::<Vec<_>>().join("&")
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
        assert!(
            !check("cross-site") && !check("same-site") && !check("none, cross-site") && !check("")
        );
        assert!(guard().check_site(&headers(&[])).is_ok());
        for values in [["none", "cross-site"], ["cross-site", "same-origin"]] {
            let lines = values.map(|value| ("sec-fetch-site", value));
            assert_eq!(guard().check_site(&headers(&lines)), Err(Stranger::Site), "{values:?}");
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
        assert_eq!(guard().check_call(&Method::POST, "/add", &portless), Err(Stranger::Origin));
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
    fn the_token_leaves_a_query_and_nothing_else_does() {
        for (query, left) in [
            ("", ""),
            ("token=x", ""),
            ("a=%20b&token=x&c", "a=%20b&c"),
            ("%74oken=x&tokens=y&keep=1", "tokens=y&keep=1"),
        ] {
            assert_eq!(without_token(query), left);
        }
    }

    #[test]
    fn a_chosen_token_is_long_enough_fits_a_url_and_is_not_shown() {
        for bad in ["", "fifteen-letters", "sixteen letters!", "sixteen&letters=", &"x".repeat(257)]
        {
            assert_eq!(bad.parse::<Token>(), Err(BadToken), "{bad}");
        }
        let token: Token = "sixteen-letters_".parse().unwrap();
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert!(is_token(&new_token().unwrap()));
    }

    #[test]
    fn tokens_are_long_and_differ() {
        let (a, b) = (new_token().unwrap(), new_token().unwrap());
        assert!(a.len() == TOKEN_DIGITS && a.bytes().all(|b| b.is_ascii_hexdigit()) && a != b);
    }
}
