//! What the engine remembers, part by part.
//!
//! Each part owns its fields and does not know the engine. The files beside this folder, one for
//! each concern, call the parts and carry out what they return.

mod agenda;
mod awaited;
mod common;
mod decisions;
mod loading;
mod node;
mod queue_order;
mod removals;
mod roots;
mod routes;
mod space;
mod store;

pub(crate) use agenda::Agenda;
pub(crate) use awaited::{Awaited, Purpose, Recipient};
pub(crate) use common::Common;
pub(crate) use decisions::Decisions;
pub(crate) use loading::{Loading, Question, SECRET_KEY, SECRET_LEN};
pub(crate) use node::Node;
pub(crate) use queue_order::KEY as QUEUE_KEY;
pub(crate) use removals::Due;
pub(crate) use roots::Roots;
pub(crate) use routes::Routes;
pub(crate) use store::Store;
