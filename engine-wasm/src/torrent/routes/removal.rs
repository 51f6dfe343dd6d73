//! Removes a torrent with its files, or without.
//!
//! The storage owns the progress of deleting the files.

use shared_proto::EngineMessage;

use crate::context::Context;
use crate::torrent::account::seeding;
use crate::torrent::{Asker, RemovalEnd, Status, Torrent, record};
use crate::view::Trouble;

impl Torrent {
    /// Stops it and begins to delete its files; [`Torrent::take_removal_end`] returns the result.
    pub(crate) fn remove_with_data(&mut self, asker: Option<Asker>, cx: &mut Context<'_>) {
        self.stop(Status::Paused, cx);
        self.life.aside = None;
        self.close_files(cx);
        let orders = self.storage.remove(&self.content, asker);
        self.order_all(orders, cx);
        cx.changed();
    }

    /// Whether it is being removed with its files.
    pub(crate) fn is_being_removed(&self) -> bool {
        self.storage.is_being_removed()
    }

    /// Takes the result of a removal, once it is known.
    pub(crate) fn take_removal_end(&mut self, cx: &mut Context<'_>) -> Option<RemovalEnd> {
        let parting = self.storage.take_removal_end(&self.content)?;
        if let RemovalEnd::Stays { why, .. } = &parting {
            self.fail(Trouble::NotDeleted, why.clone(), cx);
        }
        Some(parting)
    }

    /// Removes it from the engine; its files stay.
    pub(crate) fn forget(&mut self, cx: &mut Context<'_>) {
        self.stop(Status::Paused, cx);
        self.close_files(cx);
        let orders = self.storage.abandon_empties();
        self.order_all(orders, cx);
        for (file, id) in self.content.geometry.files().zip(self.storage.ids()) {
            if !self.content.geometry.is_padding(file) {
                cx.send_control(EngineMessage::FileForget { file_id: id.clone() });
            }
        }
        let info_hash = self.content.meta.info_hash;
        for key in record::keys(info_hash).into_iter().chain([seeding::key(info_hash)]) {
            cx.write(key, None);
        }
    }
}
