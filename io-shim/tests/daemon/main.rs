//! The daemon as others see it: viewers over HTTP, engines over the control WebSocket, strangers.
//!
//! Every test starts its own daemon on a free port, with a small engine ([`rig`]).

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
#[path = "../../src/testing.rs"]
mod testing;
mod viewer;
mod waiting;
mod websocket;
