//! The daemon as its neighbours see it: viewers over HTTP, engines over the control WebSocket,
//! strangers over both.
//!
//! Every test starts a daemon of its own on a free port, with an engine made of a few lines
//! ([`rig`]).

mod attacks;
mod brain;
mod calls;
#[cfg(unix)]
mod changes;
mod floods;
mod folders;
mod grants;
mod life;
mod nginx;
mod patience;
mod planes;
mod pressure;
mod replies;
mod requests;
mod rig;
mod storing;
mod viewer;
mod websocket;
