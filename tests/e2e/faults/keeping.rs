//! What is kept on disk: starting again without hashing, changes behind our back, disks that are
//! full or read-only, and torrents that move.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::clock::until;
use jstorrent_tests::http;
use jstorrent_tests::mounts::{Disk, within};
use jstorrent_tests::plain::{Server, url_of};
use jstorrent_tests::proxy::Line;
use jstorrent_tests::scene::LIMIT;
use jstorrent_tests::swarm::{Client, Swarm};
use jstorrent_tests::torrent::Recipe;
use jstorrent_tests::workspace::Scratch;
use serde_json::{Value, json};

const PIECE_LENGTH: usize = 64 << 10;
const NAMES: [&str; 3] = ["one.bin", "two.bin", "three.bin"];
const LENGTH: u32 = 1_500_000;
/// Files are looked at for the next start when nothing was written to them for three seconds.
const SETTLED: Duration = Duration::from_secs(5);

/// Three files that share pieces, a real seeder, and folders for a server.
struct Stage {
    truth: Vec<Vec<u8>>,
    swarm: Swarm,
    file: PathBuf,
    state: PathBuf,
    dir: PathBuf,
    _scratch: Scratch,
}

impl Stage {
    async fn new(rate_bps: u64) -> Result<Self> {
        let scratch = Scratch::new("keeping")?;
        let (state, dir, content) =
            (scratch.dir("state")?, scratch.dir("downloads")?, scratch.dir("content")?);
        let truth: Vec<Vec<u8>> = (1..).zip(NAMES).map(|(seed, _)| noise(seed)).collect();
        std::fs::create_dir(content.join("show"))?;
        for (name, bytes) in NAMES.iter().zip(&truth) {
            std::fs::write(content.join("show").join(name), bytes)?;
        }
        let files = NAMES.map(str::to_owned).to_vec();
        let recipe = Recipe {
            folder: content,
            name: "show".into(),
            files,
            piece_length: PIECE_LENGTH,
            announce: None,
        };
        let swarm = Swarm::of(recipe, &[(Client::Libtorrent, Line::of_rate(rate_bps))]).await?;
        let file = swarm.torrent.write_to(scratch.path())?;
        Ok(Self { truth, swarm, file, state, dir, _scratch: scratch })
    }

    async fn serve(&self) -> Result<Server> {
        Server::start(&self.state, &self.dir, &[]).await
    }

    fn path(&self, file: usize) -> PathBuf {
        self.dir.join("show").join(NAMES[file])
    }

    fn lies_below(&self, folder: &Path) -> Result<()> {
        for (name, truth) in NAMES.iter().zip(&self.truth) {
            let found = std::fs::read(folder.join(name))
                .with_context(|| format!("{name} below {}", folder.display()))?;
            ensure!(found == *truth, "{name} is not what was seeded");
        }
        Ok(())
    }

    /// The torrent, once it is so.
    async fn torrent(
        &self,
        server: &Server,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let path = format!("torrents/{}", self.swarm.torrent.info_hash);
        let look = || async {
            let torrent = server.json(&path, &[]).await?;
            Ok(is_so(&torrent).then_some(torrent))
        };
        let found = until(what, LIMIT, look).await;
        let last = if found.is_err() {
            server.json(&path, &[]).await.unwrap_or_default()
        } else {
            Value::Null
        };
        found.with_context(|| format!("the torrent is {last:#}"))
    }

    async fn complete(&self, server: &Server) -> Result<()> {
        let is_complete =
            |torrent: &Value| torrent["state"] == "complete" && torrent["moveProgress"].is_null();
        self.torrent(server, "it to be complete", is_complete).await.map(drop)
    }

    async fn put(&self, server: &Server, path: &str, body: &Value) -> Result<(u16, String)> {
        let path = format!("torrents/{}/{path}", self.swarm.torrent.info_hash);
        server
            .curl(
                &path,
                &["-X", "PUT", "-H", "Content-Type: application/json", "-d", &body.to_string()],
            )
            .await
    }
}

fn noise(seed: u32) -> Vec<u8> {
    let mixed = |at: u32| (at ^ seed.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b);
    (0..LENGTH).map(|at| mixed(at).to_be_bytes()[0]).collect()
}

/// Bytes that the server's daemon has hashed.
async fn hashed(server: &Server) -> Result<u64> {
    let metrics = server.terminal.daemon()?.metrics().await?;
    let bytes = metrics.get("jstorrent_digest_bytes_total").context("a counter of hashed bytes")?;
    Ok(format!("{bytes:.0}").parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_hashed_again_but_what_was_changed_and_that_is_mended() -> Result<()> {
    let stage = Stage::new(0).await?;
    let mut server = stage.serve().await?;
    server.add_file(&stage.file, "?keep=1").await?;
    stage.complete(&server).await?;
    stage.lies_below(&stage.dir.join("show"))?;
    // What is done to the files while nothing runs, and how many of them are hashed then.
    type Deed<'a> = &'a dyn Fn(&Stage) -> Result<()>;
    let untouched: Deed<'_> = &|_| Ok(());
    let damage = |path: &Path| -> Result<()> {
        let mut bytes = std::fs::read(path)?;
        bytes[700_000] ^= 1;
        Ok(std::fs::write(path, bytes)?)
    };
    let cases: [(&str, Deed<'_>, u64); 4] = [
        ("nothing", untouched, 0),
        ("one byte", &|stage| damage(&stage.path(1)), 1),
        (
            "one byte and the time set back",
            &|stage| {
                let modified = std::fs::metadata(stage.path(0))?.modified()?;
                damage(&stage.path(0))?;
                Ok(std::fs::File::options()
                    .write(true)
                    .open(stage.path(0))?
                    .set_modified(modified)?)
            },
            1,
        ),
        (
            "a file cut short",
            &|stage| {
                Ok(std::fs::File::options().write(true).open(stage.path(2))?.set_len(1_000_000)?)
            },
            1,
        ),
    ];
    for (what, change, files) in cases {
        // A clock, not a moment that is announced: the rule is that nothing was written for so
        // long.
        tokio::time::sleep(SETTLED).await;
        ensure!(server.terminal.interrupt().await?.code() == Some(0), "it ends in order");
        change(&stage)?;
        server = stage.serve().await?;
        stage.complete(&server).await.context(what)?;
        stage.lies_below(&stage.dir.join("show")).context(what)?;
        // A damaged piece is hashed twice: as it was found and as it came; a file shares its first
        // and its last piece.
        let most = files * (u64::from(LENGTH) + 4 * PIECE_LENGTH as u64);
        let bytes = hashed(&server).await?;
        ensure!(bytes <= most, "{what}: {bytes} bytes were hashed, at most {most} are in question");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_said_and_not_fetched_and_goes_on_when_it_is_back() -> Result<()> {
    let stage = Stage::new(0).await?;
    let mut server = stage.serve().await?;
    server.add_file(&stage.file, "?keep=1").await?;
    stage.complete(&server).await?;
    tokio::time::sleep(SETTLED).await;
    ensure!(server.terminal.interrupt().await?.code() == Some(0), "it ends in order");
    let (show, away) = (stage.dir.join("show"), stage.dir.join("away"));
    std::fs::rename(&show, &away)?;
    let passed = stage.swarm.passed();
    let server = stage.serve().await?;
    let stopped =
        stage.torrent(&server, "it to stop", |torrent| torrent["state"] == "error").await?;
    ensure!(
        stopped["message"].as_str().is_some_and(|words| words.contains("can't be found")),
        "{stopped}"
    );
    ensure!(stage.swarm.passed() == passed && !show.exists(), "something was fetched or made");
    std::fs::rename(&away, &show)?;
    stage.complete(&server).await?;
    stage.lies_below(&show)?;
    let (passed, hashed) = (stage.swarm.passed() - passed, hashed(&server).await?);
    ensure!(passed < 20_000, "{passed} bytes passed, more than peers say to each other");
    ensure!(hashed == 0, "{hashed} bytes were hashed, though nobody had touched them");
    Ok(())
}

#[test]
fn a_full_disk_stops_it_in_plain_words_and_it_goes_on_by_itself_when_there_is_room() -> Result<()> {
    within(async {
        let stage = Stage::new(0).await?;
        let disk = Disk::mount(&stage.dir, "size=2m").await?;
        let server = stage.serve().await?;
        let added = server.add_file(&stage.file, "?keep=1").await?;
        let stopped =
            stage.torrent(&server, "it to stop", |torrent| torrent["state"] == "error").await?;
        ensure!(
            stopped["message"].as_str().is_some_and(|words| words.contains("disk is full")),
            "{stopped}"
        );
        let before = stopped["verified"].as_u64().context("a number")?;
        ensure!(before > 1 << 20, "{stopped}");
        disk.change("size=64m").await?;
        stage.complete(&server).await?;
        stage.lies_below(&stage.dir.join("show"))?;
        ensure!(http::get(url_of(&added)?).await?.body == stage.truth[0], "it is served");
        let (passed, all) = (stage.swarm.passed(), 3 * u64::from(LENGTH));
        ensure!(passed < all + all / 2, "{passed} bytes passed for {all}");
        Ok(())
    })
}

#[test]
fn a_disk_that_can_not_be_written_stops_it_until_it_can() -> Result<()> {
    within(async {
        let stage = Stage::new(0).await?;
        let disk = Disk::mount(&stage.dir, "size=64m").await?;
        let server = stage.serve().await?;
        disk.change("ro").await?;
        server.add_file(&stage.file, "?keep=1").await?;
        let stopped =
            stage.torrent(&server, "it to stop", |torrent| torrent["state"] == "error").await?;
        ensure!(
            stopped["message"].as_str().is_some_and(|words| words.contains("can't be written")),
            "{stopped}"
        );
        disk.change("rw").await?;
        stage.complete(&server).await?;
        stage.lies_below(&stage.dir.join("show"))
    })
}

/// Reads a file as a player does: from where it stopped, until it has all.
async fn watch(url: String, length: usize) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    for _ in 0..50 {
        let range = format!("bytes={}-", body.len());
        let mut open = http::open(&url, &[("Range", &range)]).await?;
        if open.status == 206 {
            while open.read_some(&mut body).await? > 0 {}
        } else {
            // It asks to be asked again in a moment.
            ensure!(open.status == 503, "{}", open.status);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        if body.len() == length {
            break;
        }
    }
    Ok(body)
}

#[test]
fn it_moves_within_a_disk_and_to_another_one_while_it_downloads_and_is_read() -> Result<()> {
    within(async {
        let stage = Stage::new(700 << 10).await?;
        let _other = Disk::mount(&stage.dir.join("other"), "size=64m").await?;
        let server = stage.serve().await?;
        let added = server.add_file(&stage.file, "?keep=1").await?;
        let viewer = tokio::spawn(watch(url_of(&added)?.to_owned(), stage.truth[0].len()));
        for folder in ["films/new", "", "other/films", "here"] {
            let half_there = |torrent: &Value| torrent["verified"].as_u64() > Some(100_000);
            stage.torrent(&server, "bytes to come", half_there).await?;
            let (status, said) =
                stage.put(&server, "location", &json!({ "folder": folder })).await?;
            ensure!(status == 204, "{folder}: {status} {said}");
            let lies_at = Path::new(folder).join("show");
            let is_there = |torrent: &Value| {
                torrent["moveProgress"].is_null()
                    && torrent["liesAt"] == lies_at.to_str().unwrap_or_default()
            };
            let torrent = stage.torrent(&server, "it to lie there", is_there).await?;
            ensure!(
                torrent["state"] == "downloading" || torrent["state"] == "complete",
                "{torrent}"
            );
        }
        stage.swarm.set_rate(0);
        stage.complete(&server).await?;
        stage.lies_below(&stage.dir.join("here/show"))?;
        ensure!(viewer.await?? == stage.truth[0], "what the viewer saw is not what was seeded");
        let left: Vec<_> = std::fs::read_dir(&stage.dir)?.collect::<Result<_, _>>()?;
        let left: Vec<_> =
            left.iter().map(std::fs::DirEntry::file_name).filter(|name| name != "other").collect();
        ensure!(left == ["here"], "empty folders are left: {left:?}");
        let all = 3 * u64::from(LENGTH);
        ensure!(
            stage.swarm.passed() < all + all / 4,
            "{} bytes passed for {all}",
            stage.swarm.passed()
        );
        Ok(())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_the_way_of_a_move_is_named_and_nothing_is_lost() -> Result<()> {
    let stage = Stage::new(0).await?;
    let server = stage.serve().await?;
    server.add_file(&stage.file, "?keep=1").await?;
    stage.complete(&server).await?;
    std::fs::create_dir_all(stage.dir.join("films/show"))?;
    std::fs::write(stage.dir.join("films/show/two.bin"), "mine")?;
    let (status, said) = stage.put(&server, "location", &json!({ "folder": "films" })).await?;
    ensure!(status == 409 && said.contains("films/show/two.bin"), "{status} {said}");
    for body in
        [json!({ "folder": "../up" }), json!({ "name": "a/b" }), json!({ "root": "nowhere" })]
    {
        let (status, said) = stage.put(&server, "location", &body).await?;
        ensure!(status == 400, "{body}: {status} {said}");
    }
    stage.lies_below(&stage.dir.join("show"))?;
    ensure!(
        std::fs::read_to_string(stage.dir.join("films/show/two.bin"))? == "mine",
        "it was replaced"
    );
    let (status, said) = stage.put(&server, "location", &json!({ "name": "The Show" })).await?;
    ensure!(status == 204, "{status} {said}");
    let (status, said) = stage.put(&server, "files/0/name", &json!("pilot.bin")).await?;
    ensure!(status == 204 || (status == 409 && said.contains("again")), "{status} {said}");
    stage.torrent(&server, "its new name", |torrent| torrent["liesAt"] == "The Show").await?;
    if status == 409 {
        let (status, said) = stage.put(&server, "files/0/name", &json!("pilot.bin")).await?;
        ensure!(status == 204, "{status} {said}");
    }
    stage
        .torrent(&server, "a file's new name", |torrent| {
            torrent["files"][0]["path"] == "The Show/pilot.bin"
        })
        .await?;
    until("the file to have it", LIMIT, || async {
        Ok(stage.dir.join("The Show/pilot.bin").exists().then_some(()))
    })
    .await?;
    ensure!(
        std::fs::read(stage.dir.join("The Show/pilot.bin"))? == stage.truth[0],
        "it is another file"
    );
    Ok(())
}
