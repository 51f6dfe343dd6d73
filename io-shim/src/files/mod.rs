//! Files beneath the folders that the user chose.
//!
//! [`roots`] confines, and knows which disks held files ([`seen`]); [`writers`] keeps other
//! processes from writing to the same files; [`opening`] opens and makes files, [`identity`] tells
//! which file is which, [`folders`] changes names, [`moving`] moves from disk to disk, and
//! [`copying`] copies spans; [`store`] puts these together for all engines. [`locks`] orders reads
//! and writes of the same bytes, [`table`] keeps what one engine has open, [`watch`] notices what
//! other programs change. None of them knows what the files are for.

mod copying;
pub(crate) mod digest;
pub(crate) mod error;
pub(crate) mod faults;
mod folders;
pub(crate) mod handle;
pub(crate) mod identity;
pub(crate) mod locks;
mod moving;
pub(crate) mod opening;
pub(crate) mod read_ahead;
pub mod roots;
mod seen;
pub mod store;
pub(crate) mod table;
pub(crate) mod watch;
pub mod writers;

pub use roots::Roots;
pub use store::FileStore;
pub use writers::Writers;

use std::{fs::File, io};

/// Reads at an offset until the buffer is full or the file ends; how much was read.
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

/// Reads so many bytes from an offset on into fresh memory, or all there are up to the file's end.
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

/// Fills what is spare. Memory that is overwritten at once is not zeroed before: that took a
/// quarter of the time of serving.
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
