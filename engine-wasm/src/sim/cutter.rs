//! How a daemon cuts what comes over a connection: raw up to the byte that it was asked for, then
//! frames.

use bytes::Bytes;
use shared_proto::io::DivertKey;

/// What was cut off.
#[derive(Debug)]
pub(super) enum Cut {
    /// Bytes that were asked for raw.
    Raw(Bytes),
    /// A frame that goes to the engine.
    Frame(Bytes),
    /// One that does not, with its key and payload.
    Diverted(DivertKey, Vec<u8>),
}

/// One end of a connection, of what it reads.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    /// What came and was not cut yet.
    pub(super) held: Vec<u8>,
    raw_left: usize,
    framed: bool,
    divert: Option<u8>,
}

impl Cutter {
    /// So many bytes more are wanted raw.
    pub(super) fn raw(&mut self, bytes: u32) {
        self.raw_left += bytes as usize;
    }

    /// From here on there are frames; those that begin with this byte are diverted.
    pub(super) fn framed(&mut self, divert: Option<u8>) {
        (self.framed, self.divert) = (true, divert);
    }

    /// Whether frames have begun.
    pub(super) fn is_framed(&self) -> bool {
        self.framed
    }

    /// What can be cut off now.
    pub(super) fn cut(&mut self) -> Vec<Cut> {
        let mut cuts = Vec::new();
        let raw = self.held.len().min(self.raw_left);
        if raw > 0 {
            self.raw_left -= raw;
            cuts.push(Cut::Raw(self.held.drain(..raw).collect::<Vec<u8>>().into()));
        }
        while self.framed
            && let Some(length) =
                self.held.first_chunk().map(|&length| u32::from_be_bytes(length) as usize)
            && self.held.len() >= 4 + length
        {
            let frame: Vec<u8> = self.held.drain(..4 + length).skip(4).collect();
            match frame.split_first() {
                None => {}
                Some((first, rest)) if Some(*first) == self.divert && rest.len() >= 8 => {
                    let key = rest[..8].try_into().expect("it is as long");
                    cuts.push(Cut::Diverted(key, rest[8..].to_vec()));
                }
                Some(_) => cuts.push(Cut::Frame(frame.into())),
            }
        }
        cuts
    }
}
