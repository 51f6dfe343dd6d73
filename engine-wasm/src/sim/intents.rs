//! Every intent is answered once, whether its torrent is there or not.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::seeder::Behaviour;
use super::world::World;
use crate::metainfo::testing::torrent;
use crate::view::{Intent, IntentReply, Sentence, Sharing};
use crate::{Config, settings};

/// Returns the names of all intents. Serde's error about an unknown intent lists them.
fn names() -> Vec<String> {
    let error = serde_json::from_value::<Intent>(json!({ "kind": "" })).expect_err("no such name");
    let text = error.to_string();
    let (_, listed) = text.split_once("expected one of ").expect("serde lists the names");
    listed.split(", ").map(|name| name.trim_matches('`').to_owned()).collect()
}

/// Returns an example of each intent, by its name. The torrent that it is about is left empty.
fn examples() -> BTreeMap<String, Value> {
    let (hash, tracker) = ("", "http://tracker.example/announce");
    let files = json!([{ "index": 0, "priority": "high" }]);
    let examples = json!([
        { "kind": "add_torrent", "metainfo": [] },
        { "kind": "add_magnet", "uri": "magnet:?xt=nothing" },
        { "kind": "add_url", "url": "ftp://example.org/a.torrent" },
        { "kind": "add_peers", "infoHash": hash, "peers": ["192.0.2.1:6881"] },
        { "kind": "set_sharing", "infoHash": hash, "sharing": Sharing::default() },
        { "kind": "configure", "settings": settings::from_config(&Config::default()) },
        { "kind": "pause", "infoHash": hash },
        { "kind": "resume", "infoHash": hash },
        { "kind": "set_priorities", "infoHash": hash, "files": files },
        { "kind": "decide", "infoHash": hash, "choice": "watch", "root": null },
        { "kind": "move_in_queue", "infoHash": hash, "to": "top" },
        { "kind": "announce", "infoHash": hash },
        { "kind": "add_trackers", "infoHash": hash, "trackers": [tracker] },
        { "kind": "remove_tracker", "infoHash": hash, "url": tracker },
        { "kind": "magnet_link", "infoHash": hash },
        { "kind": "torrent_file", "infoHash": hash },
        { "kind": "report", "about": ["a test"] },
        { "kind": "recheck", "infoHash": hash },
        { "kind": "adopt", "infoHash": hash },
        { "kind": "cancel_recheck", "infoHash": hash },
        { "kind": "move", "infoHash": hash, "root": null, "folder": "films", "name": null },
        { "kind": "rename_file", "infoHash": hash, "index": 0, "name": "another.mp4" },
        {
            "kind": "watched", "infoHash": hash, "file": 0, "positionS": 1.5, "durationS": null,
            "watched": null,
        },
        { "kind": "set_watched", "infoHash": hash, "files": [0], "watched": true },
        { "kind": "choose", "infoHash": hash, "choices": { "audio": "en" } },
        { "kind": "prepare", "infoHash": hash, "file": 0 },
        { "kind": "remove", "infoHash": hash, "deleteData": true },
        { "kind": "undo_remove", "infoHash": hash },
        { "kind": "show_in_folder", "infoHash": hash, "file": null },
        { "kind": "set_download_folder", "path": "/films" },
    ]);
    let examples = examples.as_array().expect("a list").iter();
    examples.map(|intent| (intent["kind"].as_str().unwrap().to_owned(), intent.clone())).collect()
}

/// Returns the only answer to an intent in a world with one torrent.
fn answer(intent: &Value, hash: Option<&str>) -> IntentReply {
    let sample = torrent(32 << 10, &[("film.mp4", 1 << 20)]);
    let mut world = World::with_torrent(sample, &[Behaviour::honest(1 << 20, 20)], 61);
    world.run_for(Duration::from_secs(1));
    let mut intent = intent.clone();
    if intent.get("infoHash").is_some() {
        intent["infoHash"] = hash.map_or_else(|| world.info_hash(), str::to_owned).into();
    }
    world.replies.clear();
    world.intend(serde_json::from_value(intent.clone()).expect("an intent"));
    world.run_for(Duration::from_secs(30));
    assert_eq!(world.replies.len(), 1, "{intent}: {:?}", world.replies);
    world.replies.remove(0)
}

#[test]
fn every_intent_has_an_example_here() {
    let mut names = names();
    names.sort();
    assert_eq!(examples().into_keys().collect::<Vec<_>>(), names);
}

#[test]
fn every_intent_is_answered_once() {
    for intent in examples().into_values() {
        answer(&intent, None);
    }
}

#[test]
fn every_intent_about_a_torrent_that_is_not_there_says_so() {
    let unknown = "00".repeat(20);
    for intent in examples().into_values().filter(|intent| intent.get("infoHash").is_some()) {
        let reply = answer(&intent, Some(&unknown));
        let says = match &reply {
            IntentReply::Failed { says, .. } => says.clone(),
            _ => None,
        };
        let expected = match intent["kind"].as_str() {
            // The simulated host has no file manager.
            Some("show_in_folder") => Sentence::NoFolders,
            Some("undo_remove") => Sentence::UndoTooLate,
            _ => Sentence::NoSuchTorrent,
        };
        assert_eq!(says, Some(expected), "{intent}: {reply:?}");
    }
}
