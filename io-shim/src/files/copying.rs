//! Copies a span from one file to another. The file system shares the blocks where it can.
//!
//! Blocking code; knows no locks. Invariants: memory is bounded whatever the length; a source that
//! ends inside the span is an error.

use std::fs::File;

use shared_proto::io::{OpError, OpErrorKind};

use super::error::{from_io, op_error};
use crate::files::positional::{read_at, write_all_at};

/// Bytes that the operating system copies before the copy is checked for cancellation.
#[cfg(any(target_os = "linux", target_os = "android"))]
const STEP: u64 = 16 << 20;
/// Bytes copied through memory at a time.
const CHUNK: usize = 1 << 20;

/// Copies to the same offset of the other file. `cancelled` is asked between steps.
pub(super) fn copy_span(
    from: &File,
    to: &File,
    offset: u64,
    length: u64,
    cancelled: impl Fn() -> bool,
) -> Result<(), OpError> {
    let end = offset.saturating_add(length);
    let mut at = offset;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    while at < end {
        check_wanted(&cancelled)?;
        match copy_in_system(from, to, at, (end - at).min(STEP)).map_err(|error| from_io(&error))? {
            Some(0) => return Err(ends_early()),
            Some(copied) => at += copied,
            None => break,
        }
    }
    copy_through_memory(from, to, at, end, cancelled)
}

/// Copies inside the operating system and returns how many bytes it copied. `None` if the system
/// cannot copy between these files.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn copy_in_system(from: &File, to: &File, at: u64, length: u64) -> std::io::Result<Option<u64>> {
    use rustix::io::Errno;
    let (mut from_at, mut to_at) = (at, at);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    super::faults::check(super::faults::Access::Read)?;
    super::faults::check(super::faults::Access::Write)?;
    loop {
        match rustix::fs::copy_file_range(from, Some(&mut from_at), to, Some(&mut to_at), length) {
            Ok(copied) => return Ok(Some(copied as u64)),
            Err(Errno::INTR) => {}
            // Different file systems, one without the call, a file that overlaps itself, or a
            // filter that forbids the call.
            Err(
                Errno::XDEV
                | Errno::NOSYS
                | Errno::NOTSUP
                | Errno::INVAL
                | Errno::PERM
                | Errno::BADF,
            ) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn copy_through_memory(
    from: &File,
    to: &File,
    mut at: u64,
    end: u64,
    cancelled: impl Fn() -> bool,
) -> Result<(), OpError> {
    let mut buffer = vec![0; CHUNK.min(usize::try_from(end - at).unwrap_or(CHUNK))];
    while at < end {
        check_wanted(&cancelled)?;
        let wanted = buffer.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
        let read = read_at(from, &mut buffer[..wanted], at).map_err(|error| from_io(&error))?;
        if read < wanted {
            return Err(ends_early());
        }
        write_all_at(to, &buffer[..read], at).map_err(|error| from_io(&error))?;
        at += read as u64;
    }
    Ok(())
}

fn check_wanted(cancelled: impl Fn() -> bool) -> Result<(), OpError> {
    if cancelled() { Err(op_error(OpErrorKind::Other, "given up")) } else { Ok(()) }
}

fn ends_early() -> OpError {
    op_error(OpErrorKind::NotFound, "the file ends before these bytes do")
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, fs};

    use super::*;
    use crate::testing::TempDir;

    /// A source with these bytes, and an empty target.
    fn files(dir: &TempDir, bytes: &[u8]) -> (File, File) {
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::write(&from, bytes).unwrap();
        (File::open(from).unwrap(), File::create(to).unwrap())
    }

    #[test]
    fn a_span_arrives_at_its_place_and_nothing_else_does() {
        let dir = TempDir::new();
        let film: Vec<u8> = (0..3 * CHUNK).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let (from, to) = files(&dir, &film);
        let span = 1000..2 * CHUNK + 77;
        copy_span(&from, &to, span.start as u64, span.len() as u64, || false).unwrap();
        let copied = fs::read(dir.path().join("to")).unwrap();
        assert_eq!(copied.len(), span.end);
        assert!(
            copied[..span.start].iter().all(|byte| *byte == 0)
                && copied[span.clone()] == film[span.clone()]
        );
        copy_through_memory(&from, &to, 0, film.len() as u64, || false).unwrap();
        assert!(fs::read(dir.path().join("to")).unwrap() == film);
    }

    #[test]
    fn an_end_inside_the_span_is_an_error_either_way() {
        let dir = TempDir::new();
        let (from, to) = files(&dir, b"film");
        assert_eq!(copy_span(&from, &to, 0, 5, || false).unwrap_err().kind, OpErrorKind::NotFound);
        assert_eq!(
            copy_through_memory(&from, &to, 0, 5, || false).unwrap_err().kind,
            OpErrorKind::NotFound
        );
        assert_eq!(
            copy_span(&from, &to, 1 << 40, 9, || false).unwrap_err().kind,
            OpErrorKind::NotFound
        );
    }

    #[test]
    fn a_copy_that_nobody_wants_any_more_ends() {
        let dir = TempDir::new();
        let (from, to) = files(&dir, &vec![7; 4 * CHUNK]);
        let asked = Cell::new(0);
        let given_up =
            copy_through_memory(&from, &to, 0, 4 << 20, || asked.replace(asked.get() + 1) == 2);
        assert_eq!(given_up.unwrap_err().kind, OpErrorKind::Other);
        assert_eq!(fs::metadata(dir.path().join("to")).unwrap().len(), 2 * CHUNK as u64);
        assert!(copy_span(&from, &to, 0, 4 << 20, || true).is_err());
    }
}
