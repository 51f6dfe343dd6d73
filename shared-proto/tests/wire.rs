//! Pins the wire form of both planes. Control messages have golden files, I/O messages come back as
//! they went, and hostile frames of both are errors.

use std::fmt::Debug;
use std::path::PathBuf;

use bytes::Bytes;
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use shared_proto::control::{BlockReason, DaemonMessage, EngineMessage, Limits, Root};
use shared_proto::frame::{self, MAX_BINARY, MAX_TEXT};
use shared_proto::io::{
    CloseReason, DigestKind, Family, FileStat, IoCommand, IoEvent, MappedBy, Mapping, NotStored,
    Note, Notes, OpError, OpErrorKind, OpOutput, Rc4Start, Span,
};
use shared_proto::{
    ConnId, FileId, FileIdentity, FileRef, FrameError, OpId, PROTOCOL_VERSION, RequestId, RootKey,
    SocketId,
};

fn id() -> RequestId {
    RequestId(uuid::Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef))
}

fn file() -> FileId {
    FileId("2f5a5ccb7dc32b7f7d7b150dd6efbce87d2fc371.0".into())
}

fn stat() -> FileStat {
    FileStat {
        length: 5_000_000_000,
        modified_ns: 1_700_000_000_123_456_789,
        changed_ns: 1_800_000_000_987_654_321,
        identity: Some(FileIdentity([7; 16])),
    }
}

fn engine_messages() -> Vec<EngineMessage> {
    vec![
        EngineMessage::Hello {
            protocol: PROTOCOL_VERSION,
            token: "00".repeat(32),
            engine: "jstorrent-engine/0.1.0".into(),
            session: "5ac3".into(),
        },
        EngineMessage::FileAnnounce {
            file_id: file(),
            root: RootKey("downloads".into()),
            path: vec!["Film".into(), "film.mp4".into()],
            length: 5_000_000_000,
            content_type: "video/mp4".into(),
            etag: "2f5a5ccb".into(),
            key: "c0ffee".into(),
        },
        EngineMessage::FileForget { file_id: file() },
        EngineMessage::RangeAvailable { request_id: id(), end: None },
        EngineMessage::RangeAvailable { request_id: id(), end: Some(1023) },
        EngineMessage::RangeBlock { request_id: id(), reason: None, eta_ms: None },
        EngineMessage::RangeBlock {
            request_id: id(),
            reason: Some(BlockReason::NoSource),
            eta_ms: Some(2000),
        },
        EngineMessage::RangeReady { request_id: id(), end: None },
        EngineMessage::RangeReady { request_id: id(), end: Some(65_535) },
        EngineMessage::RangeReject {
            request_id: id(),
            status: None,
            reason: None,
            retry_after: None,
        },
        EngineMessage::RangeReject {
            request_id: id(),
            status: Some(503),
            reason: Some("the torrent is stopped".into()),
            retry_after: Some(30),
        },
        EngineMessage::RangeRevoke { file_id: file(), start: 1_048_576, end: 2_097_151 },
        EngineMessage::RangeHint { file_id: file(), start: 0, end: 1_048_575 },
        EngineMessage::HttpReply {
            request_id: id(),
            status: 200,
            headers: vec![("content-type".into(), "application/json".into())],
            body: "{}".into(),
            more: false,
        },
        EngineMessage::HttpReply {
            request_id: id(),
            status: 200,
            headers: vec![("content-type".into(), "text/event-stream".into())],
            body: "data: {}\n\n".into(),
            more: true,
        },
        EngineMessage::FileResolved {
            request_id: id(),
            file_id: Some(file()),
            status: None,
            body: None,
        },
        EngineMessage::FileResolved { request_id: id(), file_id: None, status: None, body: None },
        EngineMessage::FileResolved {
            request_id: id(),
            file_id: None,
            status: Some(409),
            body: Some("{}".into()),
        },
        EngineMessage::RateLimit { group: 0, down_bps: Some(1_000_000), up_bps: None },
        EngineMessage::FileShow { answer: OpId(7), file_id: file() },
        EngineMessage::RootPrefer { answer: OpId(8), path: "/home/user/Films".into() },
    ]
}

fn daemon_messages() -> Vec<DaemonMessage> {
    vec![
        DaemonMessage::Welcome {
            protocol: PROTOCOL_VERSION,
            epoch: 3,
            roots: vec![Root {
                key: RootKey("downloads".into()),
                label: "Downloads".into(),
                path: "/home/user/Downloads".into(),
            }],
            limits: Limits {
                max_conns: 512,
                max_files: 4096,
                io_window: 4 << 20,
                max_wait_ms: 120_000,
            },
        },
        DaemonMessage::RootsAside {
            roots: vec![Root {
                key: RootKey("old".into()),
                label: "Old".into(),
                path: "/home/user/Downloads/Old".into(),
            }],
        },
        DaemonMessage::StateStatus { trouble: None, set_aside: Vec::new(), begun_anew: 0 },
        DaemonMessage::StateStatus {
            trouble: Some("the disk is full".into()),
            set_aside: vec!["/state/state.redb.corrupt-1".into()],
            begun_anew: 1,
        },
        DaemonMessage::RangeRequest {
            request_id: id(),
            file_id: file(),
            start: 3_000_000,
            end: 3_001_024,
            only_now: false,
        },
        DaemonMessage::RangeRequest {
            request_id: id(),
            file_id: file(),
            start: 0,
            end: 1023,
            only_now: true,
        },
        DaemonMessage::RangeProgress { request_id: id(), position: 3_000_500 },
        DaemonMessage::RangeCancel { request_id: id() },
        DaemonMessage::FileChanged { file_id: file(), stat: Some(stat()), sending: true },
        DaemonMessage::FileChanged { file_id: file(), stat: None, sending: false },
        DaemonMessage::HttpCall {
            request_id: id(),
            method: "GET".into(),
            path: "/torrents".into(),
            query: String::new(),
            host: String::new(),
            content_type: None,
            content_length: 0,
        },
        DaemonMessage::HttpCall {
            request_id: id(),
            method: "POST".into(),
            path: "/add".into(),
            query: "keep=1".into(),
            host: "127.0.0.1:3000".into(),
            content_type: Some("application/json".into()),
            content_length: 2,
        },
        DaemonMessage::FileResolve { request_id: id(), path: "2f5a/film.mp4".into() },
    ]
}

/// Compares with the golden file, or writes it when `UPDATE_GOLDEN` is set.
fn check<M: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, messages: &[M]) {
    let written: String =
        messages.iter().map(|message| frame::encode_control(message) + "\n").collect();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &written).expect("the golden folder is writable");
    }
    let golden = std::fs::read_to_string(&path).expect("the golden file is in the repository");
    assert_eq!(written, golden, "the wire form of {name} changed: is that meant?");
    let read: Vec<M> = golden
        .lines()
        .map(|line| frame::decode_control(line).expect("golden lines decode"))
        .collect();
    assert_eq!(read, messages);
}

#[test]
fn what_the_engine_says_has_its_golden_form() {
    check("engine.jsonl", &engine_messages());
}

#[test]
fn what_the_daemon_says_has_its_golden_form() {
    check("daemon.jsonl", &daemon_messages());
}

#[test]
fn the_original_range_messages_are_understood_without_the_additions() {
    let text = r#"{ "op": "range_block", "requestId": "01234567-89ab-4def-8123-456789abcdef" }"#;
    let expected = EngineMessage::RangeBlock { request_id: id(), reason: None, eta_ms: None };
    assert_eq!(frame::decode_control::<EngineMessage>(text).unwrap(), expected);
}

#[test]
fn fields_of_a_later_version_are_ignored() {
    let text =
        r#"{"op":"range_cancel","requestId":"01234567-89ab-4def-8123-456789abcdef","later":[1]}"#;
    assert_eq!(
        frame::decode_control::<DaemonMessage>(text).unwrap(),
        DaemonMessage::RangeCancel { request_id: id() }
    );
}

#[test]
fn hostile_text_is_an_error() {
    for text in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"op":"format_disk"}"#,
        r#"{"op":"range_ready"}"#,
        r#"{"op":"range_ready","requestId":7}"#,
        r#"{"op":"range_ready","requestId":"01234567-89ab-4def-8123-456789abcdef","end":-1}"#,
        r#"{"op":"range_ready","requestId":"01234567-89ab-4def-8123-456789abcdef","end":1e300}"#,
        r#"{"op":"range_ready","requestId":"01234567-89ab-4def-8123-456789abcdef""#,
    ] {
        assert!(
            matches!(frame::decode_control::<EngineMessage>(text), Err(FrameError::Control(_))),
            "{text}"
        );
    }
    let deep = "[".repeat(100_000);
    assert!(frame::decode_control::<EngineMessage>(&deep).is_err());
    let long = " ".repeat(MAX_TEXT + 1);
    assert!(matches!(
        frame::decode_control::<EngineMessage>(&long),
        Err(FrameError::TooLarge { .. })
    ));
}

/// Both ends size their buffers by these limits. To change one is to change the protocol.
#[test]
fn the_limits_are_those_of_the_protocol() {
    const KIB: usize = 1 << 10;
    const MIB: usize = 1 << 20;
    assert_eq!((MAX_TEXT, MAX_BINARY), (33 * MIB, 57 * MIB));
    assert_eq!((frame::MAX_CONTENT, frame::MAX_VALUE), (55 * MIB, 56 * MIB));
    assert_eq!((frame::BATCH_TARGET, frame::MAX_READ as usize), (256 * KIB, MIB));
    assert_eq!((frame::MAX_DATAGRAM, frame::MAX_NOTE), (4 * KIB, 4 * KIB));
    assert_eq!(frame::MAX_RC4_SKIP as usize, 64 * KIB);
}

/// Spaces around a message count, and so a frame can have any length.
#[test]
fn a_frame_may_be_as_long_as_its_limit() {
    let text = r#"{"op":"range_cancel","requestId":"01234567-89ab-4def-8123-456789abcdef"}"#;
    let padded = format!("{text}{}", " ".repeat(MAX_TEXT - text.len()));
    assert_eq!(
        frame::decode_control::<DaemonMessage>(&padded).unwrap(),
        DaemonMessage::RangeCancel { request_id: id() }
    );
    // A length in postcard is a varint, which takes four bytes for this many.
    let data = Bytes::from(vec![1; MAX_BINARY - 7]);
    let sent = [IoEvent::TcpData { conn: ConnId(1), data }];
    let frame = frame::encode_batch(&sent);
    assert_eq!(frame.len(), MAX_BINARY);
    assert_eq!(frame::decode_batch::<IoEvent>(&frame).unwrap(), sent);
}

#[test]
fn hostile_batches_are_errors() {
    let good = frame::encode_batch(&[IoEvent::Stored { conn: ConnId(1), key: [7; 8] }]);
    for cut in 0..good.len() {
        assert!(frame::decode_batch::<IoEvent>(&good[..cut]).is_err(), "cut at {cut}");
    }
    let mut long = good;
    long.push(0);
    assert!(matches!(frame::decode_batch::<IoEvent>(&long), Err(FrameError::Trailing(1))));
    // A batch that claims 2⁶⁴ − 1 messages.
    assert!(frame::decode_batch::<IoEvent>(&[0xff; 10]).is_err());
    assert!(matches!(
        frame::decode_batch::<IoEvent>(&vec![0; MAX_BINARY + 1]),
        Err(FrameError::TooLarge { .. })
    ));
}

#[test]
fn the_commonest_messages_are_small() {
    let stored = frame::encode_batch(&[IoEvent::Stored { conn: ConnId(12), key: [7; 8] }]);
    let span = Span { file: FileRef(3), offset: 4_000_000_000, length: 16_384 };
    let arm =
        frame::encode_batch(&[IoCommand::Arm { conn: ConnId(12), key: [7; 8], spans: vec![span] }]);
    assert!(
        stored.len() <= 12 && arm.len() <= 24,
        "{} and {} bytes a block",
        stored.len(),
        arm.len()
    );
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..64).prop_map(Bytes::from)
}

fn span() -> impl Strategy<Value = Span> {
    (any::<u32>(), any::<u64>(), any::<u32>()).prop_map(|(file, offset, length)| Span {
        file: FileRef(file),
        offset,
        length,
    })
}

fn command() -> impl Strategy<Value = IoCommand> {
    let spans = || prop::collection::vec(span(), 0..4);
    prop_oneof![
        any::<u32>().prop_map(|bytes| IoCommand::Credit { bytes }),
        (any::<u64>(), any::<(std::net::IpAddr, u16)>(), any::<u32>()).prop_map(
            |(conn, addr, timeout_ms)| {
                IoCommand::TcpConnect { conn: ConnId(conn), addr: addr.into(), timeout_ms }
            }
        ),
        (any::<u64>(), bytes())
            .prop_map(|(conn, data)| IoCommand::TcpSend { conn: ConnId(conn), data }),
        (any::<[u64; 2]>(), bytes(), spans()).prop_map(|([op, conn], head, spans)| {
            IoCommand::TcpSendSpan { op: OpId(op), conn: ConnId(conn), head, spans }
        }),
        (any::<u64>(), prop::option::of((bytes(), any::<u32>()))).prop_map(|(conn, start)| {
            IoCommand::TcpCipher {
                conn: ConnId(conn),
                read: start.map(|(key, skip)| Rc4Start { key, skip }),
                write: None,
            }
        }),
        (any::<u64>(), any::<u32>(), any::<Option<std::net::IpAddr>>()).prop_map(
            |(op, socket, group)| {
                IoCommand::UdpBind {
                    op: OpId(op),
                    socket: SocketId(socket),
                    family: Family::V6,
                    port: 6771,
                    group,
                }
            }
        ),
        (any::<u64>(), any::<u32>(), any::<Option<u8>>()).prop_map(|(conn, max_frame, divert)| {
            IoCommand::TcpFramed { conn: ConnId(conn), max_frame, divert }
        }),
        (any::<u64>(), any::<[u8; 8]>(), spans()).prop_map(|(conn, key, spans)| IoCommand::Arm {
            conn: ConnId(conn),
            key,
            spans
        }),
        (any::<u64>(), spans()).prop_map(|(op, spans)| IoCommand::Digest {
            op: OpId(op),
            kind: DigestKind::Sha256Leaves,
            spans
        }),
        any::<u32>().prop_map(|socket| IoCommand::PortMap { socket: SocketId(socket) }),
        (any::<u64>(), ".*", bytes()).prop_map(|(op, key, value)| IoCommand::KvPut {
            op: OpId(op),
            key,
            value
        }),
        (any::<[u64; 2]>(), ".*", ".*").prop_map(|([op, age_ms], key, value)| IoCommand::NotePut {
            op: OpId(op),
            key,
            value,
            age_ms
        }),
    ]
}

fn event() -> impl Strategy<Value = IoEvent> {
    let error = || ".*".prop_map(|message| OpError { kind: OpErrorKind::Full, message });
    prop_oneof![
        any::<u64>().prop_map(|conn| IoEvent::TcpClosed {
            conn: ConnId(conn),
            reason: CloseReason::Oversized
        }),
        any::<u64>().prop_map(|conn| IoEvent::TcpClosed {
            conn: ConnId(conn),
            reason: CloseReason::AddressGone
        }),
        any::<bool>().prop_map(|slept| IoEvent::NetworkChanged { slept }),
        (any::<u64>(), bytes())
            .prop_map(|(conn, data)| IoEvent::TcpFrame { conn: ConnId(conn), data }),
        (any::<u32>(), any::<(std::net::IpAddr, u16)>(), bytes()).prop_map(
            |(socket, from, data)| {
                IoEvent::UdpReceived { socket: SocketId(socket), from: from.into(), data }
            }
        ),
        (any::<u64>(), any::<[u8; 8]>(), any::<u32>(), error()).prop_map(
            |(conn, key, length, error)| {
                IoEvent::NotStored {
                    conn: ConnId(conn),
                    key,
                    length,
                    reason: NotStored::Failed(error),
                }
            }
        ),
        (any::<u128>(), bytes()).prop_map(|(id, data)| {
            IoEvent::HttpContent { request_id: RequestId(uuid::Uuid::from_u128(id)), data }
        }),
        (any::<u64>(), error())
            .prop_map(|(op, error)| IoEvent::Done { op: OpId(op), result: Err(error) }),
        (any::<u32>(), any::<u16>(), any::<Option<std::net::IpAddr>>()).prop_map(
            |(socket, port, address)| {
                IoEvent::PortMapped {
                    socket: SocketId(socket),
                    result: Ok(Mapping { port, address, by: MappedBy::Upnp }),
                }
            }
        ),
        (".*", ".*", any::<u64>()).prop_map(|(key, value, at_ms)| {
            let set_aside = vec![key.clone()];
            IoEvent::NotesChanged {
                notes: Notes { notes: vec![Note { key, value, at_ms }], set_aside },
            }
        }),
        (any::<u64>(), prop::option::of(bytes())).prop_map(|(op, value)| IoEvent::Done {
            op: OpId(op),
            result: Ok(OpOutput::Value(value))
        }),
    ]
}

proptest! {
    #[test]
    fn commands_come_back_as_they_went(batch in prop::collection::vec(command(), 0..8)) {
        let frame = frame::encode_batch(&batch);
        prop_assert_eq!(frame::decode_batch::<IoCommand>(&frame).unwrap(), batch);
    }

    #[test]
    fn events_come_back_as_they_went(batch in prop::collection::vec(event(), 0..8)) {
        let frame = frame::encode_batch(&batch);
        prop_assert_eq!(frame::decode_batch::<IoEvent>(&frame).unwrap(), batch);
    }

    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = frame::decode_batch::<IoCommand>(&noise);
        let _ = frame::decode_batch::<IoEvent>(&noise);
        let _ = frame::decode_control::<EngineMessage>(&String::from_utf8_lossy(&noise));
    }
}
