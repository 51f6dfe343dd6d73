//! What pages follow, topic by topic, as what differs from the revision before.
//!
//! A topic is a name: `list`, `torrent/HASH` (its files and trackers), `peers/HASH` (who is
//! connected), `film/HASH/INDEX` (what a player shows). [`Topics`] remembers each topic's state as
//! it was last told. It knows no page: which page has heard which revision is its owner's to keep.
//! Invariant: the whole of a topic and then every change of it, in their order, make the same state
//! as the whole of it at the end.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::{
    FileView, NoticeView, PeerView, PortMappingView, RemovedView, RootView, Settings, StreamView,
    TorrentView, TrackerView,
};
use crate::engine::Engine;
use crate::time::Instant;

/// What a list shows beside its torrents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct World {
    /// The folders that the daemon lets torrents lie in.
    pub roots: Vec<RootView>,
    /// The port at which peers connect; `None` when they don't.
    pub listen_port: Option<u16>,
    /// Whether the router lets them in; `None` where it is not asked.
    pub port_mapping: Option<PortMappingView>,
    /// What counts for all torrents; `None` where it can't be changed, or is not known yet.
    pub settings: Option<Settings>,
    /// What a person has to know about the engine as a whole, while it is so.
    pub notices: Vec<NoticeView>,
    /// Torrents that were just removed and can be brought back, newest first.
    #[serde(default)]
    pub removed: Vec<RemovedView>,
    /// Whether a person can have folders shown and the download folder changed.
    #[serde(default)]
    pub folders: bool,
}

/// What a player shows of one file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct FilmView {
    /// Its torrent, without files and trackers; `None` when it is not in the list.
    pub torrent: Option<TorrentView>,
    /// The file; `None` when the torrent has no such file.
    pub file: Option<FileView>,
    /// Its viewers' requests that are under way.
    pub streams: Vec<StreamView>,
}

/// A topic at one revision, or what differs from the revision before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct TopicUpdate {
    /// Its name.
    pub topic: String,
    /// The revision that the change is to be applied to; `None`: to nothing, because it is the
    /// whole.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub from: Option<u64>,
    /// The revision that comes of it.
    #[cfg_attr(test, ts(type = "number"))]
    pub revision: u64,
    /// What differs.
    pub change: Change,
}

/// What differs, by the kind of topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[expect(clippy::large_enum_variant, reason = "each lives for one message")]
pub enum Change {
    /// Of `list`.
    List {
        /// The info hashes of all torrents, newest first; `None` when they are the same in the same
        /// order.
        order: Option<Vec<String>>,
        /// The torrents that are new or differ, each as a whole, without files and trackers.
        torrents: Vec<TorrentView>,
        /// What is shown beside them, if it differs.
        world: Option<World>,
    },
    /// Of `torrent/HASH`.
    Torrent {
        /// The indices of all files; `None` when they are the same in the same order.
        order: Option<Vec<u32>>,
        /// The files that are new or differ, each as a whole.
        files: Vec<FileView>,
        /// Its trackers, if they differ.
        trackers: Option<Vec<TrackerView>>,
    },
    /// Of `peers/HASH`, always as a whole: rates differ all the time.
    Peers {
        /// The most active first, at most [`crate::limits::PEERS_SHOWN`].
        peers: Vec<PeerView>,
    },
    /// Of `film/HASH/INDEX`, always as a whole: it is small.
    Film {
        /// What the player shows.
        film: FilmView,
    },
}

/// A topic's state.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one list, and few topics are followed")]
enum State {
    List { torrents: Vec<TorrentView>, world: World },
    Torrent { files: Vec<FileView>, trackers: Vec<TrackerView> },
    Peers(Vec<PeerView>),
    Film(Box<FilmView>),
}

#[derive(Debug)]
struct Told {
    revision: u64,
    state: State,
}

/// The topics that are followed, as they were last told.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    told: BTreeMap<String, Told>,
    last: u64,
}

impl Topics {
    /// What changed of these topics since the last call; all of one that was not among them then.
    /// Any other topic is forgotten. A name that is no topic's is passed over.
    pub(crate) fn poll(
        &mut self,
        engine: &Engine,
        names: &[String],
        now: Instant,
    ) -> Vec<TopicUpdate> {
        self.told.retain(|name, _| names.contains(name));
        let mut updates = Vec::new();
        for name in names {
            let Some(state) = State::of(engine, name, now) else { continue };
            let before = self.told.get(name);
            if before.is_some_and(|told| told.state == state) {
                continue;
            }
            // No topic has the same number twice, so one that was forgotten meanwhile is not taken
            // for what it was.
            self.last += 1;
            let change = state.since(before.map(|told| &told.state));
            let from = before.map(|told| told.revision);
            updates.push(TopicUpdate { topic: name.clone(), from, revision: self.last, change });
            self.told.insert(name.clone(), Told { revision: self.last, state });
        }
        updates
    }

    /// All of a topic as it was last told; `None` if it is not followed.
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
    fn of(engine: &Engine, name: &str, now: Instant) -> Option<Self> {
        let parts: Vec<&str> = name.split('/').collect();
        match parts[..] {
            ["list"] => Some(Self::List { torrents: engine.rows(now), world: engine.world(now) }),
            ["torrent", info_hash] => {
                let (files, trackers) = engine.contents(info_hash, now);
                Some(Self::Torrent { files, trackers })
            }
            ["peers", info_hash] => Some(Self::Peers(engine.peers(info_hash, now))),
            ["film", info_hash, index] => {
                Some(Self::Film(Box::new(engine.film(info_hash, index.parse().ok()?, now))))
            }
            _ => None,
        }
    }

    /// What differs from another state of the same topic; without one, all of it.
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

/// The keys of all items, unless they are the same in the same order as before, and the items that
/// were not there before or differ.
fn differing<T: Clone + PartialEq, K: Clone + Eq + Hash>(
    now: &[T],
    before: Option<&[T]>,
    key: impl Fn(&T) -> K,
) -> (Option<Vec<K>>, Vec<T>) {
    let keys = |items: &[T]| items.iter().map(&key).collect::<Vec<K>>();
    let Some(before) = before else { return (Some(keys(now)), now.to_vec()) };
    // Mostly nothing moved, and no index is needed.
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

    /// What a page makes of a change: the same rule in a few words.
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
        fn changes_one_after_another_make_the_state_at_the_end(states in proptest::collection::vec(items(), 1..12)) {
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
        fn what_is_the_same_is_not_told(state in items()) {
            prop_assert_eq!(differing(&state, Some(&state), |item| item.0), (None, Vec::new()));
        }
    }

    #[test]
    fn only_what_differs_is_told_when_something_comes_and_goes() {
        let before = [(1, 0), (2, 0), (3, 0)];
        let now = [(4, 0), (1, 0), (3, 1)];
        assert_eq!(
            differing(&now, Some(&before), |item| item.0),
            (Some(vec![4, 1, 3]), vec![(4, 0), (3, 1)])
        );
    }
}
