//! Steps of scenarios: add a torrent, add seeders, inspect a file.

use std::net::SocketAddr;
use std::time::Duration;

use super::World;
use crate::io::Input;
use crate::metainfo::Magnet;
use crate::metainfo::testing::Sample;
use crate::sim::seeder::Behaviour;
use crate::sim::state::State;
use crate::view::{FilePriority, Intent, Priority, TorrentView};

impl World {
    /// Creates a world with the torrent and its seeders added.
    pub(in crate::sim) fn with_torrent(sample: Sample, seeders: &[Behaviour], seed: u8) -> Self {
        let mut world = Self::new(sample, seeders, seed);
        world.add();
        world
    }

    /// Creates a world with a magnet link that contains its seeders.
    pub(in crate::sim) fn with_magnet(sample: Sample, seeders: &[Behaviour], seed: u8) -> Self {
        let mut world = Self::new(sample, seeders, seed);
        world.intend(Intent::AddMagnet { uri: world.magnet() });
        world
    }

    /// Returns a magnet link that contains all seeders.
    pub(in crate::sim) fn magnet(&self) -> String {
        let mut link = Magnet::new(self.sample.metainfo.identity());
        link.name = Some("A film".to_owned());
        link.peers.extend(self.lines.seeders.keys());
        link.to_string()
    }

    /// Adds the torrent and its seeders.
    pub(in crate::sim) fn add(&mut self) {
        self.run_for(Duration::from_millis(10));
        self.intend(Intent::AddTorrent { metainfo: self.sample.torrent.clone().into() });
        self.run_for(Duration::from_millis(10));
        self.name_seeders();
    }

    /// Adds the torrent, sets priorities, then adds its seeders.
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
        let peers = self.lines.seeders.keys().map(SocketAddr::to_string).collect();
        self.intend(Intent::AddPeers { info_hash: self.info_hash(), peers });
    }

    /// Defines the addresses of a host name.
    pub(in crate::sim) fn name(&mut self, name: &str, ips: &[&str]) {
        let ips = ips.iter().map(|ip| ip.parse().expect("an address")).collect();
        self.outside.names.insert(name.to_owned(), ips);
    }

    pub(in crate::sim) fn info_hash(&self) -> String {
        self.sample.metainfo.info_hash.to_string()
    }

    pub(in crate::sim) fn intend(&mut self, intent: Intent) {
        self.input(Input::Intent { id: 1, intent });
    }

    /// Returns the view of the first torrent.
    pub(in crate::sim) fn view(&self) -> TorrentView {
        self.engine.snapshot(self.now).torrents.remove(0)
    }

    /// Returns the verified bytes of the first torrent.
    pub(in crate::sim) fn verified(&self) -> u64 {
        self.engine.snapshot(self.now).torrents.first().map_or(0, |torrent| torrent.verified)
    }

    pub(in crate::sim) fn is_complete(&self) -> bool {
        self.verified() == self.sample.metainfo.total_length()
    }

    /// Returns the keys in the daemon's state with this prefix.
    pub(in crate::sim) fn keys(&self, prefix: &str) -> usize {
        self.store.state.keys().filter(|key| key.starts_with(prefix)).count()
    }

    pub(in crate::sim) fn has_state(&self) -> bool {
        self.store.state.keys().any(|key| key != "secret")
    }

    /// Empties the daemon's state store.
    pub(in crate::sim) fn forget_state(&mut self) {
        self.store.state = State::default();
    }

    /// Passes an intent to the engine.
    pub(in crate::sim) fn hear(&mut self, input: Input) {
        self.input(input);
    }

    /// Creates a file that exists before the torrent.
    pub(in crate::sim) fn plant(&mut self, path: &str, bytes: &[u8]) {
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        self.disk.plant(path, bytes.to_vec(), self.now);
    }

    /// Changes a byte of the first file as another program would.
    pub(in crate::sim) fn vandalise(&mut self, offset: usize) {
        let path = self.disk.paths().next().expect("a file is there").clone();
        self.disk.change(&path, offset, self.now);
    }

    /// Returns the content of a file.
    pub(in crate::sim) fn read(&self, path: &str) -> Option<&[u8]> {
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        self.disk.read(&path)
    }

    /// Returns the paths of all files.
    pub(in crate::sim) fn paths(&self) -> Vec<String> {
        self.disk.paths().map(|path| path.join("/")).collect()
    }

    pub(in crate::sim) fn has_files(&self) -> bool {
        self.disk.paths().next().is_some()
    }
}
