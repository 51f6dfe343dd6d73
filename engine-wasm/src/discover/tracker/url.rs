//! The place of a tracker, parsed from its URL: `http:`, `https:` (BEP 3) or `udp:` (BEP 15).
//!
//! Decides which URLs can be announced to; it resolves no name. Invariant: a `udp:` URL that is
//! kept has a host and a port.

/// Longest host name, in bytes (RFC 1035 §2.3.4).
const MAX_HOST: usize = 253;

/// A tracker that can be announced to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TrackerUrl {
    /// Over HTTP: the URL as given.
    Http(String),
    /// Over UDP.
    Udp(UdpUrl),
}

/// A tracker that is announced to over UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UdpUrl {
    /// The URL as given.
    pub text: String,
    /// A name, or an address without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path and query, which BEP 41 passes on to the tracker. Empty if they carry nothing.
    pub request: String,
}

impl TrackerUrl {
    /// Parses a URL; `None` if it can't be announced to.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => Some(Self::Http(url.to_owned())),
            "udp" => udp(url, rest).map(Self::Udp),
            _ => None,
        }
    }

    /// The URL as given.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Http(text) | Self::Udp(UdpUrl { text, .. }) => text,
        }
    }
}

fn udp(text: &str, rest: &str) -> Option<UdpUrl> {
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, request) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (host, port) = authority.rsplit_once(':')?;
    let port = port.parse().ok().filter(|&port: &u16| port != 0)?;
    let host = match host.strip_prefix('[') {
        Some(inner) => {
            inner.strip_suffix(']').filter(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())?
        }
        None => host,
    };
    let is_host =
        (1..=MAX_HOST).contains(&host.len()) && !host.contains(['@', '/', '[', ']', ' ', '%']);
    let request = if request == "/" { "" } else { request };
    is_host.then(|| UdpUrl {
        text: text.to_owned(),
        host: host.to_owned(),
        port,
        request: request.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks host, port and request of a `udp:` URL; `-` stands for an unusable URL.
    fn check(url: &str, expected: &str) {
        let got = match TrackerUrl::parse(url) {
            Some(TrackerUrl::Udp(udp)) => {
                assert_eq!(udp.text, url);
                format!("{} {} {}", udp.host, udp.port, udp.request)
            }
            Some(TrackerUrl::Http(text)) => {
                assert_eq!(text, url);
                "http".to_owned()
            }
            None => "-".to_owned(),
        };
        assert_eq!(got, expected, "{url}");
    }

    #[test]
    fn http_urls_are_taken_as_they_stand() {
        for url in ["http://t/announce", "HTTPS://t", "http://[::1]:80/a?b#c"] {
            check(url, "http");
        }
    }

    #[test]
    fn udp_urls_have_a_host_a_port_and_perhaps_a_request() {
        check("udp://tracker.example.com:80", "tracker.example.com 80 ");
        check("UDP://tracker.example.com:80/", "tracker.example.com 80 ");
        check("udp://tracker.example.com:80/?foo=bar#x", "tracker.example.com 80 /?foo=bar");
        check("udp://tracker.example.com:80/dir?foo=bar", "tracker.example.com 80 /dir?foo=bar");
        check("udp://tracker.example.com:80?foo=bar", "tracker.example.com 80 ?foo=bar");
        check("udp://[2001:db8::1]:6969/announce", "2001:db8::1 6969 /announce");
        check("udp://192.0.2.1:1337/announce", "192.0.2.1 1337 /announce");
    }

    #[test]
    fn urls_that_cannot_be_announced_to_are_refused() {
        for url in [
            "",
            "x",
            "wss://t/",
            "ftp://t:1",
            "udp:/t:80",
            "udp://t",
            "udp://t:0",
            "udp://t:65536",
            "udp://t:8a/",
        ] {
            check(url, "-");
        }
        for url in ["udp://:80", "udp://[x]:80", "udp://u@t:80", "udp://[::1:80", "udp://a b:80"] {
            check(url, "-");
        }
        check(&format!("udp://{}:80", "x".repeat(254)), "-");
    }
}
