//! The condition of the daemon's state store, and the notices about it.

use crate::view::{NoticeKind, NoticeView, Sentence};

/// The reported condition of the store, and what was unreadable in it.
#[derive(Debug, Default)]
pub(crate) struct Store {
    trouble: Option<String>,
    set_aside: Vec<String>,
    begun_anew: u32,
    /// Number of unreadable torrents, magnet links, plans and settings.
    unreadable: u32,
    /// Why the stored state could not be read yet.
    unread: Option<String>,
}

impl Store {
    /// Forgets the condition; the daemon reports it again after the next connect.
    pub(crate) fn unlink(&mut self) {
        (self.trouble, self.begun_anew, self.unread) = (None, 0, None);
    }

    /// Takes over the condition that the daemon reports. Returns whether the daemon began a new
    /// store.
    pub(crate) fn set_status(
        &mut self,
        trouble: Option<String>,
        set_aside: Vec<String>,
        begun_anew: u32,
    ) -> bool {
        let is_anew = begun_anew > self.begun_anew;
        (self.trouble, self.set_aside, self.begun_anew) = (trouble, set_aside, begun_anew);
        is_anew
    }

    /// Counts an unreadable value.
    pub(crate) fn found_unreadable(&mut self) {
        self.unreadable += 1;
    }

    /// Sets why the stored state could not be read; `None` when it was.
    pub(crate) fn set_unread(&mut self, reason: Option<String>) {
        self.unread = reason;
    }

    /// Returns the notices to show.
    pub(crate) fn notices(&self) -> Vec<NoticeView> {
        let mut notices = Vec::new();
        let mut add = |kind, says| notices.push(NoticeView::new(kind, says));
        if let Some(reason) = &self.trouble {
            add(NoticeKind::NotSaved, Sentence::NotSaved { detail: reason.clone() });
        }
        if let Some(reason) = &self.unread {
            add(NoticeKind::NotRead, Sentence::NotRead { detail: reason.clone() });
        }
        for path in &self.set_aside {
            add(NoticeKind::SetAside, Sentence::SetAside { path: path.clone() });
        }
        if self.unreadable > 0 {
            add(NoticeKind::Unreadable, Sentence::Unreadable { count: self.unreadable });
        }

        notices
    }
}
