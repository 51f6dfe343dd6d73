//! Calls about a torrent's files, each with valid and invalid bodies.

use std::time::Duration;

use super::proof::Proof;
use crate::sim::world::World;

const ADOPT: &str = "/torrents/{infoHash}/adopt";

/// Makes calls about files. The torrents are one that exists, an unknown one, and one with an
/// invalid hash.
pub(super) fn prove_keeping(proof: &mut Proof, world: &mut World, hashes: &[&str]) {
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
pub(super) fn prove_keeping_early(proof: &mut Proof, world: &mut World, hash: &str) {
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
pub(super) fn prove_playlists(proof: &mut Proof, world: &mut World, hash: &str) {
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
