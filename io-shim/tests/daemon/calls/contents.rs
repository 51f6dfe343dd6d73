//! Contents of calls: their type, their length, and their share of the memory.

use shared_proto::DaemonMessage;
use shared_proto::frame::MAX_CONTENT;

use super::{BEARER, check_failure, post, rig};
use crate::rig::{Viewer, soon};

#[tokio::test]
async fn a_body_follows_its_call_with_its_type() {
    let (rig, mut brain) = rig().await;
    let mut client =
        post(&rig, b"\x00\xffd4:info", &[("Content-Type", "application/x-bittorrent")]).await;
    let (id, asked) = brain.called().await;
    let DaemonMessage::HttpCall { method, content_type, content_length, .. } = asked else {
        panic!("{asked:?}")
    };
    assert_eq!((method.as_str(), content_length), ("POST", 9));
    assert_eq!(content_type.as_deref(), Some("application/x-bittorrent"));
    assert_eq!(brain.content(id, 9).await, b"\x00\xffd4:info");
    brain.reply(id, 200, "{}", false).await;
    assert_eq!(client.reply().await.status, 200);
}

#[tokio::test]
async fn as_much_as_a_torrent_file_may_have_passes_and_one_byte_more_does_not() {
    let (rig, mut brain) = rig().await;
    let sent: Vec<u8> = (0..MAX_CONTENT).map(|at| (at % 251).to_le_bytes()[0]).collect();
    let mut client = Viewer::connect(rig.port).await;
    let length = MAX_CONTENT.to_string();
    client.request("POST", "/add", &[BEARER, ("Content-Length", &length)]).await;
    let (mut sending, sent) = (client, std::sync::Arc::new(sent));
    let body = std::sync::Arc::clone(&sent);
    let sending = tokio::spawn(async move {
        sending.send(&body).await;
        sending
    });
    let (id, asked) = brain.called().await;
    assert!(
        matches!(
            asked,
            DaemonMessage::HttpCall { content_length, .. } if content_length == MAX_CONTENT as u64
        ),
        "{asked:?}"
    );
    assert!(brain.content(id, MAX_CONTENT).await == *sent, "the bytes are those that were sent");
    brain.reply(id, 200, "{}", false).await;
    assert_eq!(sending.await.unwrap().reply().await.status, 200);
    let beyond = (MAX_CONTENT + 1).to_string();
    let mut announced = rig.send("POST", "/add", &[BEARER, ("Content-Length", &beyond)]).await;
    check_failure(&announced.reply().await, 413, "too_large");
    let mut chunked = rig.send("POST", "/add", &[BEARER, ("Transfer-Encoding", "chunked")]).await;
    let chunk = [&b"100000\r\n"[..], &[7; 1 << 20], b"\r\n"].concat();
    for _ in 0..=MAX_CONTENT >> 20 {
        chunked.send(&chunk).await;
    }
    assert!(soon(chunked.try_head()).await.is_none_or(|head| head.status == 413));
    brain.hears_no_call().await;
}

#[tokio::test]
async fn unfinished_uploads_do_not_keep_others_out() {
    let (rig, mut brain) = rig().await;
    // More than all uploads together may hold.
    let mut unfinished = Vec::new();
    for _ in 0..17 {
        let mut viewer = rig.send("POST", "/add", &[BEARER, ("Content-Length", "8388608")]).await;
        viewer.send(&vec![7; (8 << 20) - 1]).await;
        unfinished.push(viewer);
    }
    let mut client = post(&rig, &vec![7; 1 << 20], &[]).await;
    let (id, _) = brain.called().await;
    assert_eq!(brain.content(id, 1 << 20).await.len(), 1 << 20);
    brain.reply(id, 200, "{}", false).await;
    assert_eq!(client.reply().await.status, 200);
    check_failure(&soon(unfinished[0].reply()).await, 408, "body");
}
