//! The fault matrix of the state: what each fault of the disk with the list of torrents does.
//!
//! For each fault one server runs through all actions: the disk breaks, the actions are done, the
//! disk is repaired, and the server is killed and started again. In every cell: the action holds
//! after the next start, no verified piece is fetched again, no other file changed, one sentence
//! told the user, and the server continued by itself when the cause was gone. The table goes to
//! standard output and to `target/faults-state.txt`.
//!
//! The daemon makes a missing file again within a second and logs it, without telling the user.
//!
//! The first four faults are injected below the state's database, which only debug builds allow:
//! with release builds this test fails.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::home::Home;
use jstorrent_tests::http;
use jstorrent_tests::mounts::{Disk, within};
use jstorrent_tests::plain::{Server, url_of};
use jstorrent_tests::swarm::Client;
use jstorrent_tests::terminal::{nothing_runs, output};
use jstorrent_tests::torrent;
use jstorrent_tests::workspace::{self, Scratch};
use serde_json::{Value, json};
use tokio::process::Command;

const DEEDS: [&str; 5] = ["adding", "downloading", "serving", "moving", "removing"];
const LENGTH: usize = 1_500_000;
/// Slow enough for the disk to break during the download.
const SLOW_BPS: u64 = 400_000;
const MINE: &str = "this is mine";

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Injected: file operations fail with this error.
    Errors(&'static str),
    FileGone,
    FileSwapped,
    DiskGone,
}

/// Each fault with its name and the words that the user reads.
const FAULTS: [(&str, Fault, &str); 7] = [
    ("ENOSPC", Fault::Errors("write 28"), "the disk is full"),
    ("EIO", Fault::Errors("write 5\nread 5"), "the disk failed"),
    ("EACCES", Fault::Errors("write 13"), "does not allow"),
    ("EROFS", Fault::Errors("write 30"), "read-only"),
    ("file gone", Fault::FileGone, ""),
    ("file swapped", Fault::FileSwapped, "state.redb.corrupt-1"),
    ("disk gone and back", Fault::DiskGone, "its folder is not there"),
];

/// A film with one seeder.
async fn film(name: &str, dice: u64) -> Result<Fixture> {
    let film = Fixture::random(name, LENGTH).dice(dice).pieces_of(32 << 10);
    film.seeded(Client::Libtorrent, 0).build().await
}

/// A torrent that nobody seeds.
fn orphan(scratch: &Scratch, name: &str) -> Result<PathBuf> {
    torrent::of_nobody(scratch.path(), name, &[(name, 9)])
}

async fn bind(disk: &Path, at: &Path) -> Result<()> {
    let (status, _, errors) = output(Command::new("mount").arg("--bind").args([disk, at])).await?;
    ensure!(status == 0, "{errors}");
    Ok(())
}

/// One server, and the torrents for its actions.
struct Session<'a> {
    home: Home,
    disk: PathBuf,
    scratch: &'a Scratch,
    served: &'a Fixture,
    slow: &'a Fixture,
}

impl Session<'_> {
    async fn break_it(&self, fault: Fault) -> Result<()> {
        let path = self.home.server_state()?.join("state.redb");
        match fault {
            Fault::Errors(orders) => {
                std::fs::write(self.home.server_state()?.join("faults-for-tests"), orders)?
            }
            Fault::FileGone => std::fs::remove_file(path)?,
            Fault::FileSwapped => {
                let other = path.with_file_name("other");
                std::fs::write(&other, MINE)?;
                std::fs::rename(other, path)?;
            }
            Fault::DiskGone => {
                let (status, _, errors) =
                    output(Command::new("umount").arg("-l").arg(&self.home.state)).await?;
                ensure!(status == 0, "{errors}");
            }
        }
        Ok(())
    }

    async fn mend_it(&self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Errors(_) => {
                Ok(std::fs::remove_file(self.home.server_state()?.join("faults-for-tests"))?)
            }
            // The daemon repairs these by itself.
            Fault::FileGone | Fault::FileSwapped => Ok(()),
            Fault::DiskGone => {
                ensure!(
                    std::fs::read_dir(&self.home.state)?.next().is_none(),
                    "something was made where the disk was"
                );
                bind(&self.disk, &self.home.state).await
            }
        }
    }

    async fn serves(&self, server: &Server) -> Result<()> {
        let torrent =
            server.json(&format!("torrents/{}", self.served.torrent.info_hash), &[]).await?;
        ensure!(
            http::get(url_of(&torrent)?).await?.body == self.served.truth[0],
            "other bytes were served"
        );
        Ok(())
    }

    /// Moves the torrent; returns false if that is refused with a reason.
    async fn moves(&self, server: &Server) -> Result<bool> {
        let path = format!("torrents/{}/location", self.served.torrent.info_hash);
        let body = json!({ "name": "moved.bin" }).to_string();
        let put = ["-X", "PUT", "-H", "Content-Type: application/json", "-d", &body];
        match server.curl(&path, &put).await? {
            (204, _) => Ok(true),
            (409, said) if said.contains("can't be saved") => Ok(false),
            (status, said) => bail!("{status} {said}"),
        }
    }

    /// Runs through one fault; returns the result of each action.
    async fn run(&self, fault: Fault, words: &str) -> Result<BTreeMap<&'static str, Result<()>>> {
        let mut server = self.home.serve(&[]).await?;
        let served = self.served.torrent_file()?;
        server.add_file(&served, "?keep=1").await?;
        server
            .torrent_when(&self.served.torrent.info_hash, "a complete film", |torrent| {
                torrent["state"] == "complete"
            })
            .await?;
        let removed = server.add_file(&orphan(self.scratch, "removed")?, "?keep=1").await?;
        let removed = removed["infoHash"].as_str().context("an info hash")?.to_owned();
        for folder in [&self.home.downloads, &self.home.server_state()?] {
            std::fs::write(folder.join("mine.txt"), MINE)?;
        }
        let before = self.slow.passed();
        self.slow.set_rate(SLOW_BPS);
        let slow = self.slow.torrent_file()?;
        server.add_file(&slow, "?keep=1").await?;
        server
            .torrent_when(&self.slow.torrent.info_hash, "a beginning", |torrent| {
                torrent["verified"].as_u64() > Some(0)
            })
            .await?;
        self.break_it(fault).await?;
        // All actions are done while the disk is broken.
        let mut outcomes: BTreeMap<&'static str, Result<()>> = BTreeMap::new();
        let adding = server.add_file(&orphan(self.scratch, "added")?, "?keep=1").await;
        outcomes.insert("adding", adding.map(drop));
        // A fault that the daemon repairs may be over before the first look.
        let lasts = matches!(fault, Fault::Errors(_) | Fault::DiskGone);
        let kind = if lasts { "not_saved" } else { "set_aside" };
        if fault != Fault::FileGone {
            let is_notice = |event: &Value| event["event"] == "notice" && event["kind"] == kind;
            let notice = server
                .terminal
                .event("a notice; are the programs debug builds?", is_notice)
                .await?;
            let said = notice["message"].as_str().unwrap_or_default();
            ensure!(said.contains(words), "{said}");
        }
        outcomes.insert("serving", self.serves(&server).await);
        let moving = self.moves(&server).await;
        let has_moved = moving.as_ref().is_ok_and(|has_moved| *has_moved);
        outcomes.insert("moving", moving.map(drop));
        let removing = server.curl(&format!("torrents/{removed}"), &["-X", "DELETE"]).await;
        let is_gone = |(status, said): (u16, String)| {
            if status == 204 { Ok(()) } else { bail!("{status} {said}") }
        };
        outcomes.insert("removing", removing.and_then(is_gone));
        let complete =
            |torrent: &Value| torrent["state"] == "complete" && torrent["moveProgress"].is_null();
        outcomes.insert(
            "downloading",
            server
                .torrent_when(&self.slow.torrent.info_hash, "the download to end", complete)
                .await
                .map(drop),
        );
        self.mend_it(fault).await?;
        if lasts {
            server.terminal.event("its end", |event| event["event"] == "notice_over").await?;
        }
        if !has_moved && outcomes["moving"].is_ok() {
            outcomes.insert(
                "moving",
                self.moves(&server)
                    .await
                    .and_then(|has| if has { Ok(()) } else { bail!("it is still refused") }),
            );
        }
        server
            .torrent_when(&self.served.torrent.info_hash, "the move to end", |torrent| {
                torrent["liesAt"] == "moved.bin" && complete(torrent)
            })
            .await?;
        let list = || async {
            let list = server.json("torrents", &[]).await?;
            let kinds = list["notices"]
                .as_array()
                .context("a list")?
                .iter()
                .filter(|it| it["kind"] != "set_aside")
                .count();
            Ok((kinds == 0).then_some(()))
        };
        until("no notice", LIMIT, list).await?;
        // A crash, and the next start.
        server.terminal.kill().await;
        drop(server);
        nothing_runs(&self.home.state).await?;
        let server = self.home.serve(&[]).await?;
        let list = server.json("torrents", &[]).await?;
        let is_listed =
            |name: &str| list["torrents"].to_string().contains(&format!("\"name\":\"{name}\""));
        let mut also = |deed: &'static str, outcome: Result<()>| {
            if outcomes[deed].is_ok() {
                outcomes.insert(deed, outcome);
            }
        };
        let checked =
            |is_so: bool, words: &str| if is_so { Ok(()) } else { bail!("{words}: {list}") };
        also("adding", checked(is_listed("added"), "it is lost"));
        also("removing", checked(!is_listed("removed"), "it is back"));
        also("serving", self.serves(&server).await);
        let moved = std::fs::read(self.home.downloads.join("moved.bin"))
            .is_ok_and(|bytes| bytes == self.served.truth[0]);
        also("moving", checked(moved, "it is not at its new place"));
        let downloading = async {
            server
                .torrent_when(&self.slow.torrent.info_hash, "it to be complete again", complete)
                .await?;
            ensure!(
                std::fs::read(self.home.downloads.join("slow.bin"))? == self.slow.truth[0],
                "other bytes are on the disk"
            );
            let passed = self.slow.passed() - before;
            ensure!(passed < LENGTH as u64 * 3 / 2, "{passed} bytes came for {LENGTH}");
            Ok(())
        };
        also("downloading", downloading.await);
        for folder in [&self.home.downloads, &self.home.server_state()?] {
            ensure!(
                std::fs::read_to_string(folder.join("mine.txt"))? == MINE,
                "somebody else's file was changed"
            );
        }
        if fault == Fault::FileSwapped {
            let aside =
                std::fs::read_to_string(self.home.server_state()?.join("state.redb.corrupt-1"))?;
            ensure!(aside == MINE, "the other file was changed");
        }
        Ok(outcomes)
    }
}

fn draw(table: &[(&str, BTreeMap<&'static str, Result<()>>)]) -> String {
    let mut out = format!("{:<20}", "state");
    for deed in DEEDS {
        let _ = write!(out, "{deed:<13}");
    }
    for (fault, cells) in table {
        let _ = write!(out, "\n{fault:<20}");
        for deed in DEEDS {
            let word = if cells[deed].is_ok() { "passed" } else { "FAILED" };
            let _ = write!(out, "{word:<13}");
        }
    }
    out + "\n"
}

#[test]
fn every_fault_of_the_state_disk_loses_nothing_and_passes() -> Result<()> {
    within(async {
        let scratch = Scratch::new("faults")?;
        let served = film("served.bin", 1).await?;
        let slow = film("slow.bin", 2).await?;
        let (mut table, mut failures) = (Vec::new(), Vec::new());
        for (at, (name, fault, words)) in FAULTS.into_iter().enumerate() {
            let dir = |what: &str| scratch.dir(&format!("{what}-{at}"));
            let (disk, state, downloads) = (dir("disk")?, dir("state")?, dir("downloads")?);
            let _disk = Disk::mount(&disk, "size=64m").await?;
            bind(&disk, &state).await?;
            let home = Home { state, downloads };
            let session = Session { home, disk, scratch: &scratch, served: &served, slow: &slow };
            let cells = session.run(fault, words).await.with_context(|| name.to_owned())?;
            failures.extend(cells.iter().filter_map(|(deed, outcome)| {
                outcome.as_ref().err().map(|error| format!("{name}, {deed}: {error:#}"))
            }));
            table.push((name, cells));
            let _ = output(Command::new("umount").arg("-l").arg(&session.home.state)).await?;
        }
        let drawn = draw(&table);
        println!("{drawn}");
        std::fs::write(workspace::target().join("faults-state.txt"), &drawn)?;
        ensure!(failures.is_empty(), "{}", failures.join("\n"));
        Ok(())
    })
}
