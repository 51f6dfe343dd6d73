//! The computer around the daemon: settings, folders, browsers and file manager.
//!
//! Owns what the daemon reads and writes for itself. Must never know what is served.

pub(crate) mod about;
pub(crate) mod chosen_folders;
pub mod config;
pub mod descriptors;
pub mod install;
pub mod log;
pub mod native_messaging;
pub mod settings;
pub(crate) mod show;
pub mod state_folder;
