//! Finds the index of a media file by reading its container structure.
//!
//! Supports MP4 (`moov`; ISO/IEC 14496-12 §4.2), Matroska and WebM (`Cues`; RFC 9559 §5.1.5) and
//! AVI (`idx1`). A player reads the index before it shows a picture or seeks, and the index often
//! lies at the end of the file. This module performs no reads itself. File contents are untrusted.
//! Invariant: whatever they contain, every range lies within the file, and a search ends after
//! [`READS`] reads.

/// The offsets of the first and the last byte of a range.
pub type Bytes = (u64, u64);

/// Length of one read in bytes. The boxes at the start of a film fit, unless a single box is large.
const READ: u64 = 4 << 10;
/// Most reads of one search. A valid film needs two or three.
pub const READS: u8 = 16;
/// Longest index in an MP4 or AVI file, in bytes. A film of three hours has about 5 MiB.
const MAX_INDEX: u64 = 16 << 20;
/// Longest index in a Matroska file, in bytes. It lists key frames only and rarely exceeds 1 MiB.
const MAX_CUES: u64 = 4 << 20;

const MOOV: u32 = u32::from_be_bytes(*b"moov");
const IDX1: u32 = u32::from_be_bytes(*b"idx1");
/// Box types that may come first in an MP4 file.
const FIRST_BOXES: [&[u8; 4]; 7] = [b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide"];

const EBML: u32 = 0x1A45_DFA3;
const SEGMENT: u32 = 0x1853_8067;
const SEEK_HEAD: u32 = 0x114D_9B74;
const SEEK: u32 = 0x4DBB;
const SEEK_ID: u32 = 0x53AB;
const SEEK_POSITION: u32 = 0x53AC;
const CUES: u32 = 0x1C53_BB6B;
const CLUSTER: u32 = 0x1F43_B675;

/// A search for the index of one file.
///
/// Read the range that [`Search::reads`] names and pass its bytes to [`Search::feed`], until there
/// is nothing to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    length: u64,
    at: State,
    reads: u8,
    index: Option<Bytes>,
}

/// The state of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the first byte of the file.
    Start,
    /// At a box of an MP4 file.
    Box(u64),
    /// At a chunk of an AVI file.
    Chunk(u64),
    /// At an element of Matroska's segment, whose content begins at `segment`.
    Child { segment: u64, at: u64 },
    /// At the offset of a Matroska file where the index should begin.
    Cues(u64),
    /// The search has ended.
    Over,
}

impl Search {
    /// Starts a search in a file of this length in bytes.
    pub fn new(length: u64) -> Self {
        Self { length, at: State::Start, reads: 0, index: None }
    }

    /// Returns the range to read next; `None` when the search has ended.
    pub fn reads(&self) -> Option<Bytes> {
        let at = match self.at {
            State::Start => 0,
            State::Box(at) | State::Chunk(at) | State::Child { at, .. } | State::Cues(at) => at,
            State::Over => return None,
        };
        let last = self.length.checked_sub(1).filter(|&last| at <= last)?;
        Some((at, last.min(at.saturating_add(READ - 1))))
    }

    /// Returns the range of the index.
    ///
    /// `None` until it is found, and if the file has no index that this module supports.
    pub fn index(&self) -> Option<Bytes> {
        self.index
    }

    /// Takes the bytes of the range from [`Search::reads`].
    ///
    /// Fewer bytes mean that the file ends there.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.reads += 1;
        let next = match self.at {
            State::Start => self.start(bytes),
            State::Box(at) => self.boxes(at, bytes),
            State::Chunk(at) => self.chunks(at, bytes),
            State::Child { segment, at } => self.children(segment, at, bytes),
            State::Cues(at) => {
                if let Ok(element) = ebml(bytes)
                    && element.id == CUES
                {
                    self.found(at, &element, MAX_CUES);
                }
                State::Over
            }
            State::Over => State::Over,
        };
        self.at = if self.reads < READS { next } else { State::Over };
    }

    /// Ends the search because the file cannot be read.
    pub fn abort(&mut self) {
        self.at = State::Over;
    }

    fn start(&mut self, bytes: &[u8]) -> State {
        if bytes.get(4..8).is_some_and(|kind| FIRST_BOXES.iter().any(|first| *first == kind)) {
            return self.boxes(0, bytes);
        }
        if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"AVI ") {
            return self.chunks(12, bytes.get(12..).unwrap_or_default());
        }
        let Some(segment) = segment(bytes) else { return State::Over };
        let children = usize::try_from(segment).ok().and_then(|at| bytes.get(at..));
        self.children(segment, segment, children.unwrap_or_default())
    }

    fn boxes(&mut self, from: u64, bytes: &[u8]) -> State {
        self.walk((from, bytes), mp4, State::Box, |search, at, element, _| {
            (element.id == MOOV).then(|| {
                search.found(at, element, MAX_INDEX);
                State::Over
            })
        })
    }

    fn chunks(&mut self, from: u64, bytes: &[u8]) -> State {
        self.walk((from, bytes), riff, State::Chunk, |search, at, element, _| {
            (element.id == IDX1).then(|| {
                search.found(at, element, MAX_INDEX);
                State::Over
            })
        })
    }

    fn children(&mut self, segment: u64, from: u64, bytes: &[u8]) -> State {
        let child = |at| State::Child { segment, at };
        self.walk((from, bytes), ebml, child, |search, at, element, content| match element.id {
            // A seek head that extends beyond this read is read again from its start.
            SEEK_HEAD
                if at > from && element.size.is_some_and(|size| (content.len() as u64) < size) =>
            {
                Some(child(at))
            }
            SEEK_HEAD => {
                let (cues, next) = seek_head(content);
                let place = |position: u64| segment.checked_add(position);
                let cues = cues.and_then(place).map(State::Cues);
                cues.or_else(|| next.and_then(place).filter(|&next| next > at).map(child))
            }
            CUES => {
                search.found(at, element, MAX_CUES);
                Some(State::Over)
            }
            CLUSTER => Some(State::Over),
            _ => None,
        })
    }

    /// Visits the elements in `bytes` until `visit` returns a new state. The bytes begin at offset
    /// `from` of the file.
    ///
    /// If `visit` never does, the search continues at the first element that does not begin within
    /// `bytes`.
    fn walk(
        &mut self,
        (from, bytes): (u64, &[u8]),
        parse: fn(&[u8]) -> Result<Element, HeaderError>,
        again: impl Fn(u64) -> State,
        mut visit: impl FnMut(&mut Self, u64, &Element, &[u8]) -> Option<State>,
    ) -> State {
        let mut at = from;
        loop {
            let rest = usize::try_from(at - from)
                .ok()
                .and_then(|skip| bytes.get(skip..))
                .unwrap_or_default();
            let element = match parse(rest) {
                Ok(element) => element,
                Err(HeaderError::Short) if at > from => return again(at),
                Err(HeaderError::Short | HeaderError::Broken) => return State::Over,
            };
            let content = rest.get(usize::from(element.header)..).unwrap_or_default();
            let within = element
                .size
                .and_then(|size| usize::try_from(size).ok())
                .and_then(|size| content.get(..size));
            if let Some(next) = visit(self, at, &element, within.unwrap_or(content)) {
                return next;
            }
            let end = element
                .size
                .and_then(|size| at.checked_add(u64::from(element.header))?.checked_add(size));
            match end.filter(|&end| end < self.length) {
                Some(end) => at = end,
                None => return State::Over,
            }
        }
    }

    /// Sets the index, which begins at `at` and is at most `most` bytes long.
    fn found(&mut self, at: u64, element: &Element, most: u64) {
        let size =
            element.size.unwrap_or(most).saturating_add(u64::from(element.header)).clamp(1, most);
        if let Some(last) = self.length.checked_sub(1).filter(|&last| at <= last) {
            self.index = Some((at, last.min(at.saturating_add(size - 1))));
        }
    }
}

/// The header of a box, a chunk or an element.
#[derive(Clone, Copy, Debug)]
struct Element {
    id: u32,
    /// Length of the header in bytes.
    header: u8,
    /// Length of the content in bytes. `None` if it extends to the end or is unknown.
    size: Option<u64>,
}

/// Why no header could be parsed.
#[derive(Clone, Copy, Debug)]
enum HeaderError {
    /// The header extends beyond the available bytes.
    Short,
    /// The bytes are not a valid header.
    Broken,
}

/// Parses an MP4 box header: size, type, and a 64-bit size if needed (ISO/IEC 14496-12 §4.2).
fn mp4(bytes: &[u8]) -> Result<Element, HeaderError> {
    let (size, id) = (number_be(bytes, 0)?, number_be(bytes, 4)?);
    is_text(id)?;
    let (header, size) = match size {
        0 => (8, None),
        1 => {
            let wide =
                bytes.get(8..).and_then(<[u8]>::first_chunk).copied().map(u64::from_be_bytes);
            (16, Some(wide.ok_or(HeaderError::Short)?))
        }
        size => (8, Some(u64::from(size))),
    };
    let size = size
        .map(|size| size.checked_sub(u64::from(header)).ok_or(HeaderError::Broken))
        .transpose()?;
    Ok(Element { id, header, size })
}

/// Parses an AVI chunk header: type and little-endian size. Odd sizes have one byte of padding.
fn riff(bytes: &[u8]) -> Result<Element, HeaderError> {
    let (id, size) = (number_be(bytes, 0)?, number_be(bytes, 4)?.swap_bytes());
    is_text(id)?;
    Ok(Element { id, header: 8, size: Some(u64::from(size) + u64::from(size % 2)) })
}

/// Parses a Matroska element header: ID and size, both of variable length (RFC 8794 §4–§6).
fn ebml(bytes: &[u8]) -> Result<Element, HeaderError> {
    let (id_length, id) = variable(bytes)?;
    let id = u32::try_from(id).map_err(|_| HeaderError::Broken)?;
    let (size_length, size) = variable(bytes.get(usize::from(id_length)..).unwrap_or_default())?;
    let ones = (1 << (7 * size_length)) - 1;
    let size = Some(size & ones).filter(|&size| size != ones);
    Ok(Element { id, header: id_length + size_length, size })
}

/// Parses a variable-length number, including its marker. Returns its length and value.
fn variable(bytes: &[u8]) -> Result<(u8, u64), HeaderError> {
    let first = *bytes.first().ok_or(HeaderError::Short)?;
    let length = u8::try_from(first.leading_zeros() + 1).unwrap_or(u8::MAX);
    if length > 8 {
        return Err(HeaderError::Broken);
    }
    let digits = bytes.get(..usize::from(length)).ok_or(HeaderError::Short)?;
    Ok((length, big_endian(digits)))
}

/// Finds the start of the segment's content. `bytes` are the first of a Matroska file.
fn segment(bytes: &[u8]) -> Option<u64> {
    let head = ebml(bytes).ok().filter(|head| head.id == EBML)?;
    let at = u64::from(head.header).checked_add(head.size?)?;
    let segment = ebml(bytes.get(usize::try_from(at).ok()?..)?)
        .ok()
        .filter(|element| element.id == SEGMENT)?;
    at.checked_add(u64::from(segment.header))
}

/// Parses a seek head (RFC 9559 §5.1.1).
///
/// Returns the offsets of the index and of another seek head, relative to the segment's content.
fn seek_head(content: &[u8]) -> (Option<u64>, Option<u64>) {
    let (mut cues, mut next) = (None, None);
    for (_, seek) in elements(content).filter(|(id, _)| *id == SEEK) {
        let of = |wanted: u32| elements(seek).find(|(id, _)| *id == wanted).map(|(_, value)| value);
        let (Some(id), Some(position)) = (of(SEEK_ID), of(SEEK_POSITION)) else { continue };
        if id.len() > 4 || position.len() > 8 {
            continue;
        }
        let target = if big_endian(id) == u64::from(CUES) { &mut cues } else { &mut next };
        if [CUES, SEEK_HEAD].iter().any(|&known| big_endian(id) == u64::from(known)) {
            target.get_or_insert(big_endian(position));
        }
    }
    (cues, next)
}

/// Iterates over the complete elements in `bytes`, as ID and content.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let element = ebml(bytes).ok()?;
        let content = bytes.get(usize::from(element.header)..)?;
        let size = usize::try_from(element.size?).ok()?;
        let value = content.get(..size)?;
        bytes = &content[size..];
        Some((element.id, value))
    })
}

fn big_endian(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number, &digit| number << 8 | u64::from(digit))
}

fn number_be(bytes: &[u8], at: usize) -> Result<u32, HeaderError> {
    let four = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(HeaderError::Short)?;
    Ok(u32::from_be_bytes(*four))
}

/// Checks that a type consists of four printable characters; QuickTime's begin with ©.
fn is_text(id: u32) -> Result<(), HeaderError> {
    let is_letter = |byte: &u8| (b' '..=b'~').contains(byte) || *byte == 0xa9;
    if id.to_be_bytes().iter().all(is_letter) { Ok(()) } else { Err(HeaderError::Broken) }
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
