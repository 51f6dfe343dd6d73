//! The desk: which files are announced, and which bytes each viewer is granted.
//!
//! Owns the announcements of the connected engine, the running range requests and calls,
//! and the limits on both. Must never know what a file's bytes mean or why they are missing.
//! Invariants:
//!
//! - only the connected engine moves a request's watermark, and never beyond the request's range;
//! - announcements end with their engine; requests outlive it. When the next engine announces the
//!   same file, the desk asks it about the bytes not yet granted, with the same request id;
//! - every request that an engine knows ends with exactly one `range_cancel`, unless the engine
//!   rejected it.

mod activity;
mod call;
mod call_ticket;
mod file;
mod grant;
mod outgoing;
mod permits;
mod request;
mod slot;
mod slots;
mod table;
mod terms;
#[cfg(test)]
mod tests;
mod ticket;

pub(crate) use activity::{Activity, Busy};
pub(crate) use call::{Part, Question, Unanswered};
pub(crate) use call_ticket::CallTicket;
pub(crate) use file::ServedFile;
pub(crate) use grant::{End, Lease};
pub(crate) use outgoing::Outgoing;
pub(crate) use slot::Slot;
pub use table::{Desk, Seat};
pub(crate) use terms::{DeskConfig, Patience, Refusal};
pub(crate) use ticket::Ticket;
