//! Reads and writes at an offset of an open file.

use std::fs::File;
use std::io;

use crate::files::faults;

/// Reads at an offset until the buffer is full or the file ends. Returns how many bytes were read.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    faults::check(faults::Access::Read)?;
    let mut filled = 0;
    while filled < buffer.len() {
        match read_some_at(file, &mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads `count` bytes at an offset into new memory. The result is shorter if the file ends.
pub(crate) fn read_bytes_at(file: &File, count: usize, offset: u64) -> io::Result<Vec<u8>> {
    faults::check(faults::Access::Read)?;
    let mut bytes = Vec::with_capacity(count);
    while bytes.len() < count {
        let from = offset + bytes.len() as u64;
        match append_some_at(file, &mut bytes, from) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(count);
    Ok(bytes)
}

/// Appends to the spare capacity. To zero that memory first took a quarter of the time of serving.
#[cfg(unix)]
fn append_some_at(file: &File, bytes: &mut Vec<u8>, offset: u64) -> io::Result<usize> {
    Ok(rustix::io::pread(file, rustix::buffer::spare_capacity(bytes), offset)?)
}

#[cfg(windows)]
fn append_some_at(file: &File, bytes: &mut Vec<u8>, offset: u64) -> io::Result<usize> {
    let length = bytes.len();
    bytes.resize(bytes.capacity(), 0);
    let read = read_some_at(file, &mut bytes[length..], offset);
    bytes.truncate(length + *read.as_ref().unwrap_or(&0));
    read
}

#[cfg(unix)]
fn read_some_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_some_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// Writes all bytes at an offset.
#[cfg(unix)]
pub(crate) fn write_all_at(file: &File, data: &[u8], offset: u64) -> io::Result<()> {
    faults::check(faults::Access::Write)?;
    std::os::unix::fs::FileExt::write_all_at(file, data, offset)
}

/// Writes all bytes at an offset.
#[cfg(windows)]
pub(crate) fn write_all_at(file: &File, mut data: &[u8], mut offset: u64) -> io::Result<()> {
    while !data.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, data, offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        data = &data[written..];
        offset += written as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;
    use crate::testing::TempDir;

    fn film(dir: &TempDir, options: &mut OpenOptions) -> File {
        let path = dir.path().join("film");
        std::fs::write(&path, b"0123456789").unwrap();
        options.open(path).unwrap()
    }

    #[test]
    fn a_read_fills_the_buffer_or_ends_with_the_file() {
        let dir = TempDir::new();
        let file = film(&dir, OpenOptions::new().read(true));
        for (offset, count, expected) in
            [(0, 4, "0123"), (3, 4, "3456"), (8, 5, "89"), (9, 1, "9"), (10, 3, ""), (3, 0, "")]
        {
            let mut buffer = vec![b'.'; count];
            let read = read_at(&file, &mut buffer, offset).unwrap();
            assert_eq!(&buffer[..read], expected.as_bytes(), "{count} from {offset}");
            let bytes = read_bytes_at(&file, count, offset).unwrap();
            assert_eq!(bytes, expected.as_bytes(), "{count} from {offset}");
        }
    }

    #[test]
    fn a_write_changes_only_its_bytes() {
        let dir = TempDir::new();
        let file = film(&dir, OpenOptions::new().write(true));
        write_all_at(&file, b"xy", 4).unwrap();
        write_all_at(&file, b"z", 11).unwrap();
        assert_eq!(std::fs::read(dir.path().join("film")).unwrap(), b"0123xy6789\0z");
    }

    #[test]
    fn a_failed_read_or_write_is_an_error() {
        let dir = TempDir::new();
        let file = film(&dir, OpenOptions::new().write(true));
        assert!(read_at(&file, &mut [0], 0).is_err());
        assert!(read_bytes_at(&file, 1, 0).is_err());
        let file = film(&dir, OpenOptions::new().read(true));
        assert!(write_all_at(&file, b"x", 0).is_err());
    }
}
