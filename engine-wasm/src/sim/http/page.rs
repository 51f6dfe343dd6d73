//! Calls of the server's page: the stream of topics, intents, pieces.

use std::time::Duration;

use serde_json::{Value, json};
use shared_proto::{EngineMessage, RequestId};

use super::{Answer, series, world};
use crate::limits;
use crate::metainfo::testing::torrent;
use crate::sim::seeder::Behaviour;
use crate::sim::world::World;

/// Returns the updates of a stream so far.
fn updates(answer: &Answer) -> Vec<Value> {
    let data = answer.body.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).expect("an update is JSON")).collect()
}

fn intend(world: &mut World, intent: &Value) -> RequestId {
    world.send("POST", "/host/intents", Some("application/json"), intent.to_string().as_bytes())
}

#[test]
fn a_page_receives_whole_topics_first_and_then_differences() {
    let mut world = World::with_torrent(
        torrent(32 << 10, &[("film.mp4", 2 << 20)]),
        &[Behaviour::honest(1 << 20, 20)],
        7,
    );
    let hash = world.info_hash();
    let target = format!("/host/topics?topic=list&topic=torrent%2F{hash}&topic=nonsense");
    let id = world.send("GET", &target, None, b"");
    world.run_for(Duration::from_millis(10));
    let first = world.heard(id).expect("a stream");
    assert_eq!(
        (first.status, first.header("content-type"), first.goes_on),
        (200, Some("text/event-stream"), true)
    );
    let whole = updates(&first);
    let topics: Vec<_> =
        whole.iter().map(|update| update["topic"].as_str().unwrap().to_owned()).collect();
    assert_eq!(topics, ["list".to_owned(), format!("torrent/{hash}")]);
    assert!(whole.iter().all(|update| update["from"].is_null()), "{whole:?}");
    world.run_for(Duration::from_secs(4));
    let all = updates(&world.heard(id).unwrap());
    for topic in &topics {
        let mine: Vec<_> = all.iter().filter(|update| update["topic"] == topic.as_str()).collect();
        assert!((4..=9).contains(&mine.len()), "{} of {topic} in four seconds", mine.len());
        let follows = |pair: &[&Value]| pair[1]["from"] == pair[0]["revision"];
        assert!(mine.windows(2).all(follows), "each follows the one before: {topic}");
    }
}

#[test]
fn a_quiet_stream_sends_keep_alives_and_ends_with_its_page() {
    let mut world = world(series());
    let id = world.send("GET", "/host/topics?topic=list", None, b"");
    world.run_for(Duration::from_secs(11));
    assert!(world.heard(id).unwrap().body.ends_with(": still here\n\n"));
    world.leave(id);
    let parts = world.heard(id).unwrap().parts;
    world.add_file();
    world.run_for(Duration::from_secs(20));
    assert_eq!(world.heard(id).unwrap().parts, parts);
}

#[test]
fn intents_are_answered_at_once_or_when_done() {
    let mut world = world(series());
    world.add_file();
    world.run_for(Duration::from_millis(10));
    let hash = world.info_hash();
    let paused = intend(&mut world, &json!({ "kind": "pause", "infoHash": hash }));
    let answer = world.heard(paused).expect("at once");
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({ "kind": "done", "infoHash": hash, "message": null, "duplicate": false }))
    );
    let unknown = intend(&mut world, &json!({ "kind": "pause", "infoHash": "00".repeat(20) }));
    let answer = world.heard(unknown).unwrap().json();
    let (message, says) = ("There is no such torrent.", json!({ "code": "no_such_torrent" }));
    assert_eq!(answer, json!({ "kind": "failed", "message": message, "says": says }));
    let removed =
        intend(&mut world, &json!({ "kind": "remove", "infoHash": hash, "deleteData": true }));
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.heard(removed).expect("when it is gone").json()["kind"], "done");
    let nonsense = intend(&mut world, &json!({ "kind": "explode" }));
    assert_eq!(world.heard(nonsense).unwrap().status, 400);
}

#[test]
fn a_long_intent_keeps_its_call_alive() {
    let mut world = world(series());
    // The simulated daemon downloads nothing.
    let id =
        intend(&mut world, &json!({ "kind": "add_url", "url": "http://127.0.0.1:1/a.torrent" }));
    world.run_for(Duration::from_secs(25));
    if world.heard(id).is_none() {
        let renewed = |answer: &&EngineMessage| match answer {
            EngineMessage::RangeBlock { request_id, .. } => *request_id == id,
            _ => false,
        };
        assert!(world.answers.iter().filter(renewed).count() >= 2);
    }
}

#[test]
fn pieces_are_summed_up_in_the_requested_number_of_cells() {
    let mut world = World::with_torrent(
        torrent(32 << 10, &[("film.mp4", 2 << 20)]),
        &[Behaviour::honest(1 << 20, 20)],
        7,
    );
    world.run_for(Duration::from_secs(5));
    let hash = world.info_hash();
    let pieces = world.call("GET", &format!("/host/pieces?torrent={hash}&file=0&cells=8")).json();
    assert_eq!(pieces["verified"], json!([255, 255, 255, 255, 255, 255, 255, 255]));
    let none = world.call("GET", &format!("/host/pieces?torrent={hash}&file=7&cells=8"));
    assert_eq!((none.status, none.json()), (200, Value::Null));
    for query in [
        "",
        "torrent=x&file=0&cells=8",
        &format!("torrent={hash}&file=-1&cells=8"),
        &format!("torrent={hash}&file=0"),
    ] {
        assert_eq!(world.call("GET", &format!("/host/pieces?{query}")).status, 400, "{query}");
    }
}

#[test]
fn streams_and_their_number_are_bounded() {
    let mut world = world(series());
    let many: String = (0..101).map(|index| format!("topic=film%2Fx%2F{index}&")).collect();
    assert_eq!(world.call("GET", &format!("/host/topics?{many}")).status, 400);
    for _ in 0..limits::API_FOLLOWERS {
        assert_eq!(world.call("GET", "/host/topics").status, 200);
    }
    assert_eq!(world.call("GET", "/host/topics?topic=list").failure(), (503, "busy".into()));
}
