//! Message stream encryption: the encrypted handshake before the BitTorrent handshake.
//!
//! There is no BEP for it; the Azureus wiki describes it, also as “protocol encryption”. This is a
//! pure state machine for either end: it requests an exact number of bytes, handles them, and
//! collects the bytes to send. It never reads a byte that belongs to the stream after it; the
//! ciphers continue elsewhere ([`Outcome`]). Invariant: whatever a peer sends, the handshake reads
//! at most [`MOST_READ`] bytes and ends.

mod keys;
mod sync;

use rand::Rng;
use serde::{Deserialize, Serialize};
use shared_proto::io::Rc4Start;
use thiserror::Error;

use super::handshake::HANDSHAKE_LEN;
use crate::metainfo::InfoHash;
pub(crate) use keys::KEY_LEN;
use keys::{PRIVATE_LEN, Private, Secret, Stream};
use sync::{MAX_PADDING, Search};

/// Maximum bytes that a handshake reads: key, padding, marks, padding, first payload.
pub const MOST_READ: usize = KEY_LEN + MAX_PADDING + 40 + 14 + MAX_PADDING + 2 + MOST_EARLY;
/// Maximum bytes of the first payload that are read: a BitTorrent handshake. The rest belongs to
/// the stream, with the same cipher.
const MOST_EARLY: usize = HANDSHAKE_LEN;
/// Eight encrypted zeros, by which the dialling end finds the end of the padding.
const VERIFICATION: [u8; 8] = [0; 8];
/// The method without encryption after the handshake, as a bit.
const PLAIN: u32 = 1;
/// The method with RC4 after the handshake, as a bit.
const RC4: u32 = 2;

/// The policy for encrypting connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// Never.
    Off,
    /// If the peer wants it: dials in plain text first, and encrypted if that is refused.
    #[default]
    Allowed,
    /// If the peer supports it: dials encrypted first, and in plain text if that fails.
    Preferred,
    /// Always, with RC4; otherwise there is no connection.
    Forced,
}

impl Encryption {
    /// The methods that this policy allows after the handshake, as bits.
    fn methods(self) -> u32 {
        if self == Self::Forced { RC4 } else { PLAIN | RC4 }
    }
}

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MseError {
    /// A public key that would reveal the secret.
    #[error("a public key that would reveal the secret")]
    Key,
    /// The mark did not follow the padding.
    #[error("not an encrypted handshake")]
    NoMark,
    /// The torrent is unknown.
    #[error("an encrypted handshake for another torrent")]
    UnknownTorrent,
    /// Decryption yields no zeros: the keys differ.
    #[error("an encrypted handshake that can't be decrypted")]
    Verification,
    /// Padding or payload exceeds its bound.
    #[error("an encrypted handshake that exceeds its bounds")]
    Length,
    /// The ends share no method.
    #[error("no common method of encryption")]
    Method,
}

/// The result of a handshake.
#[derive(Debug)]
pub struct Outcome {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Payload that arrived with the handshake, decrypted: at most a BitTorrent handshake.
    pub early: Vec<u8>,
    /// The cipher for received bytes; `None` for plain text.
    pub read: Option<Rc4Start>,
    /// The cipher for sent bytes; `None` for plain text.
    pub write: Option<Rc4Start>,
}

/// The next step of a handshake.
#[derive(Debug)]
pub enum Step {
    /// Read this many more bytes.
    Read(usize),
    /// The handshake is done.
    Done(Box<Outcome>),
}

enum Stage {
    /// Waits for the other end's public key.
    Key,
    /// Dialling end: waits for the verification after the padding.
    Verify { search: Search, ours: Stream, theirs: Stream },
    /// Dialling end: waits for the method and the length of more padding.
    Selection { ours: Stream, theirs: Stream },
    /// Dialling end: waits for that padding.
    LastPadding { method: u32, ours: Stream, theirs: Stream },
    /// Answering end: waits for the first mark after the padding.
    Mark { search: Search, secret: Secret },
    /// Answering end: waits for the torrent's mark.
    Torrent { secret: Secret },
    /// Answering end: waits for verification, methods, and length of more padding.
    Offer { info_hash: InfoHash, ours: Stream, theirs: Stream },
    /// Answering end: waits for that padding, and the length of the first payload.
    OfferPadding { info_hash: InfoHash, method: u32, ours: Stream, theirs: Stream },
    /// Answering end: waits for the first payload.
    Early { info_hash: InfoHash, method: u32, ours: Stream, theirs: Stream },
}

enum Role {
    Dialled { info_hash: InfoHash, early: Vec<u8> },
    Accepted,
}

/// One encrypted handshake.
pub struct Handshake {
    role: Role,
    methods: u32,
    private: Private,
    padding: [Vec<u8>; 2],
    stage: Option<Stage>,
    wanted: usize,
    held: Vec<u8>,
    /// Bytes that were requested and have not arrived.
    coming: usize,
    out: Vec<u8>,
}

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handshake").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl Handshake {
    /// Starts a handshake of the dialling end.
    ///
    /// `early` is the first payload, at most 64 KiB; it is sent encrypted.
    pub fn dial(
        info_hash: InfoHash,
        early: Vec<u8>,
        encryption: Encryption,
        rng: &mut impl Rng,
    ) -> Self {
        let mut handshake = Self::new(Role::Dialled { info_hash, early }, encryption, rng);
        handshake.send_key();
        handshake
    }

    /// Starts a handshake of the answering end. The first bytes were no plain handshake.
    pub fn accept(encryption: Encryption, rng: &mut impl Rng) -> Self {
        Self::new(Role::Accepted, encryption, rng)
    }

    fn new(role: Role, encryption: Encryption, rng: &mut impl Rng) -> Self {
        let mut private = [0; PRIVATE_LEN];
        rng.fill_bytes(&mut private);
        let padding = [(); 2].map(|()| {
            let length = usize::from(rng.next_u32().to_be_bytes()[0]) * 2 % (MAX_PADDING + 1);
            let mut bytes = vec![0; length];
            rng.fill_bytes(&mut bytes);
            bytes
        });
        Self {
            role,
            methods: encryption.methods(),
            private: Private::new(private),
            padding,
            stage: Some(Stage::Key),
            wanted: KEY_LEN,
            held: Vec::new(),
            coming: 0,
            out: Vec::new(),
        }
    }

    /// Number of bytes needed next.
    pub fn wanted(&self) -> usize {
        self.wanted.saturating_sub(self.held.len())
    }

    /// Number of bytes to request now; they count as requested from now on.
    pub(crate) fn bytes_needed(&mut self) -> usize {
        let more = self.wanted().saturating_sub(self.coming);
        self.coming += more;
        more
    }

    /// Takes the bytes to send now.
    pub fn take_out(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Handles bytes, no more than were requested. `torrents` are those that the answering end
    /// knows.
    ///
    /// # Errors
    /// [`MseError`]: close the connection.
    pub fn handle_data(
        &mut self,
        data: &[u8],
        torrents: impl Iterator<Item = InfoHash>,
    ) -> Result<Step, MseError> {
        self.coming = self.coming.saturating_sub(data.len());
        self.held.extend_from_slice(data);
        let mut torrents = Some(torrents);
        while self.held.len() >= self.wanted {
            let bytes: Vec<u8> = self.held.drain(..self.wanted).collect();
            // Without a stage the handshake had ended before.
            let stage = self.stage.take().ok_or(MseError::Length)?;
            if let Some(outcome) = self.advance(stage, bytes, &mut torrents)? {
                return Ok(Step::Done(Box::new(outcome)));
            }
        }
        Ok(Step::Read(self.wanted()))
    }

    fn advance(
        &mut self,
        stage: Stage,
        mut bytes: Vec<u8>,
        torrents: &mut Option<impl Iterator<Item = InfoHash>>,
    ) -> Result<Option<Outcome>, MseError> {
        match stage {
            Stage::Key => {
                let theirs = bytes.first_chunk().ok_or(MseError::Key)?;
                let secret = self.private.secret(theirs).ok_or(MseError::Key)?;
                self.got_secret(secret);
            }
            Stage::Verify { mut search, ours, mut theirs } => {
                search.take(&bytes).map_err(|_| MseError::NoMark)?;
                if search.wanted() > 0 {
                    self.read(search.wanted(), Stage::Verify { search, ours, theirs });
                } else {
                    theirs.apply(&mut VERIFICATION.clone());
                    self.read(6, Stage::Selection { ours, theirs });
                }
            }
            Stage::Selection { ours, mut theirs } => {
                theirs.apply(&mut bytes);
                let (method, padding) = method_and_length(&bytes)?;
                if ![PLAIN, RC4].contains(&method) || method & self.methods == 0 {
                    return Err(MseError::Method);
                }
                if padding == 0 {
                    return self.end(method, Vec::new(), ours, theirs, None).map(Some);
                }
                self.read(padding, Stage::LastPadding { method, ours, theirs });
            }
            Stage::LastPadding { method, ours, mut theirs } => {
                theirs.apply(&mut bytes);
                return self.end(method, Vec::new(), ours, theirs, None).map(Some);
            }
            Stage::Mark { mut search, secret } => {
                search.take(&bytes).map_err(|_| MseError::NoMark)?;
                if search.wanted() > 0 {
                    self.read(search.wanted(), Stage::Mark { search, secret });
                } else {
                    self.read(20, Stage::Torrent { secret });
                }
            }
            Stage::Torrent { secret } => {
                let mut known = torrents.take().into_iter().flatten();
                let info_hash = known.find(|torrent| secret.torrent_mark(torrent)[..] == bytes[..]);
                let info_hash = info_hash.ok_or(MseError::UnknownTorrent)?;
                let [theirs, ours] = secret.streams(&info_hash);
                self.read(14, Stage::Offer { info_hash, ours, theirs });
            }
            Stage::Offer { info_hash, ours, mut theirs } => {
                theirs.apply(&mut bytes);
                let rest = bytes.strip_prefix(&VERIFICATION).ok_or(MseError::Verification)?;
                let (offered, padding) = method_and_length(rest)?;
                let common = offered & self.methods;
                // Encrypted if both ends support it.
                let method = [RC4, PLAIN]
                    .into_iter()
                    .find(|method| common & method != 0)
                    .ok_or(MseError::Method)?;
                self.read(padding + 2, Stage::OfferPadding { info_hash, method, ours, theirs });
            }
            Stage::OfferPadding { info_hash, method, mut ours, mut theirs } => {
                theirs.apply(&mut bytes);
                let &[.., high, low] = &bytes[..] else { return Err(MseError::Length) };
                let early = usize::from(u16::from_be_bytes([high, low]));
                if early > MOST_EARLY && method == PLAIN {
                    // The following bytes are either all encrypted or all plain.
                    return Err(MseError::Length);
                }
                let mut answer = VERIFICATION.to_vec();
                push_method(&mut answer, method, &self.padding[1]);
                self.out.extend(ours.applied(&answer));
                if early == 0 {
                    return self.end(method, Vec::new(), ours, theirs, Some(info_hash)).map(Some);
                }
                self.read(early.min(MOST_EARLY), Stage::Early { info_hash, method, ours, theirs });
            }
            Stage::Early { info_hash, method, ours, mut theirs } => {
                theirs.apply(&mut bytes);
                return self.end(method, bytes, ours, theirs, Some(info_hash)).map(Some);
            }
        }
        Ok(None)
    }

    fn send_key(&mut self) {
        self.out.extend_from_slice(&self.private.public());
        self.out.extend_from_slice(&self.padding[0]);
    }

    fn got_secret(&mut self, secret: Secret) {
        let Role::Dialled { info_hash, early } = &self.role else {
            self.send_key();
            let search = Search::new(&secret.sync_mark());
            return self.read(search.wanted(), Stage::Mark { search, secret });
        };
        let [mut ours, theirs] = secret.streams(info_hash);
        self.out.extend_from_slice(&secret.sync_mark());
        self.out.extend_from_slice(&secret.torrent_mark(info_hash));
        let mut offer = VERIFICATION.to_vec();
        push_method(&mut offer, self.methods, &self.padding[1]);
        offer.extend_from_slice(&u16::try_from(early.len()).unwrap_or(0).to_be_bytes());
        offer.extend_from_slice(early);
        self.out.extend(ours.applied(&offer));
        // Eight zeros as the other end encrypts them, from a separate stream, so that `theirs`
        // keeps its position.
        let [_, mut ahead] = secret.streams(info_hash);
        let search = Search::new(&ahead.applied(&VERIFICATION));
        self.read(search.wanted(), Stage::Verify { search, ours, theirs });
    }

    fn read(&mut self, wanted: usize, stage: Stage) {
        self.wanted = wanted;
        self.stage = Some(stage);
    }

    fn end(
        &self,
        method: u32,
        early: Vec<u8>,
        ours: Stream,
        theirs: Stream,
        named: Option<InfoHash>,
    ) -> Result<Outcome, MseError> {
        let info_hash = match (&self.role, named) {
            (Role::Dialled { info_hash, .. }, _) => *info_hash,
            (Role::Accepted, Some(info_hash)) => info_hash,
            (Role::Accepted, None) => return Err(MseError::UnknownTorrent),
        };
        let [read, write] =
            [&theirs, &ours].map(|stream| (method == RC4).then(|| stream.hand_over()));
        Ok(Outcome { info_hash, early, read, write })
    }
}

fn push_method(message: &mut Vec<u8>, methods: u32, padding: &[u8]) {
    message.extend_from_slice(&methods.to_be_bytes());
    message.extend_from_slice(&u16::try_from(padding.len()).unwrap_or(0).to_be_bytes());
    message.extend_from_slice(padding);
}

fn method_and_length(bytes: &[u8]) -> Result<(u32, usize), MseError> {
    let &[a, b, c, d, high, low] = bytes else { return Err(MseError::Length) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_PADDING {
        Err(MseError::Length)
    } else {
        Ok((u32::from_be_bytes([a, b, c, d]), length))
    }
}

#[cfg(test)]
mod tests;
