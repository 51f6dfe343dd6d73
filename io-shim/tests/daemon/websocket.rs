//! The control WebSocket according to RFC 6455, frame by frame.

use shared_proto::frame::encode_control;
use shared_proto::{CloseCode, EngineMessage, PROTOCOL_VERSION};

use crate::rig::{Rig, Viewer, soon};

const UPGRADE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];
const TEXT: u8 = 1;
const CLOSE: u8 = 8;

/// A masked frame; the mask is zero, so that the payload is readable.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut frame = vec![first];
    match length {
        0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
        126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn message(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(0x80 | opcode, payload)
}

fn hello(rig: &Rig) -> Vec<u8> {
    let hello = EngineMessage::Hello {
        protocol: PROTOCOL_VERSION,
        token: rig.token.clone(),
        engine: "test".into(),
        session: "s".into(),
    };
    message(TEXT, encode_control(&hello).as_bytes())
}

async fn opened(rig: &Rig) -> Viewer {
    let mut viewer = rig.send("GET", "/control", &UPGRADE).await;
    assert_eq!(viewer.head().await.status, 101);
    viewer
}

/// A connection whose engine was welcomed.
async fn greeted(rig: &Rig) -> Viewer {
    let mut viewer = opened(rig).await;
    viewer.send(&hello(rig)).await;
    let (opcode, welcome) = next(&mut viewer).await.expect("a welcome");
    assert!(opcode == TEXT && welcome.starts_with(b"{\"op\":\"welcome\""));
    viewer
}

/// The daemon's next frame: opcode and payload. `None` at the end of the connection.
async fn next(viewer: &mut Viewer) -> Option<(u8, Vec<u8>)> {
    let [first, short] = viewer.take(2).await.try_into().ok()?;
    let length = match short {
        126 => usize::from(u16::from_be_bytes(viewer.take(2).await.try_into().ok()?)),
        127 => panic!("no frame here is that long"),
        short => usize::from(short),
    };
    Some((first & 0x0f, viewer.take(length).await))
}

/// The code of the next close frame, after which the connection has to end.
async fn close_code(viewer: &mut Viewer) -> Option<u16> {
    let (opcode, payload) = next(viewer).await?;
    assert_eq!(opcode, CLOSE, "{payload:?}");
    assert!(viewer.take(1).await.is_empty(), "nothing follows a close frame");
    Some(u16::from_be_bytes(payload.get(..2)?.try_into().ok()?))
}

#[tokio::test]
async fn a_close_frame_is_echoed() {
    let rig = Rig::start().await;
    for mut viewer in [opened(&rig).await, greeted(&rig).await] {
        viewer.send(&message(CLOSE, &[0x03, 0xe8, b'b', b'y', b'e'])).await;
        assert_eq!(next(&mut viewer).await, Some((CLOSE, vec![0x03, 0xe8, b'b', b'y', b'e'])));
        assert!(viewer.take(1).await.is_empty(), "and then the connection ends");
    }
    let mut viewer = greeted(&rig).await;
    viewer.send(&message(CLOSE, &[])).await;
    assert_eq!(next(&mut viewer).await, Some((CLOSE, vec![])));
}

#[tokio::test]
async fn what_breaks_the_protocol_is_closed_with_1002_and_what_is_no_utf8_with_1007() {
    let rig = Rig::start().await;
    let mut unmasked = message(TEXT, b"{}");
    unmasked[1] &= 0x7f;
    let cases: [(&str, Vec<u8>, u16); 10] = [
        ("reserved bits", frame(0xf1, b"{}"), 1002),
        ("a reserved opcode", message(3, b""), 1002),
        ("a reserved control opcode", message(11, b""), 1002),
        ("a frame without mask", unmasked, 1002),
        ("a ping in two fragments", frame(0x09, b""), 1002),
        ("a long ping", message(9, &[0; 126]), 1002),
        ("a continuation of nothing", message(0, b""), 1002),
        ("a close code in one byte", message(CLOSE, &[3]), 1002),
        ("text that is not UTF-8", message(TEXT, b"\xc3\x28"), 1007),
        ("a reason that is not UTF-8", message(CLOSE, &[0x03, 0xe8, 0xff]), 1007),
    ];
    for (what, bytes, expected) in cases {
        for mut viewer in [opened(&rig).await, greeted(&rig).await] {
            viewer.send(&bytes).await;
            assert_eq!(close_code(&mut viewer).await, Some(expected), "{what}");
        }
    }
}

#[tokio::test]
async fn another_version_is_told_the_right_one() {
    let rig = Rig::start().await;
    for version in ["8", "12", "14", "x"] {
        let headers = [UPGRADE[0], UPGRADE[1], ("Sec-WebSocket-Version", version), UPGRADE[3]];
        let refusal = rig.get("/control", &headers).await;
        let header = |name: &str| refusal.headers[name].as_str();
        assert_eq!(
            (refusal.status, header("sec-websocket-version"), header("upgrade")),
            (426, "13", "websocket")
        );
    }
    let refusal = rig.get("/control", &[]).await;
    assert_eq!((refusal.status, refusal.headers["upgrade"].as_str()), (426, "websocket"));
}

#[tokio::test]
async fn a_frame_too_large_for_a_hello_is_refused_before_it_is_read() {
    let rig = Rig::start().await;
    for declared in [64_u64 << 10, 57 << 20, u64::MAX >> 1] {
        let mut viewer = opened(&rig).await;
        // The header alone: the daemon must answer without the payload.
        viewer.send(&[&[0x82, 0xff][..], &declared.to_be_bytes(), &[0; 4]].concat()).await;
        assert_eq!(close_code(&mut viewer).await, Some(1009), "{declared}");
    }
    let mut viewer = opened(&rig).await;
    for opcode in [TEXT, 0, 0, 0, 0] {
        viewer.send(&frame(opcode, &[b' '; 8 << 10])).await;
    }
    assert_eq!(close_code(&mut viewer).await, Some(1009), "nor in fragments");
}

#[tokio::test]
async fn what_follows_a_hello_in_the_same_packet_is_heard() {
    let rig = Rig::start().await;
    let mut viewer = opened(&rig).await;
    let behind = message(TEXT, &[&b"{\"op\":\"nonsense\""[..], &[b' '; 70 << 10], b"}"].concat());
    viewer.send(&[message(9, b"ping"), hello(&rig), behind].concat()).await;
    assert_eq!(next(&mut viewer).await, Some((10, b"ping".to_vec())));
    assert_eq!(soon(next(&mut viewer)).await.map(|(opcode, _)| opcode), Some(TEXT), "the welcome");
    assert_eq!(close_code(&mut viewer).await, Some(CloseCode::Malformed.code()));
}
