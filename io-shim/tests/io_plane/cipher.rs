//! RC4 on a connection: both directions, with frames and diversion.

use bytes::Bytes;
use rc4::{KeyInit, Rc4, StreamCipher};
use shared_proto::{
    ConnId, IoCommand, IoEvent,
    io::{CloseReason, Rc4Start},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{Bench, frame, span};

const SKIP: usize = 1024;

fn start(key: &'static [u8]) -> Option<Rc4Start> {
    Some(Rc4Start { key: Bytes::from_static(key), skip: u32::try_from(SKIP).unwrap() })
}

/// The other end's cipher of a direction.
fn stream(key: &[u8]) -> Rc4 {
    let mut rc4 = Rc4::new_from_slice(key).expect("a key");
    rc4.apply_keystream(&mut [0; SKIP]);
    rc4
}

fn transformed(rc4: &mut Rc4, data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    rc4.apply_keystream(&mut data);
    data
}

fn cipher(bench: &mut Bench, read: Option<Rc4Start>, write: Option<Rc4Start>) {
    bench.tell(IoCommand::TcpCipher { conn: ConnId(1), read, write });
}

fn send(bench: &mut Bench, data: &'static [u8]) {
    bench.tell(IoCommand::TcpSend { conn: ConnId(1), data: Bytes::from_static(data) });
}

#[tokio::test]
async fn what_is_sent_is_transformed_from_the_command_on() {
    let mut bench = Bench::new();
    bench.create(1, "film", 10).await;
    bench.write(1, 0, b"0123456789").await.unwrap();
    let mut peer = bench.connect(1).await;
    send(&mut bench, b"clear ");
    cipher(&mut bench, None, start(b"out"));
    send(&mut bench, b"hidden ");
    let spans = vec![span(1, 2, 3), span(1, 0, 1)];
    let op = bench.start(|op| IoCommand::TcpSendSpan {
        op,
        conn: ConnId(1),
        head: Bytes::from_static(b"film "),
        spans,
    });
    send(&mut bench, b" end");
    let mut heard = vec![0; 6 + 7 + 9 + 4];
    peer.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard[..6], b"clear ");
    assert_eq!(transformed(&mut stream(b"out"), &heard[6..]), b"hidden film 2340 end");
    bench.finish(op).await.unwrap();
}

#[tokio::test]
async fn frames_and_diversion_see_what_the_transform_gives() {
    let mut bench = Bench::new();
    bench.create(1, "film", 4).await;
    let mut peer = bench.connect(1).await;
    bench.tell(IoCommand::TcpRaw { conn: ConnId(1), bytes: 5 });
    let hidden =
        [frame(&[b"first"]), frame(&[b"\x07", b"key-of-4", b"data"]), frame(&[b"last"])].concat();
    let hidden = transformed(&mut stream(b"in"), &hidden);
    peer.write_all(&[b"hello", &hidden[..]].concat()).await.unwrap();
    let data = Bytes::from_static(b"hello");
    assert_eq!(bench.event().await, IoEvent::TcpData { conn: ConnId(1), data });
    cipher(&mut bench, start(b"in"), None);
    bench.framed(1, 100);
    bench.arm(1, b"key-of-4", &[span(1, 0, 4)]);
    for expected in [
        IoEvent::TcpFrame { conn: ConnId(1), data: Bytes::from_static(b"first") },
        IoEvent::Stored { conn: ConnId(1), key: *b"key-of-4" },
        IoEvent::TcpFrame { conn: ConnId(1), data: Bytes::from_static(b"last") },
    ] {
        assert_eq!(bench.event().await, expected);
    }
    assert_eq!(bench.read(span(1, 0, 4)).await.unwrap(), &b"data"[..]);
}

#[tokio::test]
async fn what_was_read_as_frames_and_not_handed_up_is_transformed_too() {
    let mut bench = Bench::new();
    let mut peer = bench.connect(1).await;
    bench.framed(1, 100);
    // The second frame is incomplete: its start was read before the cipher is set.
    let mut rc4 = stream(b"in");
    let hidden = transformed(&mut rc4, &frame(&[b"whole"]));
    peer.write_all(&[&frame(&[b"clear"])[..], &hidden[..2]].concat()).await.unwrap();
    assert_eq!(
        bench.event().await,
        IoEvent::TcpFrame { conn: ConnId(1), data: Bytes::from_static(b"clear") }
    );
    assert!(bench.is_silent().await);
    cipher(&mut bench, start(b"in"), None);
    peer.write_all(&hidden[2..]).await.unwrap();
    assert_eq!(
        bench.event().await,
        IoEvent::TcpFrame { conn: ConnId(1), data: Bytes::from_static(b"whole") }
    );
}

#[tokio::test]
async fn a_direction_that_can_not_be_transformed_ends_the_connection() {
    let none = Some(Rc4Start { key: Bytes::new(), skip: 0 });
    let far = Some(Rc4Start { key: Bytes::from_static(b"k"), skip: u32::MAX });
    for (read, write) in [(none.clone(), None), (None, none), (far.clone(), None), (None, far)] {
        let mut bench = Bench::new();
        let _peer = bench.connect(1).await;
        cipher(&mut bench, read, write);
        assert_eq!(bench.closed(1).await, CloseReason::Limit);
    }
    let mut bench = Bench::new();
    let _peer = bench.connect(1).await;
    cipher(&mut bench, start(b"in"), start(b"out"));
    cipher(&mut bench, start(b"in"), None);
    assert_eq!(bench.closed(1).await, CloseReason::Limit, "twice");
}
