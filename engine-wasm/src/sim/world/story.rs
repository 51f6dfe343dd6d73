//! The words that stories are told in: a torrent is added, a seeder named, a file looked at.

use std::net::SocketAddr;
use std::time::Duration;

use super::World;
use crate::io::Input;
use crate::metainfo::Magnet;
use crate::metainfo::testing::Sample;
use crate::sim::seeder::Manner;
use crate::sim::state::State;
use crate::view::{FilePriority, Intent, Priority, TorrentView};

impl World {
    /// A world in which the torrent was added and its seeders named.
    pub(in crate::sim) fn with_torrent(sample: Sample, seeders: &[Manner], seed: u8) -> Self {
        let mut world = Self::new(sample, seeders, seed);
        world.add();
        world
    }

    /// A world in which a magnet link was added that names its seeders.
    pub(in crate::sim) fn with_magnet(sample: Sample, seeders: &[Manner], seed: u8) -> Self {
        let mut world = Self::new(sample, seeders, seed);
        world.intend(Intent::AddMagnet { uri: world.magnet() });
        world
    }

    /// A magnet link that names all seeders.
    pub(in crate::sim) fn magnet(&self) -> String {
        let mut link = Magnet::new(self.sample.metainfo.identity());
        link.name = Some("A film".to_owned());
        link.peers.extend(self.seeders.keys());
        link.to_string()
    }

    /// The torrent is added and its seeders named.
    pub(in crate::sim) fn add(&mut self) {
        self.run_for(Duration::from_millis(10));
        self.intend(Intent::AddTorrent { metainfo: self.sample.torrent.clone().into() });
        self.run_for(Duration::from_millis(10));
        self.name_seeders();
    }

    /// The same with files wanted so before anybody is named.
    pub(in crate::sim) fn add_choosing(&mut self, priorities: &[(u32, Priority)]) {
        self.run_for(Duration::from_millis(10));
        self.intend(Intent::AddTorrent { metainfo: self.sample.torrent.clone().into() });
        let file = |&(index, priority)| FilePriority { index, priority };
        let files = priorities.iter().map(file).collect();
        self.intend(Intent::SetPriorities { info_hash: self.info_hash(), files });
        self.run_for(Duration::from_millis(10));
        self.name_seeders();
    }

    pub(in crate::sim) fn name_seeders(&mut self) {
        let peers = self.seeders.keys().map(SocketAddr::to_string).collect();
        self.intend(Intent::AddPeers { info_hash: self.info_hash(), peers });
    }

    /// A name has these addresses.
    pub(in crate::sim) fn name(&mut self, name: &str, ips: &[&str]) {
        let ips = ips.iter().map(|ip| ip.parse().expect("an address")).collect();
        self.names.insert(name.to_owned(), ips);
    }

    pub(in crate::sim) fn info_hash(&self) -> String {
        self.sample.metainfo.info_hash.to_string()
    }

    pub(in crate::sim) fn intend(&mut self, intent: Intent) {
        self.input(Input::Intent { id: 1, intent });
    }

    /// The first torrent, as a page sees it.
    pub(in crate::sim) fn view(&self) -> TorrentView {
        self.engine.snapshot(self.now).torrents.remove(0)
    }

    /// Verified bytes, as a page sees them.
    pub(in crate::sim) fn verified(&self) -> u64 {
        self.engine.snapshot(self.now).torrents.first().map_or(0, |torrent| torrent.verified)
    }

    pub(in crate::sim) fn is_complete(&self) -> bool {
        self.verified() == self.sample.metainfo.total_length()
    }

    /// Keys in the daemon's state that begin so.
    pub(in crate::sim) fn keys(&self, prefix: &str) -> usize {
        self.state.keys().filter(|key| key.starts_with(prefix)).count()
    }

    pub(in crate::sim) fn has_state(&self) -> bool {
        self.state.keys().any(|key| key != "secret")
    }

    /// The daemon loses all that it was to remember.
    pub(in crate::sim) fn forget_state(&mut self) {
        self.state = State::default();
    }

    /// Something is told to the engine.
    pub(in crate::sim) fn hear(&mut self, input: Input) {
        self.input(input);
    }

    /// A file that was there before any torrent.
    pub(in crate::sim) fn plant(&mut self, path: &str, bytes: &[u8]) {
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        self.disk.plant(path, bytes.to_vec(), self.now);
    }

    /// Somebody changes a byte of the first file behind the daemon's back.
    pub(in crate::sim) fn vandalise(&mut self, offset: usize) {
        let path = self.disk.paths().next().expect("a file is there").clone();
        self.disk.change(&path, offset, self.now);
    }

    /// A file on the disk.
    pub(in crate::sim) fn read(&self, path: &str) -> Option<&[u8]> {
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        self.disk.read(&path)
    }

    /// Paths of all files on the disk.
    pub(in crate::sim) fn paths(&self) -> Vec<String> {
        self.disk.paths().map(|path| path.join("/")).collect()
    }

    pub(in crate::sim) fn has_files(&self) -> bool {
        self.disk.paths().next().is_some()
    }
}
