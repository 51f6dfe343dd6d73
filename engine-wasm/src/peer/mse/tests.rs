//! Tests of both ends against each other, and of hostile ends.

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rc4::{KeyInit, Rc4, StreamCipher};

use super::*;

const TORRENT: InfoHash = InfoHash([7; 20]);

/// A line that delivers no more than requested, in small parts.
#[derive(Default)]
struct Line(std::collections::VecDeque<u8>);

impl Line {
    fn take(&mut self, wanted: usize, at_once: usize) -> Vec<u8> {
        let length = wanted.min(at_once).min(self.0.len());
        self.0.drain(..length).collect()
    }
}

fn rng(seed: u8) -> ChaCha8Rng {
    ChaCha8Rng::from_seed([seed; 32])
}

type Ends = (Result<Outcome, MseError>, Result<Outcome, MseError>, [Line; 2]);

/// Runs a handshake; returns both results and the bytes left on the lines.
fn shake(policies: [Encryption; 2], known: &[InfoHash], seed: u8, at_once: usize) -> Ends {
    let mut ends = [
        Handshake::dial(TORRENT, b"early words".to_vec(), policies[0], &mut rng(seed)),
        Handshake::accept(policies[1], &mut rng(seed ^ 0xff)),
    ];
    let mut lines = [Line::default(), Line::default()];
    let mut outcomes: [Option<Result<Outcome, MseError>>; 2] = [None, None];
    for _ in 0..20_000 {
        for at in 0..2 {
            lines[1 - at].0.extend(ends[at].take_out());
            if outcomes[at].is_some() {
                continue;
            }
            let data = lines[at].take(ends[at].wanted(), at_once);
            match ends[at].handle_data(&data, known.iter().copied()) {
                Ok(Step::Done(outcome)) => outcomes[at] = Some(Ok(*outcome)),
                Ok(Step::Read(wanted)) => assert!(wanted > 0),
                Err(error) => outcomes[at] = Some(Err(error)),
            }
            lines[1 - at].0.extend(ends[at].take_out());
        }
    }
    let [dialled, accepted] = outcomes.map(|outcome| outcome.unwrap_or(Err(MseError::NoMark)));
    (dialled, accepted, lines)
}

fn applied(start: &Rc4Start, text: &[u8]) -> Vec<u8> {
    let mut cipher = Rc4::new_from_slice(&start.key).unwrap();
    let mut bytes = vec![0; start.skip as usize];
    cipher.apply_keystream(&mut bytes);
    let mut text = text.to_vec();
    cipher.apply_keystream(&mut text);
    text
}

fn check_agreed(policies: [Encryption; 2], encrypted: bool) {
    let (dialled, accepted, lines) = shake(policies, &[InfoHash([1; 20]), TORRENT], 5, 7);
    let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap());
    assert_eq!(accepted.early, b"early words");
    assert_eq!(accepted.info_hash, TORRENT);
    assert!(lines.iter().all(|line| line.0.is_empty()), "not a byte of the handshake is left");
    let pairs = [(&dialled.write, &accepted.read), (&accepted.write, &dialled.read)];
    for (write, read) in pairs {
        assert_eq!(write.is_some(), encrypted);
        assert_eq!(write, read);
        if let (Some(write), Some(read)) = (write, read) {
            assert_eq!(applied(read, &applied(write, b"and so on")), b"and so on");
        }
    }
}

#[test]
fn ends_that_support_encryption_use_it() {
    check_agreed([Encryption::Forced; 2], true);
    check_agreed([Encryption::Preferred, Encryption::Forced], true);
    check_agreed([Encryption::Forced, Encryption::Allowed], true);
    check_agreed([Encryption::Allowed; 2], true);
}

#[test]
fn plain_text_is_agreed_on_unless_encryption_is_forced() {
    let mut dialling = Handshake::dial(TORRENT, Vec::new(), Encryption::Allowed, &mut rng(1));
    dialling.methods = PLAIN;
    let mut accepting = Handshake::accept(Encryption::Forced, &mut rng(2));
    let first = dialling.take_out();
    let mut to_accepting = Line(first.into());
    let mut to_dialling = Line::default();
    let mut outcome = Ok(());
    for _ in 0..2_000 {
        let data = to_accepting.take(accepting.wanted(), 64);
        match accepting.handle_data(&data, [TORRENT].into_iter()) {
            Ok(_) => {}
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
        to_dialling.0.extend(accepting.take_out());
        let data = to_dialling.take(dialling.wanted(), 64);
        dialling.handle_data(&data, std::iter::empty()).unwrap();
        to_accepting.0.extend(dialling.take_out());
    }
    assert_eq!(outcome, Err(MseError::Method));
}

#[test]
fn early_payload_beyond_a_handshake_is_left_to_the_stream() {
    let words: Vec<u8> = (0..200).collect();
    let mut dialling = Handshake::dial(TORRENT, words.clone(), Encryption::Forced, &mut rng(3));
    let mut accepting = Handshake::accept(Encryption::Allowed, &mut rng(4));
    let (mut forth, mut back) = (Line::default(), Line::default());
    let outcome = loop {
        forth.0.extend(dialling.take_out());
        let data = forth.take(accepting.wanted(), 31);
        if let Step::Done(outcome) = accepting.handle_data(&data, [TORRENT].into_iter()).unwrap() {
            break outcome;
        }
        back.0.extend(accepting.take_out());
        let data = back.take(dialling.wanted(), 31);
        dialling.handle_data(&data, std::iter::empty()).unwrap();
    };
    assert_eq!(outcome.early, words[..68]);
    let rest: Vec<u8> = forth.0.into_iter().collect();
    assert_eq!(
        applied(outcome.read.as_ref().unwrap(), &rest),
        words[68..],
        "not a byte twice, not a byte lost"
    );
}

#[test]
fn bytes_are_requested_once() {
    let mut end = Handshake::accept(Encryption::Allowed, &mut rng(1));
    assert_eq!((end.bytes_needed(), end.bytes_needed()), (96, 0));
    let key = Handshake::dial(TORRENT, Vec::new(), Encryption::Allowed, &mut rng(2)).take_out();
    end.handle_data(&key[..90], std::iter::empty()).unwrap();
    assert_eq!(end.bytes_needed(), 0, "six are on their way");
    end.handle_data(&key[90..96], std::iter::empty()).unwrap();
    assert_eq!(end.bytes_needed(), 20);
}

#[test]
fn an_unknown_torrent_ends_the_handshake() {
    let (_, accepted, _) = shake([Encryption::Forced; 2], &[InfoHash([1; 20])], 9, 1000);
    assert_eq!(accepted.err(), Some(MseError::UnknownTorrent));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn noise_is_refused_within_bounds(
        noise in prop::collection::vec(any::<u8>(), 3_000),
        seed in any::<u8>(),
        dials in any::<bool>(),
    ) {
        let mut end = match dials {
            true => Handshake::dial(TORRENT, vec![1; 68], Encryption::Preferred, &mut rng(seed)),
            false => Handshake::accept(Encryption::Preferred, &mut rng(seed)),
        };
        let mut line = Line(noise.into());
        let mut read = 0;
        loop {
            let data = line.take(end.wanted(), 100);
            read += data.len();
            match end.handle_data(&data, [TORRENT].into_iter()) {
                Ok(Step::Read(_)) => prop_assert!(read <= MOST_READ),
                Ok(Step::Done(_)) => prop_assert!(false, "noise passed"),
                Err(_) => break,
            }
        }
    }
}
