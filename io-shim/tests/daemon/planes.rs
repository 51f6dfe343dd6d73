//! The I/O plane over the control WebSocket: order, credit, and its end with the engine.

use bytes::Bytes;
use shared_proto::io::{DigestKind, OpErrorKind, OpOutput};
use shared_proto::{
    CloseCode, ConnId, EngineMessage, FileRef, IoCommand, IoEvent, OpId, OpenMode, Span,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::rig::{Brain, QUIET, Rig, film, soon};

const LENGTH: u32 = 300_000;

/// Creates a file of [`LENGTH`] bytes, as an engine does.
async fn store(brain: &mut Brain, path: &str) {
    let data = Bytes::from(film(LENGTH as usize));
    brain
        .order(&[
            IoCommand::FileOpen {
                op: OpId(1),
                file: FileRef(1),
                root: brain.roots[0].key.clone(),
                path: vec![path.into()],
                length: LENGTH.into(),
                mode: OpenMode::Create,
            },
            IoCommand::FileWrite { op: OpId(2), file: FileRef(1), offset: 0, data },
        ])
        .await;
    assert!(matches!(
        brain.done(OpId(1)).await,
        OpOutput::Opened { stat } if stat.length == u64::from(LENGTH)
    ));
    assert_eq!(brain.done(OpId(2)).await, OpOutput::Unit);
}

fn span(length: u32) -> Span {
    Span { file: FileRef(1), offset: 0, length }
}

#[tokio::test]
async fn what_an_engine_stores_and_grants_is_what_a_viewer_gets() {
    let rig = Rig::start().await;
    let mut brain = rig.brain().await;
    store(&mut brain, "film.mp4").await;
    brain
        .order(&[IoCommand::Digest {
            op: OpId(3),
            kind: DigestKind::Sha1,
            spans: vec![span(LENGTH)],
        }])
        .await;
    assert!(matches!(brain.done(OpId(3)).await, OpOutput::Digest(digest) if digest.len() == 20));
    brain.announce("film", "film.mp4", LENGTH.into()).await;
    rig.settled(&mut brain).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    assert_eq!(viewer.reply().await.body, film(LENGTH as usize));
    let sent = rig.metric("jstorrent_control_bytes_total{direction=\"in\",kind=\"io\"}").await;
    assert!(sent > u64::from(LENGTH));
    assert!(
        rig.metric("jstorrent_control_bytes_total{direction=\"out\",kind=\"io\"}").await < 1_000
    );
}

#[tokio::test]
async fn events_stop_when_the_engine_gives_no_credit_and_go_on_when_it_does() {
    let rig = Rig::start().await;
    let mut brain = rig.brain().await;
    store(&mut brain, "film.mp4").await;
    let reads: Vec<_> =
        (100..150).map(|op| IoCommand::FileRead { op: OpId(op), span: span(LENGTH) }).collect();
    brain.order(&reads).await;
    let mut received = 0;
    while let Ok(frame) = timeout(QUIET * 2, brain.io_frame()).await {
        received += frame;
    }
    let window = 4 << 20;
    assert!(
        (window..window + (1 << 20)).contains(&received),
        "{received} bytes came for a window of {window}"
    );
    while received < 50 * LENGTH as usize {
        brain.order(&[IoCommand::Credit { bytes: 1 << 20 }]).await;
        received += soon(brain.io_frame()).await;
    }
}

#[tokio::test]
async fn credit_for_commands_comes_back() {
    let rig = Rig::start().await;
    let mut brain = rig.brain().await;
    store(&mut brain, "film.mp4").await;
    let data = Bytes::from(vec![1; 250_000]);
    for op in 10..30 {
        let data = data.clone();
        brain
            .order(&[IoCommand::FileWrite { op: OpId(op), file: FileRef(1), offset: 0, data }])
            .await;
        brain.done(OpId(op)).await;
    }
    let credit =
        |event: &IoEvent| if let IoEvent::Credit { bytes } = event { *bytes as usize } else { 0 };
    let credited: usize = brain.events.iter().map(credit).sum();
    let owed = brain.ordered.checked_sub(credited).expect("no more credit than was used");
    assert!(owed < 1 << 20, "{owed} bytes of {} are still owed", brain.ordered);
}

#[tokio::test]
async fn the_sockets_of_an_engine_close_when_the_next_one_takes_over() {
    let rig = Rig::start_with(|settings| settings.allow_loopback_peers = true).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut first = rig.brain().await;
    let addr = listener.local_addr().unwrap();
    first.order(&[IoCommand::TcpConnect { conn: ConnId(1), addr, timeout_ms: 5_000 }]).await;
    let (mut peer, _) = soon(listener.accept()).await.unwrap();
    assert_eq!(first.event().await, IoEvent::TcpConnected { conn: ConnId(1) });
    let mut second = rig.brain().await;
    assert!(matches!(soon(peer.read(&mut [0])).await, Ok(0) | Err(_)));
    assert_eq!(first.closed().await, Some(CloseCode::Superseded.code()));
    // The new engine starts its numbers again.
    second.order(&[IoCommand::TcpConnect { conn: ConnId(1), addr, timeout_ms: 5_000 }]).await;
    assert_eq!(second.event().await, IoEvent::TcpConnected { conn: ConnId(1) });
}

#[tokio::test]
async fn state_outlives_engines_and_daemons() {
    let rig = Rig::start().await;
    let mut brain = rig.brain().await;
    let value = Bytes::from_static(b"resume");
    brain.order(&[IoCommand::KvPut { op: OpId(1), key: "a/b".into(), value: value.clone() }]).await;
    brain.done(OpId(1)).await;
    let Rig { daemon, folders, .. } = rig;
    soon(daemon.stop()).await;
    let rig = Rig::start_in(folders, |_| {}).await;
    let mut brain = rig.brain().await;
    brain.order(&[IoCommand::KvGet { op: OpId(1), key: "a/b".into() }]).await;
    assert_eq!(brain.done(OpId(1)).await, OpOutput::Value(Some(value)));
}

#[tokio::test]
async fn an_engine_may_open_as_many_files_as_it_was_told() {
    io_shim::host::descriptors::raise_limit();
    let rig = Rig::start().await;
    let mut brain = rig.brain().await;
    let limits = brain.limits.clone().unwrap();
    // A machine with 16,384 descriptors allows the maximum; a smaller one allows what fits.
    let told = (limits.max_conns, limits.max_files);
    assert!(told.0 <= 1_000 && told.1 <= 4_096 && told.0 >= 16, "{told:?}");
    let root = brain.roots[0].key.clone();
    let open = |n: u32| IoCommand::FileOpen {
        op: OpId(n.into()),
        file: FileRef(n),
        root: root.clone(),
        path: vec!["many".into(), format!("{n}")],
        length: 1,
        mode: OpenMode::Create,
    };
    for batch in (0..=limits.max_files).collect::<Vec<_>>().chunks(512) {
        brain.order(&batch.iter().map(|&n| open(n)).collect::<Vec<_>>()).await;
    }
    let mut refused = 0;
    for _ in 0..=limits.max_files {
        match brain.event().await {
            IoEvent::Done { result: Ok(OpOutput::Opened { .. }), .. } => {}
            IoEvent::Done { result: Err(error), .. } if error.kind == OpErrorKind::Limit => {
                refused += 1
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 1);
    rig.settled(&mut brain).await;
}

#[tokio::test]
async fn an_engine_limits_rates_while_its_connections_run() {
    let rig = Rig::start_with(|settings| settings.allow_loopback_peers = true).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut brain = rig.brain().await;
    let addr = listener.local_addr().unwrap();
    let limit = |group, down_bps| EngineMessage::RateLimit { group, down_bps, up_bps: None };
    brain.tell(limit(0, Some(0))).await;
    brain.order(&[IoCommand::TcpConnect { conn: ConnId(1), addr, timeout_ms: 5_000 }]).await;
    let (mut peer, _) = soon(listener.accept()).await.unwrap();
    assert_eq!(brain.event().await, IoEvent::TcpConnected { conn: ConnId(1) });
    brain.order(&[IoCommand::TcpRaw { conn: ConnId(1), bytes: 100 }]).await;
    peer.write_all(b"held").await.unwrap();
    assert!(timeout(QUIET, brain.event()).await.is_err(), "nothing may pass");
    brain.tell(limit(0, Some(1_000_000))).await;
    assert_eq!(
        brain.event().await,
        IoEvent::TcpData { conn: ConnId(1), data: Bytes::from_static(b"held") }
    );
    brain.tell(limit(3, Some(0))).await;
    rig.settled(&mut brain).await;
    brain.order(&[IoCommand::TcpGroup { conn: ConnId(1), group: 3 }]).await;
    peer.write_all(b"more").await.unwrap();
    assert!(timeout(QUIET, brain.event()).await.is_err(), "nothing of the group may pass");
    brain.order(&[IoCommand::TcpGroup { conn: ConnId(1), group: 0 }]).await;
    assert_eq!(
        brain.event().await,
        IoEvent::TcpData { conn: ConnId(1), data: Bytes::from_static(b"more") }
    );
    // The next engine starts without limits.
    brain.tell(limit(0, Some(0))).await;
    let mut next = rig.brain().await;
    next.order(&[IoCommand::TcpConnect { conn: ConnId(1), addr, timeout_ms: 5_000 }]).await;
    let (mut peer, _) = soon(listener.accept()).await.unwrap();
    next.event().await;
    next.order(&[IoCommand::TcpRaw { conn: ConnId(1), bytes: 100 }]).await;
    peer.write_all(b"free").await.unwrap();
    assert_eq!(
        next.event().await,
        IoEvent::TcpData { conn: ConnId(1), data: Bytes::from_static(b"free") }
    );
}
