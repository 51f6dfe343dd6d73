//! The fuzz targets: functions that read untrusted bytes and must not panic.
//!
//! If a parser has a writer, a read and written value must be read again as the same. `engine` is
//! the whole state machine, `daemon` the whole HTTP service.
#![forbid(unsafe_code)]

mod daemon;
mod engine;
mod frames;
mod hashes;

use engine_wasm::discover::dht::message::Message;
use engine_wasm::discover::lsd::LsdMessage;
use engine_wasm::discover::tracker;
use engine_wasm::media::container_index::{READS, Search};
use engine_wasm::metainfo::{InfoHash, Magnet, Metainfo, bencode};
use engine_wasm::peer::holepunch::HolepunchMessage;
use engine_wasm::peer::mse;
use engine_wasm::peer::pex::{MAX_FIRST, PexMessage};
use engine_wasm::peer::{extension::ExtensionHandshake, metadata::MetadataMessage, wire};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use shared_proto::io::Family;

/// A function that reads untrusted bytes.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and its corpus's.
    pub name: &'static str,
    /// Reads.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "bencode", run: bencode },
    Target { name: "metainfo", run: metainfo },
    Target { name: "magnet", run: magnet },
    Target { name: "wire", run: wire },
    Target { name: "extension", run: extension },
    Target { name: "metadata", run: metadata },
    Target { name: "exchange", run: exchange },
    Target { name: "holepunch", run: holepunch },
    Target { name: "tracker", run: tracker },
    Target { name: "local", run: local },
    Target { name: "scrape", run: scrape },
    Target { name: "udp_tracker", run: udp_tracker },
    Target { name: "container_index", run: container_index },
    Target { name: "hashes", run: hashes::run },
    Target { name: "frames", run: frames::run },
    Target { name: "encryption", run: encryption },
    Target { name: "dht", run: dht },
    Target { name: "engine", run: engine::run },
    Target { name: "http", run: daemon::http },
    Target { name: "control", run: daemon::control },
];

fn bencode(data: &[u8]) {
    if let Ok(document) = bencode::parse(data) {
        assert_eq!(document.root().raw(), data, "a document is its root");
    }
    if let Ok(document) = bencode::parse_prefix(data) {
        assert!(bencode::parse(&data[..document.end()]).is_ok(), "a prefix is a document");
    }
}

fn metainfo(data: &[u8]) {
    let Ok(meta) = Metainfo::parse(data) else { return };
    let geometry = meta.geometry();
    assert!(geometry.piece_count() > 0 || meta.total_length() == 0);
    for file in &meta.files {
        assert!(!file.path.is_empty());
        for part in file.path.iter().chain(file.safe_path.iter().flatten()) {
            assert!(
                !part.is_empty() && part != "." && part != ".." && !part.contains(['/', '\0']),
                "{part:?}"
            );
        }
        for part in file.safe_path.as_ref().unwrap_or(&file.path) {
            assert!(!part.contains(['\\', ':']) && !part.ends_with(['.', ' ']), "{part:?}");
        }
    }
}

fn magnet(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(link) = Magnet::parse(text) else { return };
    let again = Magnet::parse(&link.to_string()).expect("what is written can be read");
    assert_eq!(again.info_hash, link.info_hash);
    assert_eq!((again.trackers, again.peers), (link.trackers, link.peers));
}

fn wire(data: &[u8]) {
    let Ok(message) = wire::Message::parse(data) else { return };
    if matches!(message, wire::Message::Unknown(_)) {
        return;
    }
    let mut written = Vec::new();
    message.encode(&mut written);
    let again = written.get(4..).map(wire::Message::parse);
    assert_eq!(again, Some(Ok(message)));
}

fn extension(data: &[u8]) {
    let _ = ExtensionHandshake::parse(data);
}

fn metadata(data: &[u8]) {
    let _ = MetadataMessage::parse(data);
}

fn exchange(data: &[u8]) {
    let Ok(message) = PexMessage::parse(data) else { return };
    assert!(message.added.len() <= MAX_FIRST && message.dropped.len() <= MAX_FIRST);
    assert_eq!(PexMessage::parse(&message.encode()), Ok(message), "what is written is read again");
}

fn holepunch(data: &[u8]) {
    let Ok(message) = HolepunchMessage::parse(data) else { return };
    assert_eq!(
        HolepunchMessage::parse(&message.encode()),
        Ok(message),
        "what is written is read again"
    );
}

fn local(data: &[u8]) {
    let Ok(message) = LsdMessage::parse(data) else { return };
    for family in [Family::V4, Family::V6] {
        assert!(LsdMessage::parse(&message.encode(family)).is_ok(), "what is written can be read");
    }
}

/// Searches the bytes for a container's index. The bytes are read as a complete file, and as an
/// endless file that has them wherever it is read.
fn container_index(data: &[u8]) {
    for length in [u64::try_from(data.len()).expect("a length"), u64::MAX] {
        let mut search = Search::new(length);
        let mut reads = 0;
        while let Some((first, last)) = search.reads() {
            assert!(first <= last && last < length);
            let part =
                usize::try_from(first).ok().and_then(|first| data.get(first..)).unwrap_or(data);
            search.feed(
                &part
                    [..part.len().min(usize::try_from(last - first + 1).expect("a read is short"))],
            );
            reads += 1;
        }
        assert!(reads <= READS);
        assert!(search.index().is_none_or(|(first, last)| first <= last && last < length));
    }
}

fn tracker(data: &[u8]) {
    if let Ok(answer) = tracker::http::parse_response(data) {
        assert!((tracker::MIN_INTERVAL..=tracker::MAX_INTERVAL).contains(&answer.interval));
        assert!(answer.peers.len() <= tracker::MAX_PEERS);
    }
}

fn scrape(data: &[u8]) {
    let _ = tracker::http::parse_scrape(data, InfoHash([7; 20]));
}

fn udp_tracker(data: &[u8]) {
    let Ok((transaction, reply)) = tracker::udp::Reply::parse(data) else { return };
    assert_eq!(data.get(4..8), Some(&transaction.to_be_bytes()[..]));
    match reply {
        tracker::udp::Reply::Answer(tracker::udp::Action::Announce, body) => {
            for family in [Family::V4, Family::V6] {
                let Ok(answer) = tracker::udp::parse_response(body, family) else { continue };
                assert!((tracker::MIN_INTERVAL..=tracker::MAX_INTERVAL).contains(&answer.interval));
                assert!(answer.peers.len() <= tracker::MAX_PEERS);
                assert!(answer.peers.iter().all(|peer| peer.is_ipv4() == (family == Family::V4)));
            }
        }
        tracker::udp::Reply::Answer(_, body) => drop(tracker::udp::parse_scrape(body)),
        tracker::udp::Reply::Error(words) => assert!(!words.contains(char::is_control)),
        tracker::udp::Reply::Connected(_) => {}
    }
}

fn dht(data: &[u8]) {
    if let Ok(message) = Message::parse(data) {
        assert!(Message::parse(&message.encode()).is_ok(), "what is written can be read");
    }
}

fn encryption(data: &[u8]) {
    let Some((&first, mut rest)) = data.split_first() else { return };
    let mut rng = ChaCha8Rng::from_seed([first; 32]);
    let torrent = InfoHash([7; 20]);
    let mut handshake = match first & 1 {
        0 => mse::Handshake::dial(torrent, vec![first; 68], mse::Encryption::Preferred, &mut rng),
        _ => mse::Handshake::accept(mse::Encryption::Allowed, &mut rng),
    };
    // An honest other end, so that some bytes are right; the input says where its own bytes begin.
    let mut honest = match first & 1 {
        0 => mse::Handshake::accept(mse::Encryption::Allowed, &mut rng),
        _ => mse::Handshake::dial(torrent, vec![first; 68], mse::Encryption::Preferred, &mut rng),
    };
    let turns_at = usize::from(first >> 1) * 8;
    let (mut read, mut line) = (0, Vec::new());
    loop {
        line.extend(honest.take_out());
        let wanted = handshake.wanted();
        let now: Vec<u8> = if read < turns_at && !line.is_empty() {
            line.drain(..wanted.min(line.len())).collect()
        } else {
            let (now, later) = rest.split_at(wanted.min(rest.len()));
            rest = later;
            now.to_vec()
        };
        if now.is_empty() {
            return;
        }
        read += now.len();
        match handshake.handle_data(&now, [torrent].into_iter()) {
            Ok(mse::Step::Read(_)) => assert!(read <= mse::MOST_READ),
            Ok(mse::Step::Done(outcome)) => return assert!(outcome.early.len() <= 68),
            Err(_) => return,
        }
        let said = handshake.take_out();
        let mut said = &said[..];
        while !said.is_empty() {
            let (now, later) = said.split_at(honest.wanted().min(said.len()));
            said = later;
            if now.is_empty()
                || !matches!(honest.handle_data(now, [torrent].into_iter()), Ok(mse::Step::Read(_)))
            {
                break;
            }
        }
    }
}
