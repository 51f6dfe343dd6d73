//! Tests of the announcer: which questions it asks, and what it does with answers.

use rand::SeedableRng;
use shared_proto::io::OpErrorKind;

use super::*;
use crate::discover::tracker::testing::PARAMS;

const UDP: &str = "udp://t.example:80/announce";
const BOTH: Families = Families { v4: true, v6: true };

fn announcer(tracker: &str) -> Announcer {
    let mut rng = rand::rngs::ChaCha8Rng::from_seed([1; 32]);
    let tiers = vec![vec![tracker.to_owned()]];
    Announcer::new(PARAMS.info_hash, tiers, true, &mut rng, Instant(0))
}

/// Sends questions under ids from `first` on; returns what was sent.
fn send(announcer: &mut Announcer, asks: Vec<Ask>, first: u64) -> Vec<Inquiry> {
    let mut sent = Vec::new();
    for (op, ask) in (first..).map(OpId).zip(asks) {
        if let Some(job) = ask.job {
            announcer.asked(op, job);
        }
        sent.push(ask.inquiry);
    }
    sent
}

fn lost() -> Result<OpOutput, OpError> {
    Err(OpError { kind: OpErrorKind::Network, message: "gone".to_owned() })
}

#[test]
fn a_udp_tracker_is_resolved_and_asked_over_each_open_family() {
    let mut trackers = announcer(UDP);
    let asks = trackers.due(&PARAMS, Instant(0));
    let looked_up = Inquiry::Resolve { host: "t.example".to_owned(), port: 80 };
    assert_eq!(send(&mut trackers, asks, 1), [looked_up]);
    assert!(trackers.due(&PARAMS, Instant(0)).is_empty(), "it is under way");
    let found = ["192.0.2.1:80", "[2001:db8::1]:80"].map(|addr| addr.parse().unwrap());
    let found = Ok(OpOutput::Addresses(found.to_vec()));
    let only_v4 = Families { v4: true, v6: false };
    let asks = trackers.answered(OpId(1), found, only_v4, Instant(0)).unwrap().asks;
    let sent = send(&mut trackers, asks, 2);
    assert!(matches!(&sent[..], [Inquiry::Datagram(addr, _)] if addr.is_ipv4()), "{sent:?}");
    assert!(trackers.answered(OpId(9), lost(), BOTH, Instant(0)).is_none(), "not asked");
    assert!(trackers.answered(OpId(2), lost(), BOTH, Instant(0)).is_some());
    assert!(matches!(trackers.trouble(), Some(TrackerError::Lost(_))));
}

#[test]
fn a_tracker_that_may_know_us_gets_a_goodbye_without_waiting() {
    let mut trackers = announcer("http://t.example/announce");
    assert!(trackers.stop(&PARAMS, Instant(0)).is_empty(), "it does not know us");
    let asks = trackers.due(&PARAMS, Instant(0));
    send(&mut trackers, asks, 1);
    let goodbyes = trackers.allow(false, &PARAMS, Instant(1));
    let [Ask { inquiry: Inquiry::Fetch(url), job: None }] = &goodbyes[..] else {
        panic!("{goodbyes:?}")
    };
    assert!(url.contains("event=stopped"), "{url}");
    assert!(
        trackers.answered(OpId(1), lost(), BOTH, Instant(1)).is_none(),
        "no answer is expected"
    );
    assert!(trackers.due(&PARAMS, Instant(1)).is_empty() && trackers.is_empty());
}

#[test]
fn a_peer_that_a_tracker_names_by_host_is_looked_up() {
    let mut trackers = announcer("http://t.example/announce");
    let asks = trackers.due(&PARAMS, Instant(0));
    send(&mut trackers, asks, 1);
    let body = b"d5:peersld2:ip12:peer.example4:porti7eeee"[..].into();
    let answer = Ok(OpOutput::Http { status: 200, body });
    let asks = trackers.answered(OpId(1), answer, BOTH, Instant(0)).unwrap().asks;
    let looked_up = Inquiry::Resolve { host: "peer.example".to_owned(), port: 7 };
    assert_eq!(send(&mut trackers, asks, 2), [looked_up]);
    let found = vec!["192.0.2.1:7".parse().unwrap()];
    let answered =
        trackers.answered(OpId(2), Ok(OpOutput::Addresses(found.clone())), BOTH, Instant(0));
    assert_eq!(answered.unwrap().peers, found);
    assert_eq!(trackers.trouble(), None);
}

#[test]
fn one_address_of_each_family_is_asked_and_another_one_after_a_failure() {
    let check = |failures, expected: &[&str]| {
        let all =
            ["192.0.2.1:1", "[2001:db8::1]:1", "192.0.2.2:1"].map(|addr| addr.parse().unwrap());
        let chosen: Vec<String> = choose(&all, failures).iter().map(ToString::to_string).collect();
        assert_eq!(chosen, expected);
    };
    check(0, &["192.0.2.1:1", "[2001:db8::1]:1"]);
    check(1, &["192.0.2.2:1", "[2001:db8::1]:1"]);
    check(2, &["192.0.2.1:1", "[2001:db8::1]:1"]);
    assert_eq!(choose(&[], 1), []);
}
