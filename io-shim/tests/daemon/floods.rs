//! Floods of connections: which of them keep their permits when there are too few.

use crate::rig::{Rig, Viewer, soon};

#[tokio::test]
async fn connections_that_say_nothing_make_room_for_viewers() {
    let rig = Rig::start_with(|settings| settings.max_connections = Some(4)).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(Viewer::connect(rig.port).await);
    }
    // Half a request counts as none.
    for viewer in &mut silent[16..] {
        viewer.send(b"GET /health HTTP/1.1\r\nHost: 127").await;
    }
    for _ in 0..3 {
        assert_eq!(rig.get("/health", &[]).await.status, 200);
    }
    assert!(silent[0].take(1).await.is_empty(), "the one that was silent for longest is closed");
}

#[tokio::test]
async fn when_all_connections_are_busy_a_further_one_is_told_to_come_back() {
    let (rig, mut brain) =
        Rig::with_film_and(10, |settings| settings.max_connections = Some(2)).await;
    let waiting = rig.watch("").await;
    brain.asked().await;
    let mut other = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    let refused = rig.get("/health", &[]).await;
    assert_eq!((refused.status, refused.headers["retry-after"].as_str()), (503, "2"));
    assert_eq!(refused.text(), "too many connections\n");
    waiting.leave();
    soon(async { while rig.get("/health", &[]).await.status != 200 {} }).await;
    brain.available(id).await;
    assert_eq!(
        other.reply().await.body.len(),
        10,
        "a viewer that waits for the engine keeps its permit"
    );
}

#[tokio::test]
async fn a_client_that_reads_nothing_loses_its_permit_when_permits_are_scarce() {
    const LENGTH: usize = 16 << 20;
    let (rig, brain) = Rig::with_film_and(LENGTH, |settings| {
        settings.max_connections = Some(2);
        settings.stall_ms = Some(100);
    })
    .await;
    brain.be_generous();
    let mut stalled = [rig.watch("").await, rig.watch("").await];
    for viewer in &mut stalled {
        assert_eq!(viewer.head().await.status, 200);
    }
    soon(async { while rig.get("/health", &[]).await.status != 200 {} }).await;
    soon(async { while rig.watch("bytes=0-9").await.head().await.status != 206 {} }).await;
    let [first, second] = &mut stalled;
    assert!(
        first.take(LENGTH).await.len() < LENGTH || second.take(LENGTH).await.len() < LENGTH,
        "one was cut"
    );
}
