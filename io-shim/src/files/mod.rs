//! Files below the download folders.
//!
//! [`roots`] opens the folders and confines paths to them; `seen` remembers which disks held
//! files. [`writers`] keeps other processes from writing to the same files. `opening` opens and
//! creates files, `identity` tells them apart, `folders` changes names, `moving` moves files
//! between disks, `copying` copies spans. [`store`] combines these for all engines. `locks`
//! orders reads and writes of the same bytes, `table` holds what one engine has open (`claimed`
//! its spans, `moves` its moves), and `watch` detects changes by other programs. None of them
//! knows what the files are for.

pub(crate) mod byte_range;
pub(crate) mod claimed;
mod confined;
mod copying;
pub(crate) mod digest;
mod disk;
pub(crate) mod error;
pub(crate) mod faults;
mod folders;
pub(crate) mod handle;
pub(crate) mod identity;
pub(crate) mod locks;
mod moves;
mod moving;
pub(crate) mod opening;
pub(crate) mod positional;
pub mod private;
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
