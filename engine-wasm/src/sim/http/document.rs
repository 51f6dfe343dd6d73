//! Checks `openapi.json`: its paths and methods equal the router's, and every reply has exactly the
//! documented fields.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use shared_proto::DaemonMessage;
use shared_proto::io::{MappedBy, Mapping};

use super::{Answer, series, world};
use crate::api::openapi::DOCUMENT;
use crate::api::route::ROUTES;
use crate::config::Config;
use crate::io::Input;
use crate::metainfo::testing::{torrent, torrent_with_trackers};
use crate::net::NetConfig;
use crate::sim::seeder::Behaviour;
use crate::sim::world::World;

/// A path outside the API whose failures are documented.
const STREAM: &str = "/stream/{infoHash}/{fileName}";

fn document() -> Value {
    serde_json::from_str(DOCUMENT).expect("the document is JSON")
}

/// Returns how a value violates its schema, and records the parts of the document that were used.
fn differences(
    document: &Value,
    schema: &Value,
    value: &Value,
    at: &str,
    seen: &mut BTreeSet<String>,
) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = document
            .pointer(name.trim_start_matches('#'))
            .unwrap_or_else(|| panic!("{name} is not there"));
        return differences(
            document,
            schema,
            value,
            name.rsplit('/').next().unwrap_or_default(),
            seen,
        );
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let tries = choices.iter().map(|schema| {
            let mut noted = seen.clone();
            (differences(document, schema, value, at, &mut noted), noted)
        });
        let Some((_, noted)) = tries.into_iter().find(|(wrong, _)| wrong.is_empty()) else {
            return vec![format!("{at}: none fits {value}")];
        };
        *seen = noted;
        return Vec::new();
    }
    if !types(schema).contains(&kind(value)) {
        return vec![format!("{at}: {value} is not {}", schema["type"])];
    }
    let mut wrong = Vec::new();
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        wrong.push(format!("{at}: {value} is not among {allowed:?}"));
    }
    let number = value.as_f64().unwrap_or(0.0);
    if schema["minimum"].as_f64().is_some_and(|least| number < least)
        || schema["maximum"].as_f64().is_some_and(|most| number > most)
    {
        wrong.push(format!("{at}: {value} is out of bounds"));
    }
    for item in value.as_array().into_iter().flatten() {
        wrong.extend(differences(document, &schema["items"], item, at, seen));
    }
    if let (Some(fields), Some(properties)) = (value.as_object(), schema["properties"].as_object())
    {
        for (name, value) in fields {
            let Some(schema) = properties.get(name) else {
                wrong.push(format!("{at}: {name} is not documented"));
                continue;
            };
            seen.insert(format!("{at}.{name}"));
            wrong.extend(differences(document, schema, value, &format!("{at}.{name}"), seen));
        }
        let required =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        wrong.extend(
            required
                .filter(|name| !fields.contains_key(*name))
                .map(|name| format!("{at}: no {name}")),
        );
    }
    wrong
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => panic!("a schema without a type: {schema}"),
    }
    .into_iter()
    .flat_map(|name| if name == "number" { vec!["number", "integer"] } else { vec![name] })
    .collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Calls made, and the parts of the document that they confirmed.
struct Proof {
    document: Value,
    seen: BTreeSet<String>,
    answers: BTreeSet<String>,
}

impl Proof {
    fn new() -> Self {
        Self { document: document(), seen: BTreeSet::new(), answers: BTreeSet::new() }
    }

    /// Checks that a reply is documented for this path and method and has the documented form.
    fn check(&mut self, path: &str, method: &str, answer: &Answer) {
        let what = format!("{method} {path} {}", answer.status);
        let responses = &self.document["paths"][path][method]["responses"];
        let response = responses
            .get(answer.status.to_string())
            .unwrap_or_else(|| panic!("{what} is not documented"));
        self.answers.insert(what.clone());
        let Some(content) = response["content"].as_object() else {
            return assert_eq!(answer.body, "", "{what}");
        };
        let content_type = answer
            .header("content-type")
            .expect("a body has a type")
            .split(';')
            .next()
            .unwrap_or("");
        let form = content
            .get(content_type)
            .unwrap_or_else(|| panic!("{what}: {content_type} is not documented"));
        let value = match content_type {
            "application/json" => answer.json(),
            "text/event-stream" => {
                let data = answer
                    .body
                    .lines()
                    .find_map(|line| line.strip_prefix("data: "))
                    .expect("an event has data");
                serde_json::from_str(data).expect("an event is JSON")
            }
            _ => return,
        };
        let wrong = differences(&self.document, &form["schema"], &value, "body", &mut self.seen);
        assert!(wrong.is_empty(), "{what}: {wrong:#?}");
    }
}

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
    world.free = 1 << 20;
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

const ADOPT: &str = "/torrents/{infoHash}/adopt";

/// Calls about files of a torrent, of an invalid hash, and of an unknown torrent.
fn prove_keeping(proof: &mut Proof, world: &mut World, hashes: &[&str]) {
    let (files, recheck) = ("/torrents/{infoHash}/files", "/torrents/{infoHash}/recheck");
    let huge = vec![b' '; 10_000];
    for hash in hashes {
        prove_preparing(
            proof,
            world,
            hash,
            &[b"", b"{\"seconds\": 1.5, \"durationS\": 90}", b"{\"seconds\": 1}", &huge],
        );
        prove_moving(
            proof,
            world,
            hash,
            &[b"{\"folder\": \"films\"}", b"{\"root\": \"x\"}", &huge],
        );
        let answer = world.give("PATCH", &files.replace("{infoHash}", hash), WANT);
        proof.check(files, "patch", &answer);
        proof.check(ADOPT, "post", &world.call("POST", &ADOPT.replace("{infoHash}", hash)));
        prove_watched(
            proof,
            world,
            hash,
            &[b"{\"positionS\": 1.5, \"durationS\": 100}", b"{\"positionS\": -1}", &huge],
        );
        for method in ["POST", "DELETE"] {
            let answer = world.call(method, &recheck.replace("{infoHash}", hash));
            proof.check(recheck, &method.to_lowercase(), &answer);
        }
        prove_deciding(
            proof,
            world,
            hash,
            &[b"{\"choice\": \"download\"}", b"{}", &vec![b' '; 7 << 20]],
        );
        for path in ["/torrents/{infoHash}/pause", "/torrents/{infoHash}/resume"] {
            proof.check(path, "post", &world.call("POST", &path.replace("{infoHash}", hash)));
        }
    }
    for body in [
        &b"[{\"index\": 1, \"priority\": \"high\"}]"[..],
        b"[{\"index\": 0}]",
        &vec![b' '; 7 << 20],
    ] {
        let answer = world.give("PATCH", &files.replace("{infoHash}", hashes[0]), body);
        proof.check(files, "patch", &answer);
    }
}

/// Calls about files of a magnet link without metadata.
fn prove_keeping_early(proof: &mut Proof, world: &mut World, hash: &str) {
    let (files, recheck) = ("/torrents/{infoHash}/files", "/torrents/{infoHash}/recheck");
    prove_deciding(proof, world, hash, &[b"{\"choice\": \"download\"}"]);
    prove_moving(proof, world, hash, &[b"{}"]);
    prove_watched(proof, world, hash, &[b"{}"]);
    prove_preparing(proof, world, hash, &[b""]);
    let answer = world.give("PATCH", &files.replace("{infoHash}", hash), WANT);
    proof.check(files, "patch", &answer);
    proof.check(ADOPT, "post", &world.call("POST", &ADOPT.replace("{infoHash}", hash)));
    for method in ["POST", "DELETE"] {
        let answer = world.call(method, &recheck.replace("{infoHash}", hash));
        proof.check(recheck, &method.to_lowercase(), &answer);
    }
}

/// Calls that change a torrent's state.
fn prove_deciding(proof: &mut Proof, world: &mut World, hash: &str, bodies: &[&[u8]]) {
    let decision = "/torrents/{infoHash}/decision";
    for body in bodies {
        proof.check(decision, "put", &world.put(&decision.replace("{infoHash}", hash), body));
    }
}

/// Calls for playlists in each form.
fn prove_playlists(proof: &mut Proof, world: &mut World, hash: &str) {
    for path in ["playlist.m3u", "playlist.m3u8", "files/{index}/playlist.m3u"] {
        let path = format!("/torrents/{{infoHash}}/{path}");
        let answer = world.call("GET", &path.replace("{infoHash}", hash).replace("{index}", "0"));
        proof.check(&path, "get", &answer);
    }
}

/// Calls that report the watched position.
fn prove_watched(proof: &mut Proof, world: &mut World, hash: &str, bodies: &[&[u8]]) {
    let path = "/torrents/{infoHash}/files/{index}/watched";
    for body in bodies {
        let answer = world.put(&path.replace("{infoHash}", hash).replace("{index}", "0"), body);
        proof.check(path, "put", &answer);
    }
}

/// Calls that move a torrent and rename a file.
fn prove_moving(proof: &mut Proof, world: &mut World, hash: &str, bodies: &[&[u8]]) {
    let (location, name) =
        ("/torrents/{infoHash}/location", "/torrents/{infoHash}/files/{index}/name");
    for body in bodies {
        let id = world.send(
            "PUT",
            &location.replace("{infoHash}", hash),
            Some("application/json"),
            body,
        );
        world.run_for(Duration::from_millis(100));
        proof.check(location, "put", &world.heard(id).expect("it is answered"));
        let body = if body.len() < 100 { &b"\"renamed.mp4\""[..] } else { body };
        let path = name.replace("{infoHash}", hash).replace("{index}", "0");
        let id = world.send("PUT", &path, Some("application/json"), body);
        world.run_for(Duration::from_millis(100));
        proof.check(name, "put", &world.heard(id).expect("it is answered"));
    }
}

/// Calls that prepare a file.
fn prove_preparing(proof: &mut Proof, world: &mut World, hash: &str, bodies: &[&[u8]]) {
    let prepare = "/torrents/{infoHash}/files/{index}/prepare";
    for body in bodies {
        let answer =
            world.give("POST", &prepare.replace("{infoHash}", hash).replace("{index}", "0"), body);
        proof.check(prepare, "post", &answer);
    }
}

const WANT: &[u8] = b"[{\"index\": 0, \"priority\": \"high\"}]";

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
