//! HTTP trackers (BEP 3, 7, 23, 24, 31, 48): request URLs and the parsing of answers.
//!
//! Owns the form of the query and the fields that are read; it fetches nothing.

use std::time::Duration;

use shared_proto::io::{OpError, OpOutput};
use shared_proto::{IoCommand, OpId};

use super::peer_list::{PeerList, address, number};
use super::{AnnounceParams, AnnounceResponse, Counts, Event, Retry, TrackerError};
use super::{bounded, shown};
use crate::limits;
use crate::metainfo::InfoHash;
use crate::metainfo::bencode::{self, Document, Value};
use crate::percent::percent_encode;

/// Timeout for a tracker's answer, in milliseconds. Other trackers are asked meanwhile.
const TIMEOUT_MS: u32 = 30_000;
/// Longest `trackerid` that is kept, in bytes.
const MAX_TRACKER_ID: usize = 256;

/// The URL of an announce: the tracker's own with our query appended.
///
/// `key` tells the tracker that we are the same client when our address changes; `tracker_id` is
/// the `trackerid` of its last answer.
pub(crate) fn announce_url(
    tracker: &str,
    params: &AnnounceParams,
    key: u32,
    tracker_id: Option<&[u8]>,
) -> String {
    let mut url = with_info_hash(tracker, params.info_hash);
    url.push_str("&peer_id=");
    percent_encode(&params.peer_id, &mut url);
    let AnnounceParams { port, uploaded, downloaded, left, numwant, .. } = params;
    let numbers = format!(
        "&port={port}&uploaded={uploaded}&downloaded={downloaded}&left={left}&compact=1\
         &numwant={numwant}&key={key:08x}"
    );
    url.push_str(&numbers);
    if let Some(tracker_id) = tracker_id {
        url.push_str("&trackerid=");
        percent_encode(tracker_id, &mut url);
    }
    match params.event {
        None => {}
        Some(Event::Started) => url.push_str("&event=started"),
        Some(Event::Completed) => url.push_str("&event=completed"),
        Some(Event::Stopped) => url.push_str("&event=stopped"),
    }
    url
}

/// The URL of a scrape; `None` for a tracker that has none (BEP 48).
///
/// `announce` at the beginning of the path's last component becomes `scrape`.
pub(crate) fn scrape_url(tracker: &str, info_hash: InfoHash) -> Option<String> {
    let end = tracker.find(['?', '#']).unwrap_or(tracker.len());
    let last = tracker[..end].rfind('/')? + 1;
    let rest = tracker[last..].strip_prefix("announce")?;
    Some(with_info_hash(&format!("{}scrape{rest}", &tracker[..last]), info_hash))
}

/// The command that requests a tracker's URL.
pub(crate) fn fetch(op: OpId, url: String) -> IoCommand {
    IoCommand::HttpGet { op, url, max_bytes: limits::TRACKER_ANSWER, timeout_ms: TIMEOUT_MS }
}

/// The body of the answer to [`fetch`].
///
/// # Errors
/// [`TrackerError`], with a text for the user.
pub(crate) fn body(result: Result<OpOutput, OpError>) -> Result<bytes::Bytes, TrackerError> {
    match result {
        Ok(OpOutput::Http { status: 200..=299, body }) => Ok(body),
        // Some trackers give the reason in the body.
        Ok(OpOutput::Http { status, body }) => match parse_response(&body) {
            Err(error @ TrackerError::Failure { .. }) => Err(error),
            _ => Err(TrackerError::Status(status)),
        },
        Ok(_) => Err(TrackerError::AnswerLost),
        Err(error) => Err(TrackerError::Lost(error)),
    }
}

/// Reads the answer to an announce.
///
/// # Errors
/// [`TrackerError`], with a text for the user.
pub fn parse_response(body: &[u8]) -> Result<AnnounceResponse, TrackerError> {
    let document = document(body)?;
    let root = document.root();
    let PeerList { addresses: peers, hosts } = check(root)?;
    let seconds = |key: &str| root.get(key).and_then(number);
    let asked = [seconds("interval"), seconds("min interval")].into_iter().flatten().max();
    let warning = root.get("warning message").and_then(Value::bytes).map(shown);
    Ok(AnnounceResponse {
        interval: bounded(asked),
        min_interval: seconds("min interval").map(|seconds| bounded(Some(seconds))),
        warning: warning.filter(|warning| !warning.trim().is_empty()),
        counts: counts(root),
        tracker_id: root
            .get("tracker id")
            .or_else(|| root.get("trackerid"))
            .and_then(Value::bytes)
            .filter(|id| (1..=MAX_TRACKER_ID).contains(&id.len()))
            .map(<[u8]>::to_vec),
        external: root.get("external ip").and_then(Value::bytes).and_then(address),
        peers,
        hosts,
    })
}

/// Reads the answer to a scrape.
///
/// # Errors
/// [`TrackerError`], with a text for the user.
pub fn parse_scrape(body: &[u8], info_hash: InfoHash) -> Result<Counts, TrackerError> {
    let document = document(body)?;
    let root = document.root();
    check(root)?;
    let mut files = root.get("files").and_then(Value::dict).into_iter().flatten();
    let ours = files.find(|(hash, _)| *hash == info_hash.0);
    ours.map(|(_, file)| counts(file)).ok_or(TrackerError::NotAnAnswer)
}

/// Reads the dictionary of an answer. Scripts print blank lines or a byte order mark before it, and
/// more after it.
fn document(body: &[u8]) -> Result<Document<'_>, TrackerError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    Ok(bencode::parse_prefix(body)?)
}

/// Returns the peers of an answer, which must be a dictionary without a failure reason.
///
/// An empty reason beside peers is none: some trackers send each key always.
fn check(root: Value<'_>) -> Result<PeerList, TrackerError> {
    if root.dict().is_none() {
        return Err(TrackerError::NotAnAnswer);
    }
    let peers = PeerList::of(root);
    match root.get("failure reason").and_then(Value::bytes) {
        Some(reason) if !reason.trim_ascii().is_empty() || peers.is_empty() => {
            Err(TrackerError::Failure {
                reason: shown(reason),
                retry: root.get("retry in").and_then(retry),
            })
        }
        _ => Ok(peers),
    }
}

/// Parses a number of minutes, or `never` (BEP 31).
fn retry(value: Value<'_>) -> Option<Retry> {
    match (value.uint(), value.bytes()) {
        (Some(minutes), _) => Some(Retry::In(Duration::from_secs(minutes.saturating_mul(60)))),
        (None, Some(b"never")) => Some(Retry::Never),
        (None, Some(text)) => {
            let minutes: u64 = std::str::from_utf8(text).ok()?.trim().parse().ok()?;
            Some(Retry::In(Duration::from_secs(minutes.saturating_mul(60))))
        }
        (None, None) => None,
    }
}

fn counts(dict: Value<'_>) -> Counts {
    let count = |key: &str| Some(u32::try_from(number(dict.get(key)?)?).unwrap_or(u32::MAX));
    Counts { seeders: count("complete"), leechers: count("incomplete") }
}

fn with_info_hash(tracker: &str, info_hash: InfoHash) -> String {
    let mut url = tracker.split('#').next().unwrap_or(tracker).to_owned();
    match url.find('?') {
        None => url.push('?'),
        Some(_) if url.ends_with(['?', '&']) => {}
        Some(_) => url.push('&'),
    }
    url.push_str("info_hash=");
    percent_encode(&info_hash.0, &mut url);
    url
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::net::Ipv6Addr;

    use super::super::testing::PARAMS;
    use super::super::{MAX_INTERVAL, MAX_MESSAGE, MIN_INTERVAL};
    use super::*;
    use crate::metainfo::bencode::BencodeError;
    use crate::metainfo::encode::{self, Dict};

    /// Checks the URL up to our query.
    fn check_url(tracker: &str, expected: &str) {
        let url = announce_url(tracker, &PARAMS, 0xbeef, None);
        assert_eq!(url.split("info_hash=").next(), Some(expected));
    }

    fn parse(dict: Dict) -> Result<AnnounceResponse, TrackerError> {
        parse_response(&dict.encode())
    }

    fn check_interval(dict: Dict, seconds: u64) {
        assert_eq!(parse(dict).unwrap().interval, Duration::from_secs(seconds));
    }

    #[test]
    fn the_query_is_that_of_bep_3_with_every_other_byte_escaped() {
        let url = announce_url("http://t/announce", &PARAMS, 0xbeef, None);
        assert_eq!(
            url,
            "http://t/announce?info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A\
             &peer_id=-JS0100-~_.%20%2F%3F%26%3D%25%2B%00%FF\
             &port=6881&uploaded=1&downloaded=2&left=18446744073709551615&compact=1\
             &numwant=60&key=0000beef"
        );
        let stopped = AnnounceParams { event: Some(Event::Stopped), ..PARAMS };
        let url = announce_url("http://t/", &stopped, 1, Some(b"x/y"));
        assert!(url.ends_with("&key=00000001&trackerid=x%2Fy&event=stopped"), "{url}");
    }

    #[test]
    fn a_trackers_own_query_is_kept_and_its_fragment_is_not() {
        check_url("http://t/announce", "http://t/announce?");
        check_url("http://t/announce?passkey=x%2fy", "http://t/announce?passkey=x%2fy&");
        check_url("http://t/a?", "http://t/a?");
        check_url("http://t/a?x=1&", "http://t/a?x=1&");
        check_url("http://t/a#top", "http://t/a?");
    }

    #[test]
    fn the_interval_stays_within_our_bounds() {
        check_interval(Dict::new(), 1800);
        check_interval(Dict::new().int("interval", 900), 900);
        check_interval(Dict::new().int("interval", 60).int("min interval", 300), 300);
        check_interval(Dict::new().int("interval", 0), 30);
        check_interval(Dict::new().int("interval", i64::MAX), 3600);
        check_interval(Dict::new().int("interval", -5), 1800);
        check_interval(Dict::new().bytes("interval", "900"), 900);
        check_interval(Dict::new().bytes("interval", "soon"), 1800);
    }

    #[test]
    fn counts_and_warnings_are_passed_on() {
        let dict = Dict::new()
            .int("complete", 3)
            .int("incomplete", i64::MAX)
            .bytes("warning message", "slow\x1b[31m down");
        let response = parse(dict).unwrap();
        assert_eq!(response.counts, Counts { seeders: Some(3), leechers: Some(u32::MAX) });
        assert_eq!(response.warning.as_deref(), Some("slow[31m down"));
    }

    #[test]
    fn a_refusal_is_an_error_in_the_trackers_words() {
        let refused =
            parse(Dict::new().bytes("failure reason", "unknown torrent").bytes("peers", [1; 6]));
        assert_eq!(
            refused,
            Err(TrackerError::Failure { reason: "unknown torrent".into(), retry: None })
        );
        let Err(TrackerError::Failure { reason, .. }) =
            parse(Dict::new().bytes("failure reason", [0xe2; 5000]))
        else {
            panic!()
        };
        assert_eq!(reason.chars().count(), MAX_MESSAGE);
    }

    #[test]
    fn a_refusal_may_contain_a_retry_time() {
        let retry = |dict: Dict| parse(dict.bytes("failure reason", "busy")).unwrap_err().retry();
        assert_eq!(
            retry(Dict::new().int("retry in", 5)),
            Some(Retry::In(Duration::from_secs(300)))
        );
        assert_eq!(
            retry(Dict::new().bytes("retry in", "5")),
            Some(Retry::In(Duration::from_secs(300)))
        );
        assert_eq!(retry(Dict::new().bytes("retry in", "never")), Some(Retry::Never));
        assert_eq!(retry(Dict::new().bytes("retry in", "later")), None);
        assert_eq!(retry(Dict::new().int("retry in", -1)), None);
        assert_eq!(
            retry(Dict::new().int("retry in", i64::MAX)),
            Some(Retry::In(Duration::from_secs(u64::MAX)))
        );
    }

    #[test]
    fn our_own_address_and_the_trackerid_are_read_if_valid() {
        let external =
            |bytes: &[u8]| parse(Dict::new().bytes("external ip", bytes)).unwrap().external;
        assert_eq!(external(&[192, 0, 2, 1]), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(external(&Ipv6Addr::LOCALHOST.octets()), Some("::1".parse().unwrap()));
        assert_eq!(external(b"192.0.2.1"), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(external(b"192.0.2"), None);
        let id = |id: &[u8]| parse(Dict::new().bytes("tracker id", id)).unwrap().tracker_id;
        assert_eq!((id(b"x"), id(b""), id(&[1; 257])), (Some(b"x".to_vec()), None, None));
    }

    #[test]
    fn a_scrape_is_asked_where_the_announce_is() {
        let check = |tracker: &str, expected: Option<&str>| {
            let url = scrape_url(tracker, PARAMS.info_hash);
            assert_eq!(
                url.as_deref().and_then(|url| url.split("info_hash=").next()),
                expected,
                "{tracker}"
            );
        };
        check("http://example.com/announce", Some("http://example.com/scrape?"));
        check("http://example.com/x/announce", Some("http://example.com/x/scrape?"));
        check("http://example.com/announce.php", Some("http://example.com/scrape.php?"));
        check("http://example.com/a", None);
        check("http://example.com/announce?x2%0644", Some("http://example.com/scrape?x2%0644&"));
        check("http://example.com/announce?x=2/4", Some("http://example.com/scrape?x=2/4&"));
        check("http://example.com/x%064announce", None);
    }

    #[test]
    fn a_scrape_tells_the_numbers_of_our_torrent() {
        let file = |seeds| {
            Dict::new().int("complete", seeds).int("downloaded", 50).int("incomplete", 10).encode()
        };
        let files = |hash: &[u8]| [&b"d5:filesd20:"[..], hash, &file(5), b"ee"].concat();
        let counts = Counts { seeders: Some(5), leechers: Some(10) };
        assert_eq!(parse_scrape(&files(&PARAMS.info_hash.0), PARAMS.info_hash), Ok(counts));
        assert_eq!(
            parse_scrape(&files(&[1; 20]), PARAMS.info_hash),
            Err(TrackerError::NotAnAnswer)
        );
        assert_eq!(parse_scrape(b"d5:filesi1ee", PARAMS.info_hash), Err(TrackerError::NotAnAnswer));
        assert!(parse_scrape(b"d14:failure reason2:noe", PARAMS.info_hash).is_err());
    }

    #[test]
    fn anything_but_an_answer_is_an_error() {
        assert_eq!(parse_response(b"<html>"), Err(BencodeError::UnexpectedByte(0).into()));
        assert_eq!(parse_response(b""), Err(BencodeError::UnexpectedEnd.into()));
        assert_eq!(parse_response(b"le"), Err(TrackerError::NotAnAnswer));
        for body in [
            &b"d5:peers0:e\r\n"[..],
            b"\r\n d5:peers0:e",
            b"\xef\xbb\xbfd5:peers0:e",
            b"d5:peers0:e<!-- 0.01 s -->",
            b"d14:failure reason0:5:peers6:\x7f\x00\x00\x01\x00\x05e",
        ] {
            assert!(parse_response(body).is_ok(), "{}", body.escape_ascii());
        }
        assert!(parse_response(b"d14:failure reason0:e").is_err());
    }

    #[test]
    fn every_truncation_is_an_error() {
        let body = Dict::new()
            .int("interval", 60)
            .bytes("peers", [1; 12])
            .bytes("peers6", [2; 18])
            .encode();
        for length in 0..body.len() {
            assert_eq!(
                parse_response(&body[..length]),
                Err(BencodeError::UnexpectedEnd.into()),
                "cut to {length}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
        ) {
            let peer = Dict::new().bytes("ip", "1.2.3.4").int("port", 5).encode();
            let mut body = Dict::new()
                .int("interval", 60)
                .raw("peers", encode::list([peer]))
                .bytes("peers6", [2; 18])
                .encode();
            for (at, byte) in changes {
                let at = at.index(body.len());
                body[at] = byte;
            }
            if let Ok(response) = parse_response(&body) {
                prop_assert!((MIN_INTERVAL..=MAX_INTERVAL).contains(&response.interval));
            }
        }
    }
}
