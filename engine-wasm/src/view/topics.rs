//! Topics that pages follow: each update holds only the changes since the last revision.
//!
//! A topic is a name: `list`, `torrent/HASH` (files and trackers), `peers/HASH` (connected peers),
//! `film/HASH/INDEX` (what a player shows). [`Topics`] remembers the last sent state of each topic.
//! It knows no pages: its owner records which page has which revision. Invariant: a whole topic
//! followed by all of its changes in order equals the whole topic at the end.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::{
    FileView, NoticeView, PeerView, PortMappingView, RemovedView, RootView, Settings, StreamView,
    TorrentView, TrackerView,
};

/// What a list shows besides its torrents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct World {
    /// The download folders of the daemon.
    pub roots: Vec<RootView>,
    /// The port for incoming connections; `None` if there is none.
    pub listen_port: Option<u16>,
    /// The router's port mapping; `None` if no mapping is requested.
    pub port_mapping: Option<PortMappingView>,
    /// Settings for all torrents. `None` if they can't be changed or are not loaded yet.
    pub settings: Option<Settings>,
    /// Notices about the engine as a whole.
    pub notices: Vec<NoticeView>,
    /// Torrents just removed that can be restored, newest first.
    #[serde(default)]
    pub removed: Vec<RemovedView>,
    /// Whether the user can have folders shown and change the download folder.
    #[serde(default)]
    pub folders: bool,
}

/// What a player shows about one file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct FilmView {
    /// Its torrent, without files and trackers; `None` when it is not in the list.
    pub torrent: Option<TorrentView>,
    /// The file; `None` when the torrent has no such file.
    pub file: Option<FileView>,
    /// The current requests of the file's viewers.
    pub streams: Vec<StreamView>,
}

/// A topic at one revision, or its changes since another revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct TopicUpdate {
    /// Its name.
    pub topic: String,
    /// The revision to which the change applies; `None` if this is the whole topic.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub from: Option<u64>,
    /// The resulting revision.
    #[cfg_attr(test, ts(type = "number"))]
    pub revision: u64,
    /// The changes.
    pub change: Change,
}

/// The changes of a topic, by its kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[expect(clippy::large_enum_variant, reason = "each lives for one message")]
pub enum Change {
    /// Changes of `list`.
    List {
        /// The info hashes of all torrents, newest first; `None` if unchanged.
        order: Option<Vec<String>>,
        /// New and changed torrents, each complete but without files and trackers.
        torrents: Vec<TorrentView>,
        /// What the list shows besides torrents, if changed.
        world: Option<World>,
    },
    /// Changes of `torrent/HASH`.
    Torrent {
        /// The indexes of all files in their order; `None` if unchanged.
        order: Option<Vec<u32>>,
        /// New and changed files, each complete.
        files: Vec<FileView>,
        /// All trackers, if any changed.
        trackers: Option<Vec<TrackerView>>,
    },
    /// The whole of `peers/HASH`, because rates change all the time.
    Peers {
        /// The peers, most active first, at most [`crate::limits::PEERS_SHOWN`].
        peers: Vec<PeerView>,
    },
    /// The whole of `film/HASH/INDEX`, because it is small.
    Film {
        /// What the player shows.
        film: FilmView,
    },
}

/// What a page can follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic<'a> {
    /// All torrents, and what a list shows besides them.
    List,
    /// The files and trackers of the torrent with this info hash.
    Torrent(&'a str),
    /// The connected peers of the torrent with this info hash.
    Peers(&'a str),
    /// What a player shows of a file: the torrent's info hash, and the file's index.
    Film(&'a str, u32),
}

impl<'a> Topic<'a> {
    /// Parses a topic's name.
    fn parse(name: &'a str) -> Option<Self> {
        match name.split('/').collect::<Vec<&str>>()[..] {
            ["list"] => Some(Self::List),
            ["torrent", info_hash] => Some(Self::Torrent(info_hash)),
            ["peers", info_hash] => Some(Self::Peers(info_hash)),
            ["film", info_hash, index] => Some(Self::Film(info_hash, index.parse().ok()?)),
            _ => None,
        }
    }
}

/// The state of a topic.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one list, and few topics are followed")]
pub(crate) enum State {
    /// Of [`Topic::List`]: the torrents without files and trackers, newest first.
    List { torrents: Vec<TorrentView>, world: World },
    /// Of [`Topic::Torrent`].
    Torrent { files: Vec<FileView>, trackers: Vec<TrackerView> },
    /// Of [`Topic::Peers`].
    Peers(Vec<PeerView>),
    /// Of [`Topic::Film`].
    Film(Box<FilmView>),
}

#[derive(Debug)]
struct Told {
    revision: u64,
    state: State,
}

/// The followed topics and their last sent states.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    told: BTreeMap<String, Told>,
    last: u64,
}

impl Topics {
    /// Returns the changes of these topics since the last call.
    ///
    /// `now` returns the current state of a topic. A topic that the last call did not name is
    /// returned as a whole. Topics that this call does not name are forgotten; invalid names are
    /// ignored.
    pub(crate) fn poll(
        &mut self,
        names: &[String],
        now: impl Fn(Topic<'_>) -> State,
    ) -> Vec<TopicUpdate> {
        self.told.retain(|name, _| names.contains(name));
        let mut updates = Vec::new();
        for name in names {
            let Some(state) = Topic::parse(name).map(&now) else { continue };
            let before = self.told.get(name);
            if before.is_some_and(|told| told.state == state) {
                continue;
            }
            // Revision numbers are never reused, so a topic that was forgotten meanwhile is not
            // mistaken for its former self.
            self.last += 1;
            let change = state.since(before.map(|told| &told.state));
            let from = before.map(|told| told.revision);
            updates.push(TopicUpdate { topic: name.clone(), from, revision: self.last, change });
            self.told.insert(name.clone(), Told { revision: self.last, state });
        }
        updates
    }

    /// Returns a whole topic as last sent; `None` if it is not followed.
    pub(crate) fn whole(&self, name: &str) -> Option<TopicUpdate> {
        let Told { revision, state } = self.told.get(name)?;
        Some(TopicUpdate {
            topic: name.to_owned(),
            from: None,
            revision: *revision,
            change: state.since(None),
        })
    }
}

impl State {
    /// Returns the changes since an earlier state of the same topic. Without one, returns all of
    /// the state.
    fn since(&self, before: Option<&Self>) -> Change {
        match self {
            Self::List { torrents, world } => {
                let (old, old_world) = match before {
                    Some(Self::List { torrents, world }) => (Some(&torrents[..]), Some(world)),
                    _ => (None, None),
                };
                let (order, torrents) =
                    differing(torrents, old, |torrent| torrent.info_hash.clone());
                Change::List {
                    order,
                    torrents,
                    world: (old_world != Some(world)).then(|| world.clone()),
                }
            }
            Self::Torrent { files, trackers } => {
                let (old, old_trackers) = match before {
                    Some(Self::Torrent { files, trackers }) => (Some(&files[..]), Some(trackers)),
                    _ => (None, None),
                };
                let (order, files) = differing(files, old, |file| file.index);
                Change::Torrent {
                    order,
                    files,
                    trackers: (old_trackers != Some(trackers)).then(|| trackers.clone()),
                }
            }
            Self::Peers(peers) => Change::Peers { peers: peers.clone() },
            Self::Film(film) => Change::Film { film: FilmView::clone(film) },
        }
    }
}

/// Returns the order of all keys, and the items that are new or changed. The order is `None` if it
/// is unchanged.
fn differing<T: Clone + PartialEq, K: Clone + Eq + Hash>(
    now: &[T],
    before: Option<&[T]>,
    key: impl Fn(&T) -> K,
) -> (Option<Vec<K>>, Vec<T>) {
    let keys = |items: &[T]| items.iter().map(&key).collect::<Vec<K>>();
    let Some(before) = before else { return (Some(keys(now)), now.to_vec()) };
    // Usually the order is unchanged, and no index is needed.
    if before.len() == now.len() && before.iter().zip(now).all(|(old, new)| key(old) == key(new)) {
        return (
            None,
            now.iter()
                .zip(before)
                .filter(|(new, old)| new != old)
                .map(|(new, _)| new.clone())
                .collect(),
        );
    }
    let old: HashMap<K, &T> = before.iter().map(|item| (key(item), item)).collect();
    (
        Some(keys(now)),
        now.iter().filter(|item| old.get(&key(item)) != Some(item)).cloned().collect(),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Applies a change as pages do, in a few lines.
    fn applied(before: &[(u8, u8)], order: Option<Vec<u8>>, changed: &[(u8, u8)]) -> Vec<(u8, u8)> {
        let order = order.unwrap_or_else(|| before.iter().map(|item| item.0).collect());
        let find = |key: u8| changed.iter().chain(before).find(|item| item.0 == key).copied();
        order.into_iter().map(|key| find(key).expect("a key without an item")).collect()
    }

    fn items() -> impl Strategy<Value = Vec<(u8, u8)>> {
        proptest::collection::btree_map(0u8..12, 0u8..3, 0..10)
            .prop_map(|map| map.into_iter().collect::<Vec<_>>())
            .prop_shuffle()
    }

    proptest! {
        #[test]
        fn applying_all_changes_yields_the_final_state(
            states in proptest::collection::vec(items(), 1..12),
        ) {
            let mut page: Option<Vec<(u8, u8)>> = None;
            let mut before: Option<Vec<(u8, u8)>> = None;
            for state in states {
                let (order, changed) = differing(&state, before.as_deref(), |item| item.0);
                page = Some(applied(page.as_deref().unwrap_or_default(), order, &changed));
                prop_assert_eq!(page.as_ref(), Some(&state));
                before = Some(state);
            }
        }

        #[test]
        fn unchanged_items_are_not_sent(state in items()) {
            prop_assert_eq!(differing(&state, Some(&state), |item| item.0), (None, Vec::new()));
        }
    }

    #[test]
    fn only_changed_items_are_sent_when_items_come_and_go() {
        let before = [(1, 0), (2, 0), (3, 0)];
        let now = [(4, 0), (1, 0), (3, 1)];
        assert_eq!(
            differing(&now, Some(&before), |item| item.0),
            (Some(vec![4, 1, 3]), vec![(4, 0), (3, 1)])
        );
    }
}
