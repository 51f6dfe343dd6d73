//! Commands take effect in order, and no write follows a digest unnoticed.
//!
//! This is the daemon's half of "no unverified byte".

use std::time::Duration;

use bytes::Bytes;
use shared_proto::{
    ConnId, FileRef, IoCommand, IoEvent, OpenMode, RootKey,
    io::{DigestKind, OpOutput},
};
use tokio::io::AsyncWriteExt;

use crate::bench::{Bench, frame, span};

const BLOCK: u32 = 16 << 10;

#[tokio::test]
async fn commands_for_a_file_may_follow_its_opening_at_once() {
    let mut bench = Bench::new();
    let (root, path, file) = (RootKey::from("root"), vec!["f".to_owned()], FileRef(1));
    let opened = bench.start(|op| IoCommand::FileOpen {
        op,
        file,
        root,
        path,
        length: 9,
        mode: OpenMode::Create,
    });
    let written = bench.start(|op| IoCommand::FileWrite {
        op,
        file,
        offset: 2,
        data: Bytes::from_static(b"abc"),
    });
    let read = bench.start(|op| IoCommand::FileRead { op, span: span(1, 0, 9) });
    bench.tell(IoCommand::FileClose { file });
    assert_eq!(
        bench.finish(read).await,
        Ok(OpOutput::Bytes(Bytes::from_static(b"\0\0abc\0\0\0\0")))
    );
    assert_eq!(bench.finish(written).await, Ok(OpOutput::Unit));
    assert!(
        matches!(bench.finish(opened).await, Ok(OpOutput::Opened { stat }) if stat.length == 9)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_read_sees_the_writes_before_it_and_none_after() {
    let mut bench = Bench::new();
    bench.create(1, "f", 64).await;
    let file = FileRef(1);
    let mut reads = Vec::new();
    for n in 0..500u32 {
        let (fill, offset) = (u8::try_from(n % 251).unwrap(), n % 7);
        let data = Bytes::from(vec![fill; 40]);
        bench.start(|op| IoCommand::FileWrite { op, file, offset: offset.into(), data });
        reads.push((
            fill,
            bench.start(|op| IoCommand::FileRead { op, span: span(1, offset.into(), 40) }),
        ));
    }
    for (fill, read) in reads {
        assert_eq!(bench.finish(read).await, Ok(OpOutput::Bytes(vec![fill; 40].into())));
    }
}

#[tokio::test]
async fn names_change_in_the_order_of_their_commands() {
    let mut bench = Bench::new();
    let (file, root) = (FileRef(1), || RootKey::from("root"));
    let name = |n: u32| vec![format!("name {n}")];
    bench.start(|op| IoCommand::FileOpen {
        op,
        file,
        root: root(),
        path: name(0),
        length: 5,
        mode: OpenMode::Create,
    });
    let mut last = None;
    for n in 0..100 {
        last = Some(bench.start(|op| IoCommand::FileMove {
            op,
            identity: None,
            root: root(),
            from: name(n),
            to_root: root(),
            to: name(n + 1),
        }));
    }
    assert_eq!(bench.finish(last.unwrap()).await, Ok(OpOutput::Unit));
    assert_eq!(std::fs::metadata(bench.disk("root/name 100")).unwrap().len(), 5);
}

/// How a peer's writes are stopped before the digest.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Disarm,
    Close,
    NewEngine,
}

/// A peer sends blocks for one span as fast as it can. Meanwhile the engine arms, stops and digests
/// again and again. What a digest covered must stay in the file.
async fn hammer(stop: Stop, rounds: u64) {
    let mut bench = Bench::new();
    bench.create(1, "f", u64::from(BLOCK)).await;
    let mut stored = 0;
    for round in 0..rounds {
        let mut peer = bench.connect(round).await;
        bench.framed(round, 1 << 20);
        let keys: Vec<[u8; 8]> = (0..20u64).map(u64::to_be_bytes).collect();
        for key in &keys {
            bench.arm(
                round,
                key,
                &[span(1, 0, BLOCK / 2), span(1, u64::from(BLOCK / 2), BLOCK / 2)],
            );
        }
        let stream: Vec<u8> = keys
            .iter()
            .flat_map(|key| {
                frame(&[
                    b"\x07",
                    key,
                    &vec![key[7] ^ u8::try_from(round % 256).unwrap(); BLOCK as usize],
                ])
            })
            .collect();
        let pouring = tokio::spawn(async move {
            // The daemon may close the connection meanwhile.
            let _ = peer.write_all(&stream).await;
            peer
        });
        tokio::time::sleep(Duration::from_micros(37 * (round % 40))).await;
        match stop {
            Stop::Disarm => {
                for key in keys {
                    bench.tell(IoCommand::Disarm { conn: ConnId(round), key });
                }
            }
            Stop::Close => bench.tell(IoCommand::TcpClose { conn: ConnId(round) }),
            Stop::NewEngine => {
                bench.next_epoch();
                let (root, path, file) = (RootKey::from("root"), vec!["f".to_owned()], FileRef(1));
                bench.start(|op| IoCommand::FileOpen {
                    op,
                    file,
                    root,
                    path,
                    length: BLOCK.into(),
                    mode: OpenMode::Write { identity: None },
                });
            }
        }
        let proved = bench
            .digest(DigestKind::Sha256, &[span(1, 0, BLOCK)])
            .await
            .expect("the span is there");
        let _peer = pouring.await.expect("the peer does not panic");
        tokio::task::yield_now().await;
        let later = bench
            .digest(DigestKind::Sha256, &[span(1, 0, BLOCK)])
            .await
            .expect("the span is there");
        assert_eq!(proved, later, "{stop:?}: a byte changed after it was proved, round {round}");
        let bytes = std::fs::read(bench.disk("root/f")).unwrap();
        stored += usize::from(bytes.iter().any(|byte| *byte != 0));
        assert!(
            bytes.windows(2).all(|pair| pair[0] == pair[1]),
            "{stop:?}: two blocks are mixed, round {round}"
        );
        if matches!(stop, Stop::Disarm) {
            bench.tell(IoCommand::TcpClose { conn: ConnId(round) });
        }
    }
    assert!(stored > 0, "no write ever came through: the test tests nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_write_begins_after_a_key_was_disarmed() {
    hammer(Stop::Disarm, 300).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_write_begins_after_its_connection_was_closed() {
    hammer(Stop::Close, 300).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_engine_never_sees_a_write_of_the_old_one() {
    hammer(Stop::NewEngine, 300).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stored_is_told_only_when_readers_see_the_bytes() {
    let mut bench = Bench::new();
    bench.create(1, "f", u64::from(BLOCK)).await;
    let mut peer = bench.connect(1).await;
    bench.framed(1, 1 << 20);
    for round in 0..100u8 {
        let key = [round; 8];
        bench.arm(1, &key, &[span(1, 0, BLOCK)]);
        peer.write_all(&frame(&[b"\x07", &key, &vec![round; BLOCK as usize]])).await.unwrap();
        assert_eq!(bench.event().await, IoEvent::Stored { conn: ConnId(1), key });
        assert_eq!(std::fs::read(bench.disk("root/f")).unwrap(), vec![round; BLOCK as usize]);
    }
}
