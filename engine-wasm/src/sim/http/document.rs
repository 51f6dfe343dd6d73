//! Checks `openapi.json`: its paths and methods equal the router's, and every reply has exactly the
//! documented fields.

mod files;
mod proof;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use shared_proto::DaemonMessage;
use shared_proto::io::{MappedBy, Mapping};

use self::files::{prove_keeping, prove_keeping_early, prove_playlists};
use self::proof::{Proof, differences, document};
use super::{series, world};
use crate::api::route::ROUTES;
use crate::config::Config;
use crate::io::Input;
use crate::metainfo::testing::{torrent, torrent_with_trackers};
use crate::net::NetConfig;
use crate::sim::seeder::Behaviour;
use crate::sim::world::World;

/// A path outside the API whose failures are documented.
const STREAM: &str = "/stream/{infoHash}/{fileName}";

#[test]
fn paths_and_methods_are_those_of_the_router() {
    let document = document();
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in
            item.as_object().expect("a path has methods").keys().filter(|key| *key != "parameters")
        {
            if path != STREAM {
                documented.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    let routed = ROUTES
        .iter()
        .flat_map(|(path, methods)| methods.iter().map(move |method| format!("{method} {path}")));
    assert_eq!(documented, routed.collect());
}

#[test]
fn every_answer_has_the_documented_form() {
    let mut proof = Proof::new();
    let sample = torrent_with_trackers(
        32 << 10,
        &[("film.mp4", 4 << 20), ("film.de.srt", 900)],
        &["http://t/announce"],
    );
    let net = NetConfig { listen_port: Some(6_881), udp: false, port_mapping: true };
    let config = Config { net, ..Config::default() };
    let mut world = World::configured(config, sample, &[Behaviour::honest(1 << 18, 20)], 80);
    // Slower than the film's bit rate.
    world.daemon.free = 1 << 20;
    world.add();
    world.router_says(&Ok(Mapping { port: 40_000, address: None, by: MappedBy::Upnp }));
    let trouble = Some("the disk is full".to_owned());
    world.hear(Input::Control(DaemonMessage::StateStatus {
        trouble,
        set_aside: Vec::new(),
        begun_anew: 0,
    }));
    world.ask(0, 0, (4 << 20) - 1);
    world.run_for(Duration::from_millis(1_500));
    // One request that gets bytes, and one that waits.
    world.ask(0, 3 << 20, (4 << 20) - 1);
    let hash = world.info_hash();
    let unknown = "0".repeat(40);
    let torrent_path = "/torrents/{infoHash}";
    for path in ["/openapi.json", "/events", "/torrents"] {
        let answer = world.call("GET", path);
        proof.check(path, "get", &answer);
    }
    let id = world.send("GET", "/report", None, b"");
    world.run_for(Duration::from_millis(10));
    proof.check("/report", "get", &world.heard(id).expect("a report"));
    for hash in [&hash, "x", &unknown] {
        let answer = world.call("GET", &format!("/torrents/{hash}"));
        proof.check(torrent_path, "get", &answer);
        prove_playlists(&mut proof, &mut world, hash);
        let answer = world.put(&format!("/torrents/{hash}/sharing"), b"{\"upLimitBps\": 9}");
        proof.check("/torrents/{infoHash}/sharing", "put", &answer);
    }
    for body in [b"{\"down\": 1}".to_vec(), vec![b' '; 10_000]] {
        let answer = world.put(&format!("/torrents/{hash}/sharing"), &body);
        proof.check("/torrents/{infoHash}/sharing", "put", &answer);
    }
    prove_keeping(&mut proof, &mut world, &[&hash, "x", &unknown]);
    let metainfo = world.sample.torrent.clone();
    for (content_type, body) in [
        ("application/x-bittorrent", &metainfo[..]),
        ("application/json", b"{}"),
        ("text/plain", b"x"),
    ] {
        let answer = world.post(content_type, body);
        proof.check("/add", "post", &answer);
    }
    let huge = vec![0; crate::limits::METAINFO + 8];
    let answer = world.post("application/x-bittorrent", &huge);
    proof.check("/add", "post", &answer);
    for link in
        ["x".to_owned(), "x".repeat(70_000), format!("magnet%3A%3Fxt%3Durn%3Abtih%3A{hash}")]
    {
        let answer = world.call("GET", &format!("/add/{link}"));
        proof.check("/add/{magnet}", "get", &answer);
    }
    prove_waiting(&mut proof, &mut world, &unknown);
    for hash in [&hash, "x", &unknown] {
        let answer = world.call("DELETE", &format!("/torrents/{hash}"));
        proof.check(torrent_path, "delete", &answer);
    }
    prove_removing(&mut proof);
    prove_busy(&mut proof);
    let all = all_answers(&proof.document);
    assert_eq!(
        all.difference(&proof.answers).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "documented, never seen"
    );
    let unseen: Vec<String> =
        all_fields(&proof.document).difference(&proof.seen).cloned().collect();
    // Fields of requests, and fields of the daemon's own path.
    let expected = "AddRequest.hold AddRequest.keep AddRequest.magnet Choice.index Choice.path \
        Decision.choice Decision.files Error.files FilePriority.index \
        FilePriority.priority Location.folder Location.name Location.root \
        Position.durationS Position.seconds Sharing.downLimitBps Sharing.ratioPercent \
        Sharing.seedS Sharing.upLimitBps Watched.durationS Watched.positionS \
        Watched.watched";
    assert_eq!(unseen.join(" "), expected);
}

/// The file cannot be deleted, and is not the downloaded one.
fn prove_removing(proof: &mut Proof) {
    let mut world = World::with_torrent(
        torrent(32 << 10, &[("film.mp4", 1 << 20)]),
        &[Behaviour::honest(4 << 20, 10)],
        82,
    );
    world.run_for(Duration::from_secs(5));
    let path = format!("/torrents/{}?data=1", world.info_hash());
    world.disk.is_read_only = true;
    let id = world.send("DELETE", &path, None, b"");
    for path in ["/torrents/{infoHash}/pause", "/torrents/{infoHash}/resume"] {
        let answer = world.call("POST", &path.replace("{infoHash}", &world.info_hash()));
        assert_eq!(answer.status, 409, "it is on its way out");
        proof.check(path, "post", &answer);
    }
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.heard(id).map(|answer| answer.status), Some(409));
    let mut remove = |world: &mut World| {
        let id = world.send("DELETE", &path, None, b"");
        world.run_for(Duration::from_secs(1));
        let answer = world.heard(id).expect("an answer");
        proof.check("/torrents/{infoHash}", "delete", &answer);
        answer.status
    };
    world.disk.is_read_only = true;
    assert_eq!(remove(&mut world), 409);
    world.disk.is_read_only = false;
    let now = world.now;
    world.disk.swap_in(&["film.mp4".to_owned()], vec![9; 1 << 20], now);
    assert_eq!(remove(&mut world), 200);
}

/// Replies to magnet links without metadata and to removed ones.
fn prove_waiting(proof: &mut Proof, world: &mut World, unknown: &str) {
    let link = format!("magnet:?xt=urn:btih:{unknown}");
    for removes in [true, false] {
        let get = world.send("GET", &format!("/add/{link}"), None, b"");
        let body = json!({ "magnet": link }).to_string();
        let post = world.send("POST", "/add", Some("application/json"), body.as_bytes());
        prove_playlists(proof, &mut *world, unknown);
        let sharing = world.put(&format!("/torrents/{unknown}/sharing"), b"{}");
        proof.check("/torrents/{infoHash}/sharing", "put", &sharing);
        prove_keeping_early(proof, world, unknown);
        if removes {
            world.call("DELETE", &format!("/torrents/{unknown}"));
        }
        world.run_for(Duration::from_secs(110));
        proof.check("/add/{magnet}", "get", &world.heard(get).expect("it is answered"));
        proof.check("/add", "post", &world.heard(post).expect("it is answered"));
    }
}

/// Replies when there are too many torrents.
fn prove_busy(proof: &mut Proof) {
    let mut full = world(series());
    let mut config = crate::config::Config::default();
    config.api.max_torrents = 0;
    full.unlink();
    full.engine = crate::engine::Engine::new(config, [3; 32], full.now);
    full.link();
    full.run_for(Duration::from_millis(10));
    let link = |number: usize| format!("magnet:?xt=urn:btih:{number:040}");
    proof.check("/add", "post", &full.add_file());
    proof.check("/add/{magnet}", "get", &full.call("GET", &format!("/add/{}", link(1))));
    let mut busy = world(series());
    for _ in 0..crate::limits::API_FOLLOWERS {
        busy.call("GET", "/events");
    }
    proof.check("/events", "get", &busy.call("GET", "/events"));
    for number in 0..crate::limits::API_WAITING {
        busy.send("GET", &format!("/add/{}", link(number)), None, b"");
    }
    proof.check("/add/{magnet}", "get", &busy.call("GET", &format!("/add/{}", link(200))));
    let body = json!({ "magnet": link(200) }).to_string();
    proof.check("/add", "post", &busy.post("application/json", body.as_bytes()));
}

fn all_answers(document: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (path, item) in
        document["paths"].as_object().expect("paths").iter().filter(|(path, _)| *path != STREAM)
    {
        for (method, call) in
            item.as_object().expect("methods").iter().filter(|(key, _)| *key != "parameters")
        {
            let statuses = call["responses"].as_object().expect("responses").keys();
            all.extend(statuses.map(|status| format!("{method} {path} {status}")));
        }
    }
    all
}

fn all_fields(document: &Value) -> BTreeSet<String> {
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let fields = |(name, schema): (&String, &Value)| {
        let fields: Vec<String> = schema["properties"]
            .as_object()
            .expect("fields")
            .keys()
            .map(|field| format!("{name}.{field}"))
            .collect();
        fields
    };
    schemas.iter().flat_map(fields).collect()
}

#[test]
fn an_unknown_file_name_gets_the_documented_error() {
    let mut world = world(series());
    world.add_file();
    let document = document();
    let hash = world.info_hash();
    let mut seen = BTreeSet::new();
    for (name, expected) in
        [("one%20two.mkv", 409), ("x", 404), ("%", 400), (&"x".repeat(70_000), 414)]
    {
        let (_, status, body) = world.resolve(&format!("{hash}/{name}"));
        assert_eq!(status, Some(expected));
        let response = &document["paths"][STREAM]["get"]["responses"][expected.to_string()];
        let schema = &response["content"]["application/json"]["schema"];
        let body = serde_json::from_str(&body).expect("a failure is JSON");
        assert_eq!(
            differences(&document, schema, &body, "body", &mut seen),
            Vec::<String>::new(),
            "{expected}"
        );
    }
    assert!(seen.contains("Choice.path") && seen.contains("Error.files"));
}

#[test]
fn every_code_is_documented() {
    let document = document();
    let codes = document.pointer("/components/schemas/Error/properties/code/enum").expect("codes");
    let documented: BTreeSet<String> = codes
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|code| code.as_str().map(str::to_owned))
        .collect();
    let real = crate::api::Code::ALL
        .iter()
        .map(|code| json!(code).as_str().expect("a code is a word").to_owned());
    assert_eq!(documented, real.collect());
}
