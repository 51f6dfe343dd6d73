//! Calls and their exact replies.

use std::time::Duration;

use serde_json::{Value, json};

use super::{HOST, series, world};
use crate::config::Config;
use crate::engine::Engine;
use crate::metainfo::testing::torrent;
use crate::sim::seeder::{Behaviour, Describes};
use crate::sim::world::World;
use crate::view::Intent;

#[test]
fn adding_a_torrent_file_returns_its_files() {
    let mut world = world(torrent(32 << 10, &[("Ein Film.mp4", 100_000)]));
    let answer = world.add_file();
    let (hash, body) = (world.info_hash(), answer.json());
    let url = body["files"][0]["url"].as_str().unwrap().to_owned();
    let (stem, key) = url.split_once("?key=").expect("a URL carries its key");
    assert_eq!(stem, format!("http://{HOST}/stream/{hash}.0"));
    assert_eq!(key.len(), 32);
    let expected = json!({
        "infoHash": hash,
        "name": "Ein Film.mp4",
        "duplicate": false,
        "fileCount": 1,
        "files": [{
            "index": 0, "name": "Ein Film.mp4", "path": "Ein Film.mp4", "length": 100_000,
            "type": "video/mp4", "playable": true, "url": url,
        }],
    });
    assert_eq!((answer.status, body), (200, expected));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn a_torrent_with_too_many_files_for_the_reply_is_reported_as_added() {
    let folders = vec!["d".repeat(250); 10].join("/");
    let paths: Vec<String> = (0..7_000).map(|number| format!("{folders}/{number}")).collect();
    let files: Vec<(&str, usize)> = paths.iter().map(|path| (path.as_str(), 1)).collect();
    let mut world = world(torrent(32 << 10, &files));
    let (hash, answer) = (world.info_hash(), world.add_file());
    let body = answer.json();
    let listed = body["files"].as_array().map(Vec::len);
    assert_eq!(
        (answer.status, &body["infoHash"], &body["fileCount"]),
        (200, &json!(hash), &json!(7_000))
    );
    assert_eq!(listed, Some(0));
    assert_eq!(world.engine.snapshot(world.now).torrents.len(), 1);
}

#[test]
fn the_cost_of_adding_is_linear_in_the_number_of_files() {
    let work = |count: usize| {
        let paths: Vec<String> = (0..count).map(|number| format!("{number}")).collect();
        let files: Vec<(&str, usize)> = paths.iter().map(|path| (path.as_str(), 10)).collect();
        let mut world = world(torrent(32 << 10, &files));
        let before = crate::geometry::spans_walked();
        assert_eq!(world.add_file().json()["files"].as_array().map(Vec::len), Some(count));
        world.run_for(Duration::from_secs(1));
        crate::geometry::spans_walked() - before
    };
    let (one, twice) = (work(1_000), work(2_000));
    assert!(twice < one * 5 / 2, "{one} steps, and {twice} for twice as many files");
}

#[test]
fn adding_twice_gives_the_same_reply_and_adds_nothing() {
    let mut world = world(series());
    let first = world.add_file();
    let second = world.add_file();
    let again = first.body.replace("\"duplicate\":false", "\"duplicate\":true");
    assert_ne!(first.body, again, "the first one was new");
    assert_eq!((first.status, &again), (second.status, &second.body));
    let link = format!("/add/magnet%3A%3Fxt%3Durn%3Abtih%3A{}", world.info_hash());
    assert_eq!(world.call("GET", &link).body, again);
    assert_eq!(world.engine.snapshot(world.now).torrents.len(), 1);
}

#[test]
fn a_magnet_link_is_answered_when_its_metadata_arrives() {
    let link =
        |world: &World| format!("magnet:?xt=urn:btih:{}&x.pe=127.0.0.1:1", world.info_hash());
    let sample = torrent(1 << 10, &[("film.mp4", 300_000)]);
    for form in ["encoded", "plain", "json"] {
        let mut world =
            World::new(sample.clone(), &[Behaviour::describing(Describes::Honestly)], 61);
        world.run_for(Duration::from_millis(10));
        let id = match form {
            "encoded" => {
                let encoded = link(&world)
                    .replace(':', "%3A")
                    .replace('?', "%3F")
                    .replace('=', "%3d")
                    .replace('&', "%26");
                world.send("GET", &format!("/add/{encoded}"), None, b"")
            }
            "plain" => world.send("GET", &format!("/add/{}", link(&world)), None, b""),
            _ => {
                let body = json!({ "magnet": link(&world), "keep": true }).to_string();
                world.send("POST", "/add", Some("Application/JSON; charset=utf-8"), body.as_bytes())
            }
        };
        assert!(world.heard(id).is_none(), "{form}: answered before it is described");
        let took =
            world.run_until_within(Duration::from_secs(30), |world| world.heard(id).is_some());
        assert!(took.is_some(), "{form}: it is answered");
        let answer = world.heard(id).unwrap();
        assert_eq!(
            (answer.status, &answer.json()["files"][0]["length"]),
            (200, &json!(300_000)),
            "{form}"
        );
        let listed = world.call("GET", "/torrents").json();
        assert_eq!(listed["torrents"][0]["temporary"], json!(form != "json"), "{form}");
    }
}

#[test]
fn a_torrent_is_returned_with_state_files_and_streams() {
    let mut world = World::with_torrent(
        torrent(32 << 10, &[("film.mp4", 2 << 20)]),
        &[Behaviour::honest(1 << 18, 20)],
        62,
    );
    let request = world.ask(0, 1 << 20, (2 << 20) - 1);
    world.run_for(Duration::from_millis(300));
    let body = world.call("GET", &format!("/torrents/{}", world.info_hash())).json();
    assert_eq!(body["state"], json!("downloading"));
    assert_eq!(
        (&body["peers"], &body["temporary"], &body["length"]),
        (&json!(1), &json!(false), &json!(2 << 20))
    );
    assert_eq!(body["streams"][0]["position"], json!(1 << 20));
    assert_eq!(
        (&body["streams"][0]["fileIndex"], &body["streams"][0]["end"]),
        (&json!(0), &json!((2 << 20) - 1))
    );
    world.leave(request);
    world.run_until_within(Duration::from_secs(30), World::is_complete).expect("it completes");
    // A torrent is complete only after its files were inspected.
    world.run_for(Duration::from_millis(10));
    let body = world.call("GET", &format!("/torrents/{}", world.info_hash().to_uppercase())).json();
    assert_eq!(
        (&body["state"], &body["progress"], &body["streams"]),
        (&json!("complete"), &json!(1.0), &json!([]))
    );
    assert_eq!(
        (&body["files"][0]["verified"], &body["files"][0]["progress"]),
        (&json!(2 << 20), &json!(1.0))
    );
}

#[test]
fn names_in_urls_resolve_to_files() {
    let mut world = world(series());
    world.add_file();
    let hash = world.info_hash();
    let mut check = |name: &str, expected: Result<u32, u16>| {
        let (file, status, body) = world.resolve(&format!("{hash}/{name}"));
        let expected = expected.map(|index| format!("{hash}.{index}"));
        assert_eq!(file.ok_or(status.unwrap_or(0)), expected, "{name}: {body}");
        if let Err(status) = expected {
            assert!(body.contains("\"error\":") && body.contains("\"code\":"), "{status}: {body}");
        }
    };
    check("Sample/S1/one%20two.mkv", Ok(0));
    check("Sample%2FS2%2Fone%20two.mkv", Ok(2));
    check("S2/one two.mkv", Ok(2));
    check("notes.txt", Ok(1));
    check("%C3%BC%26%23%25.mp3", Ok(3));
    check("7", Ok(4));
    check("3", Ok(3));
    check("one%20two.mkv", Err(409));
    check("S3/one%20two.mkv", Err(404));
    check("03", Err(404));
    check("5", Err(404));
    check("", Err(404));
    let (_, _, body) = world.resolve(&format!("{hash}/one%20two.mkv"));
    let body: Value = serde_json::from_str(&body).unwrap();
    let fits = json!([
        { "index": 0, "path": "Sample/S1/one two.mkv" },
        { "index": 2, "path": "Sample/S2/one two.mkv" },
    ]);
    assert_eq!((&body["code"], &body["files"]), (&json!("ambiguous"), &fits));
}

#[test]
fn a_playlist_lists_the_playable_files() {
    let mut world = world(series());
    world.add_file();
    let hash = world.info_hash();
    let answer = world.call("GET", &format!("/torrents/{hash}/playlist.m3u"));
    assert_eq!(answer.header("content-type"), Some("audio/x-mpegurl; charset=utf-8"));
    let lines: Vec<&str> =
        answer.body.lines().map(|line| line.split("?key=").next().unwrap()).collect();
    let [one, two, three] = [0, 2, 3].map(|index| format!("http://{HOST}/stream/{hash}.{index}"));
    let expected = [
        "#EXTM3U",
        "#EXTINF:-1,one two.mkv",
        &one,
        "#EXTINF:-1,one two.mkv",
        &two,
        "#EXTINF:-1,ü&#%.mp3",
        &three,
    ];
    assert_eq!(lines, expected);
    assert_eq!(world.call("GET", &format!("/torrents/{hash}/playlist.m3u8")).body, answer.body);
    let alone = world.call("GET", &format!("/torrents/{hash}/files/2/playlist.m3u")).body;
    assert!(alone.lines().count() == 3 && alone.contains(&two), "{alone}");
    assert_eq!(
        world.call("GET", &format!("/torrents/{hash}/files/5/playlist.m3u")).failure(),
        (404, "not_found".into())
    );
}

#[test]
fn a_removed_torrent_is_gone_and_its_data_only_if_requested() {
    for (query, leaves_files) in [("", true), ("?data=0", true), ("?data=1", false)] {
        let mut world = World::with_torrent(series(), &[Behaviour::honest(1 << 20, 10)], 60);
        world.run_for(Duration::from_secs(2));
        let path = format!("/torrents/{}", world.info_hash());
        let id = world.send("DELETE", &format!("{path}{query}"), None, b"");
        // The files are deleted before the reply.
        world.run_for(Duration::from_millis(10));
        let answer = world.heard(id).expect("an answer");
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
        assert_eq!((world.has_state(), world.has_files()), (false, leaves_files), "{query}");
        assert_eq!(world.call("GET", &path).failure(), (404, "not_found".into()));
        assert_eq!(world.call("DELETE", &path).failure(), (404, "not_found".into()));
    }
}

#[test]
fn calls_select_and_recheck_files() {
    let mut world = World::new(
        torrent(32 << 10, &[("a", 4 << 20), ("b", 100_000)]),
        &[Behaviour::honest(4 << 20, 10)],
        65,
    );
    world.run_for(Duration::from_millis(10));
    world.add_file();
    let path = format!("/torrents/{}", world.info_hash());
    let answer =
        world.give("PATCH", &format!("{path}/files"), b"[{\"index\": 1, \"priority\": \"skip\"}]");
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    world.name_seeders();
    world.run_for(Duration::from_secs(10));
    let body = world.call("GET", &path).json();
    assert_eq!(
        (&body["state"], &body["wanted"], &body["wantedVerified"]),
        (&json!("complete"), &json!(4 << 20), &json!(4 << 20))
    );
    assert_eq!(
        (&body["files"][1]["priority"], &body["checkProgress"]),
        (&json!("skip"), &json!(null))
    );
    let digests = world.daemon.digests;
    assert_eq!(world.call("POST", &format!("{path}/recheck")).status, 204);
    assert!(world.call("GET", &path).json()["checkProgress"].is_number());
    world.run_for(Duration::from_secs(5));
    let body = world.call("GET", &path).json();
    assert_eq!((&body["state"], &body["checkProgress"]), (&json!("complete"), &json!(null)));
    assert!(world.daemon.digests >= digests + 128, "{digests} and then {}", world.daemon.digests);
    assert_eq!(
        world.call("DELETE", &format!("{path}/recheck")).status,
        204,
        "there is nothing to call off"
    );
}

#[test]
fn calls_read_and_set_watch_marks() {
    let mut world = world(series());
    world.add_file();
    let path = format!("/torrents/{}", world.info_hash());
    let of = |world: &mut World, index: u32| {
        let body = world.call("GET", &path).json();
        let files = body["files"].as_array().expect("files").clone();
        let file =
            files.into_iter().find(|file| file["index"] == json!(index)).expect("such a file");
        (json!([file["positionS"], file["durationS"], file["watched"]]), body["next"].clone())
    };
    let next = |index: u32, position_s: f64| {
        json!({
            "index": index, "name": "one two.mkv", "positionS": position_s,
            "resumes": position_s > 0.0,
        })
    };
    assert_eq!(of(&mut world, 0), (json!([0.0, null, false]), next(0, 0.0)));
    let put = |world: &mut World, index: u32, body: &[u8]| {
        world.put(&format!("{path}/files/{index}/watched"), body)
    };
    assert_eq!(put(&mut world, 0, b"{\"positionS\": 61.5, \"durationS\": 3000}").status, 204);
    assert_eq!(of(&mut world, 0), (json!([61.5, 3000.0, false]), next(0, 61.5)));
    assert_eq!(put(&mut world, 0, b"{\"watched\": true}").status, 204);
    assert_eq!(of(&mut world, 0), (json!([0.0, 3000.0, true]), next(2, 0.0)));
    assert_eq!(put(&mut world, 5, b"{\"watched\": true}").failure(), (400, "unusable".into()));
    assert_eq!(put(&mut world, 0, b"{\"seen\": true}").failure(), (400, "malformed".into()));
}

#[test]
fn wrong_methods_get_the_list_of_allowed_ones() {
    let mut world = world(series());
    let hash = world.info_hash();
    let mut check = |method: &str, path: &str, allow: &str| {
        let answer = world.call(method, path);
        assert_eq!(answer.failure(), (405, "method_not_allowed".into()), "{method} {path}");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    };
    check("POST", "/torrents", "GET, HEAD");
    check("GET", "/add", "POST");
    check("HEAD", "/add/magnet%3A", "GET");
    check("PUT", &format!("/torrents/{hash}"), "GET, HEAD, DELETE");
    check("GET", &format!("/torrents/{hash}/files"), "PATCH");
    check("PUT", &format!("/torrents/{hash}/recheck"), "POST, DELETE");
    check("OPTIONS", "/events", "GET, HEAD");
}

#[test]
fn a_full_engine_refuses_further_torrents() {
    let mut world = world(series());
    let mut config = Config::default();
    config.api.max_torrents = 1;
    world.unlink();
    world.engine = Engine::new(config, [3; 32], world.now);
    world.link();
    world.run_for(Duration::from_millis(10));
    assert_eq!(world.add_file().status, 200);
    let other = torrent(32 << 10, &[("other.mp4", 5)]);
    let answer = world.post("application/x-bittorrent", &other.torrent);
    assert_eq!(answer.failure(), (429, "full".into()));
    assert_eq!(answer.header("retry-after"), Some("60"));
    let link = format!("/add/magnet%3A%3Fxt%3Durn%3Abtih%3A{}", other.metainfo.info_hash);
    assert_eq!(world.call("GET", &link).failure(), (429, "full".into()));
    assert_eq!(world.add_file().status, 200, "what is there is answered");
}

#[test]
fn followers_receive_status_changes_and_keep_alives() {
    let mut world = world(series());
    let id = world.send("GET", "/events", None, b"");
    let first = world.heard(id).expect("the status comes at once");
    assert_eq!((first.status, first.goes_on), (200, true));
    assert_eq!(first.header("content-type"), Some("text/event-stream"));
    assert_eq!(
        first.body,
        "retry: 2000\ndata: {\"torrents\":[],\"listenPort\":null,\"portMapping\":null,\
         \"notices\":[]}\n\n"
    );
    world.run_for(Duration::from_secs(14));
    assert_eq!(world.heard(id).unwrap().parts, 1);
    world.run_for(Duration::from_secs(2));
    assert!(world.heard(id).unwrap().body.ends_with(": still here\n\n"));
    world.add_file();
    world.run_for(Duration::from_millis(600));
    let body = world.heard(id).unwrap().body;
    let status: Value =
        serde_json::from_str(body.trim_end().rsplit("data: ").next().unwrap()).unwrap();
    assert_eq!(status["torrents"][0]["infoHash"], json!(world.info_hash()));
    world.leave(id);
    let parts = world.heard(id).unwrap().parts;
    world.intend(Intent::Pause { info_hash: world.info_hash() });
    world.run_for(Duration::from_secs(20));
    assert_eq!(world.heard(id).unwrap().parts, parts, "nothing is sent to a closed call");
}

#[test]
fn a_busy_swarm_sends_at_most_two_updates_a_second() {
    let mut world = World::with_torrent(
        torrent(32 << 10, &[("film.mp4", 8 << 20)]),
        &[Behaviour::honest(1 << 20, 20)],
        63,
    );
    let id = world.send("GET", "/events", None, b"");
    world.run_for(Duration::from_secs(4));
    let parts = world.heard(id).unwrap().parts;
    assert!((6..=9).contains(&parts), "{parts} in four seconds");
}

#[test]
fn a_call_before_the_state_is_loaded_is_answered_afterwards() {
    let mut world = World::new(series(), &[], 64);
    let id = world.send("GET", "/torrents", None, b"");
    assert!(world.heard(id).is_none());
    world.run_for(Duration::from_millis(10));
    assert_eq!(world.heard(id).expect("it is answered").json()["torrents"], json!([]));
}
