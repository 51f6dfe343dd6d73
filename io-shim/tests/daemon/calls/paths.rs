//! Files by their path instead of their id.

use std::time::Duration;

use shared_proto::EngineMessage;

use super::{BEARER, BY_NAME, TOKEN, call, check_failure, resolved, rig};
use crate::rig::film;

#[tokio::test]
async fn a_file_is_served_by_its_path_just_as_by_its_id() {
    let (rig, mut brain) = rig().await;
    rig.folders.write("film.mp4", &film(5_000));
    brain.announce("film", "film.mp4", 5_000).await;
    let mut viewer = rig.send("GET", BY_NAME, &[BEARER, ("Range", "bytes=100-199")]).await;
    assert_eq!(
        resolved(&mut brain, Some("film"), None, None).await,
        "0123abcd/Big%20Film%2Fpart.mp4"
    );
    let (id, start, end) = brain.asked().await;
    assert_eq!((start, end), (100, 199));
    brain.available(id).await;
    let reply = viewer.reply().await;
    assert_eq!(
        (reply.status, reply.headers["content-range"].as_str()),
        (206, "bytes 100-199/5000")
    );
    assert_eq!(reply.body, film(5_000)[100..200]);
    let target = format!("{BY_NAME}?token={TOKEN}");
    let mut viewer = rig.send("HEAD", &target, &[("Sec-Fetch-Site", "cross-site")]).await;
    resolved(&mut brain, Some("film"), None, None).await;
    let head = viewer.head().await;
    assert_eq!((head.status, head.headers["content-length"].as_str()), (200, "5000"));
    assert_eq!(
        (head.headers["etag"].as_str(), head.headers["accept-ranges"].as_str()),
        ("\"v1\"", "bytes")
    );
    let mut viewer = rig.send("GET", BY_NAME, &[BEARER, ("If-None-Match", "\"v1\"")]).await;
    resolved(&mut brain, Some("film"), None, None).await;
    assert_eq!(viewer.head().await.status, 304);
    rig.metric_becomes("jstorrent_calls", 0).await;
}

#[tokio::test]
async fn without_a_file_the_engines_words_are_the_reply() {
    let (rig, mut brain) = rig().await;
    let mut viewer = call(&rig, "GET", BY_NAME).await;
    resolved(&mut brain, None, None, None).await;
    check_failure(&viewer.reply().await, 404, "not_found");
    let mut viewer = call(&rig, "GET", BY_NAME).await;
    resolved(&mut brain, None, Some(409), Some("{\"files\":[1,2]}")).await;
    let reply = viewer.reply().await;
    assert_eq!((reply.status, reply.text().as_str()), (409, "{\"files\":[1,2]}"));
    let mut viewer = call(&rig, "POST", BY_NAME).await;
    assert_eq!(viewer.reply().await.status, 405);
    brain.hears_no_call().await;
    let waiting = call(&rig, "GET", BY_NAME).await;
    let (id, _) = brain.called().await;
    waiting.leave();
    brain.cancelled(id).await;
}

#[tokio::test]
async fn a_path_opens_to_the_files_key_and_guessing_reveals_no_names() {
    let (rig, mut brain) = rig().await;
    rig.folders.write("film.mp4", &film(5_000));
    rig.folders.write("other.mp4", &film(10));
    brain.announce("film", "film.mp4", 5_000).await;
    let mut other = brain.announcement("other", "other.mp4", 10);
    if let EngineMessage::FileAnnounce { key, .. } = &mut other {
        *key = "key-of-the-other".into();
    }
    brain.tell(other).await;
    tokio::time::sleep(Duration::from_millis(450)).await;
    let with_key = format!("{BY_NAME}?key=key-of-the-film");
    // As with a film by its id, any page with the key may embed it.
    let mut viewer = rig
        .send("GET", &with_key, &[("Range", "bytes=0-9"), ("Sec-Fetch-Site", "cross-site")])
        .await;
    resolved(&mut brain, Some("film"), None, None).await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    let reply = viewer.reply().await;
    assert_eq!((reply.status, &reply.body[..]), (206, &film(5_000)[..10]));
    assert_eq!(reply.headers["cross-origin-resource-policy"], "cross-origin");
    let mut refusals = Vec::new();
    for (key, to) in [
        ("key-of-the-other", Some("film")),
        ("", Some("film")),
        ("key-of-the-film", Some("other")),
        ("key-of-the-film", None),
    ] {
        for method in ["GET", "HEAD"] {
            let mut viewer = rig.send(method, &format!("{BY_NAME}?key={key}"), &[]).await;
            resolved(&mut brain, to, Some(409), Some("{\"files\":[1,2]}")).await;
            if method == "HEAD" {
                assert_eq!(viewer.head().await.status, 403, "{key} {to:?}");
                continue;
            }
            let reply = viewer.reply().await;
            assert_eq!(reply.status, 403, "{key} {to:?}");
            refusals.push((reply.body, reply.headers.get("content-type").cloned()));
        }
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "no file, two files and a wrong key look alike: {refusals:?}");
}
