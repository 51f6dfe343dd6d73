//! Viewers: what they may have, what they wait for, and what they will need next.

pub(crate) mod ahead;
pub mod container_index;
pub mod desk;
pub(crate) mod subtitles;
pub mod viewer;
pub(crate) mod warm;
