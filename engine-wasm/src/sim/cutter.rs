//! Cuts a byte stream like the daemon: raw up to the requested byte, then frames.

use bytes::Bytes;
use shared_proto::io::DivertKey;

/// A cut part of the stream.
#[derive(Debug)]
pub(super) enum Cut {
    /// Raw bytes.
    Raw(Bytes),
    /// A frame for the engine.
    Frame(Bytes),
    /// A diverted frame, with key and payload.
    Diverted(DivertKey, Vec<u8>),
}

/// The reading side of a connection.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    /// Received bytes that are not cut yet.
    pub(super) held: Vec<u8>,
    raw_left: usize,
    framed: bool,
    divert: Option<u8>,
}

impl Cutter {
    /// Requests more raw bytes.
    pub(super) fn raw(&mut self, bytes: u32) {
        self.raw_left += bytes as usize;
    }

    /// Switches to frames; those that start with `divert` are diverted.
    pub(super) fn framed(&mut self, divert: Option<u8>) {
        (self.framed, self.divert) = (true, divert);
    }

    /// Returns whether frames have begun.
    pub(super) fn is_framed(&self) -> bool {
        self.framed
    }

    /// Returns the parts that are complete.
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
                None => cuts.push(Cut::Frame(Vec::new().into())),
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
