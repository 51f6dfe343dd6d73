//! The engine at a terminal: a film is read while it comes, a download completes, and nothing is
//! left behind or lost.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::clock::until;
use jstorrent_tests::http;
use jstorrent_tests::media::Film;
use jstorrent_tests::process;
use jstorrent_tests::proxy::{Line, Proxy};
use jstorrent_tests::scene::{FILM_RATE_BPS, LIMIT, PIECE_LENGTH};
use jstorrent_tests::swarm::{Client, Seeder, Swarm};
use jstorrent_tests::terminal::{Terminal, command, nothing_runs, output, remembered, run};
use jstorrent_tests::torrent::Recipe;
use jstorrent_tests::workspace::{self, Scratch};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

/// A film that one slow seeder has, and folders for who wants it.
struct Stage {
    swarm: Swarm,
    truth: Vec<u8>,
    torrent: PathBuf,
    state: PathBuf,
    dir: PathBuf,
    _scratch: Scratch,
}

impl Stage {
    async fn new() -> Result<Self> {
        let film = Film::Mp4MoovLast.file().await?;
        let seeder = (Client::Libtorrent, Line::of_rate(FILM_RATE_BPS));
        let swarm = Swarm::of_file(&film, PIECE_LENGTH, &[seeder]).await?;
        let scratch = Scratch::new("terminal")?;
        let torrent = swarm.torrent.write_to(scratch.path())?;
        let (state, dir) = (scratch.dir("state")?, scratch.dir("downloads")?);
        Ok(Self { swarm, truth: std::fs::read(film)?, torrent, state, dir, _scratch: scratch })
    }

    fn start(&self, command: &str, further: &[&str]) -> Result<Terminal> {
        let args =
            [Path::new(command), &self.torrent].into_iter().chain(further.iter().map(Path::new));
        Terminal::start(&self.state, args)
    }

    fn get(&self) -> Result<Terminal> {
        self.start("get", &["--dir", self.dir_text()])
    }

    fn dir_text(&self) -> &str {
        self.dir.to_str().expect("the target folder has a plain name")
    }

    fn downloaded(&self) -> PathBuf {
        self.dir.join(Film::Mp4MoovLast.file_name())
    }

    fn is_true(&self) -> Result<()> {
        ensure!(
            std::fs::read(self.downloaded())? == self.truth,
            "what was downloaded is not what was seeded"
        );
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_read_by_other_programs_while_it_comes_and_is_gone_afterwards() -> Result<()> {
    let stage = Stage::new().await?;
    let mut terminal = stage.start("stream", &[])?;
    let url = terminal.url().await?;
    let mut probe = Command::new("ffprobe");
    probe.args(["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"]).arg(&url);
    let (status, duration, errors) = output(&mut probe).await?;
    ensure!(status == 0, "ffprobe: {errors}");
    ensure!(
        duration.trim().parse::<f64>()?.round() == f64::from(Film::SECONDS),
        "ffprobe says {duration}"
    );
    let middle = stage.truth.len() / 2;
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-o"])
        .arg(stage.dir.join("part"))
        .arg("-r")
        .arg(format!("{middle}-{}", middle + 99_999))
        .arg(&url);
    ensure!(output(&mut curl).await?.0 == 0, "curl failed");
    ensure!(
        std::fs::read(stage.dir.join("part"))? == stage.truth[middle..middle + 100_000],
        "wrong bytes"
    );
    let progress = terminal.event("progress", |event| event["event"] == "progress").await?;
    ensure!(
        progress["verified"].as_u64() < Some(stage.truth.len() as u64 * 9 / 10),
        "not incomplete: {progress}"
    );
    stage.swarm.set_rate(0);
    let whole = http::get(&url).await?;
    ensure!(
        whole.whole && whole.body == stage.truth,
        "the film that was served is not the film that was seeded"
    );
    ensure!(terminal.interrupt().await?.code() == Some(0), "Ctrl+C is the way to end a stream");
    nothing_runs(&stage.state).await?;
    ensure!(remembered(&stage.state) == 0, "a stream that is not kept leaves nothing behind");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_says_what_its_viewer_waits_for_and_ends_with_its_player() -> Result<()> {
    let stage = Stage::new().await?;
    stage.swarm.set_rate(100 << 10);
    let player = "curl -sS -r 4000000-4400000 -o /dev/null";
    let mut terminal = stage.start("stream", &["--player", player, "--file", "1"])?;
    let waits = |event: &Value| event["streams"][0]["waiting"]["reason"] == "downloading";
    terminal.event("a viewer that waits", waits).await?;
    stage.swarm.set_rate(0);
    ensure!(terminal.ended().await?.code() == Some(0), "it ends in order when the player does");
    nothing_runs(&stage.state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_completes_and_goes_on_where_ctrl_c_left_it() -> Result<()> {
    let stage = Stage::new().await?;
    let mut terminal = stage.get()?;
    let before = terminal.verified(1_000_000).await?;
    ensure!(terminal.interrupt().await?.code() == Some(130), "it is not complete");
    nothing_runs(&stage.state).await?;
    stage.swarm.set_rate(0);
    let passed = stage.swarm.passed();
    let mut terminal = stage.get()?;
    ensure!(terminal.ended().await?.code() == Some(0), "it completes");
    stage.is_true()?;
    let (fetched, rest) = (stage.swarm.passed() - passed, stage.truth.len() as u64 - before);
    ensure!(fetched < rest + rest / 10, "{fetched} bytes were fetched for the last {rest}");
    nothing_runs(&stage.state).await?;
    ensure!(remembered(&stage.state) == 0, "what is complete needs no state");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_verified_piece_is_lost_when_everything_is_killed() -> Result<()> {
    let stage = Stage::new().await?;
    let mut terminal = stage.get()?;
    let before = terminal.verified(1_500_000).await?;
    let daemon = terminal.daemon()?;
    terminal.kill().await;
    daemon.kill();
    // Nothing new can come: what is verified now was there.
    stage.swarm.tracker.name([]);
    let mut terminal = stage.get()?;
    let after = terminal.verified(0).await?;
    ensure!(after >= before, "{before} bytes were verified, and {after} are");
    ensure!(terminal.interrupt().await?.code() == Some(130), "it is not complete");
    nothing_runs(&stage.state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_whose_terminal_was_killed_is_no_obstacle_and_ends_by_itself() -> Result<()> {
    let stage = Stage::new().await?;
    let mut terminal = stage.get()?;
    terminal.verified(500_000).await?;
    let orphan = terminal.daemon()?;
    terminal.kill().await;
    let mut next = stage.get()?;
    next.verified(500_000).await?;
    let heir = next.daemon()?;
    ensure!(heir.pid != orphan.pid, "the orphan is ended by whoever comes next");
    next.kill().await;
    // Nobody but init is left to notice their ends, and it takes its time.
    for pid in [orphan.pid, heir.pid] {
        until("the orphan to end", LIMIT, || async { Ok((!process::is_alive(pid)).then_some(())) })
            .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_is_started_again_for_the_player() -> Result<()> {
    let stage = Stage::new().await?;
    let mut terminal = stage.start("stream", &[])?;
    let url = terminal.url().await?;
    terminal.verified(500_000).await?;
    let daemon = terminal.daemon()?;
    daemon.kill();
    stage.swarm.set_rate(0);
    let is_new = || async { Ok(terminal.daemon().ok().filter(|new| new.pid != daemon.pid)) };
    until("another daemon", LIMIT, is_new).await?;
    let whole = http::get(&url).await?;
    ensure!(whole.whole && whole.body == stage.truth, "the same URL serves the film again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_is_never_removed() -> Result<()> {
    let stage = Stage::new().await?;
    stage.swarm.set_rate(0);
    std::fs::write(stage.dir.join("other.txt"), "mine")?;
    let mut terminal = stage.start("stream", &["--dir", stage.dir_text()])?;
    terminal.verified(stage.truth.len() as u64).await?;
    ensure!(
        stage.downloaded().exists() && terminal.interrupt().await?.code() == Some(0),
        "it was downloaded"
    );
    ensure!(
        !stage.downloaded().exists() && stage.dir.join("other.txt").exists(),
        "what came with the run goes with it"
    );
    std::fs::write(stage.downloaded(), &stage.truth)?;
    let mut terminal = stage.start("stream", &["--dir", stage.dir_text()])?;
    terminal.verified(stage.truth.len() as u64).await?;
    ensure!(terminal.interrupt().await?.code() == Some(0), "it ends in order");
    stage.is_true()?;
    let mut terminal = stage.start("stream", &["--dir", stage.dir_text(), "--keep"])?;
    terminal.verified(stage.truth.len() as u64).await?;
    process::interrupt_pid(terminal.pid());
    terminal.interrupt().await?;
    stage.is_true()?;
    nothing_runs(&stage.state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_there_is_left_alone_unless_the_person_says_so() -> Result<()> {
    let stage = Stage::new().await?;
    stage.swarm.set_rate(0);
    // Its first half is that of the film.
    let mut theirs = stage.truth.clone();
    theirs[stage.truth.len() / 2..].fill(b'x');
    std::fs::write(stage.downloaded(), &theirs)?;
    let ours = stage.dir.join(Film::Mp4MoovLast.file_name().replace(".mp4", " (2).mp4"));
    let mut terminal = stage.get()?;
    ensure!(terminal.ended().await?.code() == Some(0), "it completes");
    ensure!(std::fs::read(stage.downloaded())? == theirs, "a file that was there was changed");
    ensure!(std::fs::read(&ours)? == stage.truth, "its own file is not what was seeded");
    let (passed, length) = (stage.swarm.passed(), stage.truth.len() as u64);
    ensure!(
        passed < length * 3 / 4,
        "{passed} bytes were fetched, though half of {length} was there"
    );
    std::fs::remove_file(&ours)?;
    let mut terminal = stage.start("get", &["--dir", stage.dir_text(), "--adopt"])?;
    ensure!(terminal.ended().await?.code() == Some(0), "it completes");
    stage.is_true()?;
    ensure!(!ours.exists(), "nothing else was made");
    nothing_runs(&stage.state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_done_is_said_in_plain_words() -> Result<()> {
    let stage = Stage::new().await?;
    let torrent = stage.torrent.to_str().context("a plain name")?;
    let busy = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let busy = busy.local_addr()?.to_string();
    let below_a_file = format!("{torrent}/folder");
    let table: &[(&[&str], i32, &str)] = &[
        (&[], 2, "Usage"),
        (&["fly"], 2, "unrecognized subcommand"),
        (&["get"], 2, "SOURCE"),
        (&["get", torrent, "--file", "7"], 1, "there is no file \"7\""),
        (&["stream", torrent, "--open", "--player", "mpv"], 2, "cannot be used with"),
        (&["get", "/nowhere.torrent"], 1, "cannot read /nowhere.torrent"),
        (&["get", "ftp://example.com/a.torrent"], 1, "only http and https"),
        (&["get", "magnet:?xt=urn:btih:00"], 1, "not a usable magnet link"),
        (&["info", "/dev/null"], 1, "not a usable .torrent file"),
        (&["stream", torrent, "--file", "7"], 1, "there is no file \"7\""),
        (&["stream", torrent, "--file", "other.mkv"], 1, "there is no file"),
        (&["stream", torrent, "--player", "/nowhere/player"], 1, "could not be started"),
        (&["get", torrent, "--dir", &below_a_file], 1, "cannot make the folder"),
        (&["get", torrent, "--dir", "/proc"], 1, "can't be written"),
        (
            &["get", torrent, "--dir", stage.dir_text(), "--state", &below_a_file],
            1,
            "cannot make the state folder",
        ),
        (
            &["get", torrent, "--dir", stage.dir_text(), "--listen", &busy],
            1,
            "is in use by another program",
        ),
        (
            &["get", torrent, "--dir", stage.dir_text(), "--listen", "0.0.0.0:0"],
            1,
            "can be reached from other computers",
        ),
        (&["get", torrent, "--config", "/nowhere.toml"], 1, "/nowhere.toml"),
        (&["man", "fly"], 1, "there is no command"),
    ];
    for (args, expected, words) in table {
        let (status, _, errors) = run(&stage.state, *args).await?;
        ensure!(
            status == *expected && errors.contains(words),
            "{args:?}: status {status}, {errors}"
        );
    }
    nothing_runs(&stage.state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chosen_file_comes_alone_and_the_others_when_they_are_wanted() -> Result<()> {
    let scratch = Scratch::new("chosen")?;
    let (state, dir, content) =
        (scratch.dir("state")?, scratch.dir("downloads")?, scratch.dir("content")?);
    let names = ["one.bin", "two.bin", "three.bin"];
    let truth: Vec<Vec<u8>> = (1..).zip(names).map(|(seed, _)| noise(seed, 1_500_000)).collect();
    std::fs::create_dir(content.join("show"))?;
    for (name, bytes) in names.iter().zip(&truth) {
        std::fs::write(content.join("show").join(name), bytes)?;
    }
    let files = names.map(str::to_owned).to_vec();
    let recipe = Recipe {
        folder: content,
        name: "show".into(),
        files,
        piece_length: PIECE_LENGTH,
        announce: None,
    };
    let swarm = Swarm::of(recipe, &[(Client::Libtorrent, Line::of_rate(0))]).await?;
    let torrent = swarm.torrent.write_to(scratch.path())?;
    let lies = |at: usize| std::fs::read(dir.join("show").join(names[at])).unwrap_or_default();
    let get = |files: &[&str]| {
        let args = [
            "get",
            torrent.to_str().unwrap_or_default(),
            "--dir",
            dir.to_str().unwrap_or_default(),
        ];
        Terminal::start(&state, args.iter().chain(files))
    };
    ensure!(
        get(&["--file", "two.bin"])?.ended().await?.code() == Some(0),
        "the chosen file is all that is wanted"
    );
    ensure!(lies(1) == truth[1], "what was chosen is not what was seeded");
    for other in [0, 2] {
        // Of its neighbours no more lies there than what shares a piece with it.
        let stored = std::fs::metadata(dir.join("show").join(names[other]))
            .map_or(0, |file| file.blocks() * 512);
        ensure!(stored <= 2 * PIECE_LENGTH as u64, "{stored} bytes of a file that nobody wants");
        ensure!(lies(other) != truth[other], "a file came that nobody wants");
    }
    let most = truth[1].len() + 3 * PIECE_LENGTH;
    ensure!(swarm.passed() < most as u64, "{} bytes passed", swarm.passed());
    ensure!(
        get(&["--file", "1", "--file", "three"])?.ended().await?.code() == Some(0),
        "the others come later"
    );
    ensure!((0..3).all(|at| lies(at) == truth[at]), "what is there is not what was seeded");
    Ok(())
}

/// Bytes that no two files have in common.
fn noise(seed: u32, length: u32) -> Vec<u8> {
    let mixed = |at: u32| (at ^ seed.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b);
    (0..length).map(|at| mixed(at).to_be_bytes()[0]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_torrent_in_one_folder_is_one_process_at_a_time() -> Result<()> {
    let stage = Stage::new().await?;
    let mut first = stage.get()?;
    first.verified(1).await?;
    let args = ["get", stage.torrent.to_str().context("a plain name")?, "--dir", stage.dir_text()];
    let (status, _, errors) = run(&stage.state, args).await?;
    ensure!(
        status == 1 && errors.contains("another jstorrent is at work"),
        "status {status}, {errors}"
    );
    ensure!(first.interrupt().await?.code() == Some(130), "the first one is not disturbed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_daemon_it_says_where_it_looked() -> Result<()> {
    let stage = Stage::new().await?;
    let alone = stage.dir.join("jstorrent");
    std::fs::copy(workspace::terminal()?, &alone)?;
    let mut command = Command::new(alone);
    command
        .arg("get")
        .arg(&stage.torrent)
        .arg("--dir")
        .arg(&stage.dir)
        .arg("--state")
        .arg(&stage.state);
    let (status, _, errors) =
        output(command.env("PATH", "").env_remove("JSTORRENT_IO_DAEMON")).await?;
    ensure!(status == 1 && errors.contains("JSTORRENT_IO_DAEMON"), "status {status}, {errors}");
    let daemon = workspace::daemon()?;
    let mut named = command;
    named.env("JSTORRENT_IO_DAEMON", daemon).args(["--allow-private-peers"]);
    stage.swarm.set_rate(0);
    let (status, _, errors) = output(&mut named).await?;
    ensure!(status == 0, "status {status}, {errors}");
    stage.is_true()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torrent_is_described_for_people_and_for_programs() -> Result<()> {
    let stage = Stage::new().await?;
    let (status, text, _) = run(&stage.state, [Path::new("info"), &stage.torrent]).await?;
    ensure!(status == 0 && text.contains("moov-last.mp4") && text.contains("/announce"), "{text}");
    let (status, text, _) =
        run(&stage.state, [Path::new("info"), &stage.torrent, Path::new("--json")]).await?;
    let info: Value = serde_json::from_str(&text)?;
    ensure!(status == 0 && info["infoHash"] == stage.swarm.torrent.info_hash.as_str(), "{info}");
    ensure!(
        info["files"][0]["length"] == stage.truth.len() && info["files"][0]["number"] == 1,
        "{info}"
    );
    ensure!(info["pieceCount"] == stage.swarm.torrent.piece_count(), "{info}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_magnet_link_is_described_streamed_and_downloaded() -> Result<()> {
    let stage = Stage::new().await?;
    let torrent = stage.swarm.torrent.public();
    let seeder = Seeder::start(Client::Libtorrent, &torrent).await?;
    let line = Proxy::start(seeder.address(), Line::of_rate(FILM_RATE_BPS))?;
    let link = format!("magnet:?xt=urn:btih:{}&x.pe={}", torrent.info_hash, line.address());
    let (status, text, errors) =
        run(&stage.state, ["info", &link, "--json", "--allow-private-peers"]).await?;
    ensure!(status == 0, "status {status}, {errors}");
    let info: Value = serde_json::from_str(&text)?;
    ensure!(info["files"][0]["length"] == stage.truth.len(), "{info}");
    ensure!(remembered(&stage.state) == 0, "looking leaves nothing behind");
    let mut terminal = Terminal::start(&stage.state, ["stream", &link])?;
    let part = http::get_range(&terminal.url().await?, 1_000_000, 1_099_999).await?;
    ensure!(part.body == stage.truth[1_000_000..1_100_000], "wrong bytes");
    ensure!(terminal.interrupt().await?.code() == Some(0), "it ends in order");
    line.set_rate(0);
    let mut terminal = Terminal::start(&stage.state, ["get", &link, "--dir", stage.dir_text()])?;
    ensure!(terminal.ended().await?.code() == Some(0), "it completes");
    stage.is_true()?;
    nothing_runs(&stage.state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torrent_file_is_fetched_from_its_url() -> Result<()> {
    let stage = Stage::new().await?;
    stage.swarm.set_rate(0);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let (address, body) = (listener.local_addr()?, std::fs::read(&stage.torrent)?);
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.unwrap_or(0);
            let is_known = request[..read].starts_with(b"GET /film.torrent ");
            let (status, body) =
                if is_known { ("200 OK", &body[..]) } else { ("404 Not Found", &b"no"[..]) };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
        }
    });
    let url = format!("http://{address}/film.torrent");
    let mut terminal = Terminal::start(&stage.state, ["get", &url, "--dir", stage.dir_text()])?;
    ensure!(terminal.ended().await?.code() == Some(0), "it completes");
    stage.is_true()?;
    let wrong = format!("http://{address}/other.torrent");
    let (status, _, errors) =
        run(&stage.state, ["get", &wrong, "--dir", stage.dir_text(), "--allow-private-peers"])
            .await?;
    ensure!(status == 1 && errors.contains("404"), "status {status}, {errors}");
    server.abort();
    nothing_runs(&stage.state).await
}

#[tokio::test]
async fn help_completions_and_man_pages_are_there() -> Result<()> {
    let scratch = Scratch::new("help")?;
    for (args, words) in [
        (&["--help"][..], "jstorrent stream film.torrent --player mpv"),
        (&["stream", "--help"], "Examples:"),
        (&["get", "--help"], "Exit status"),
        (&["completions", "bash"], "complete -F"),
        (&["completions", "fish"], "allow-private-peers"),
        (&["completions", "zsh"], "#compdef jstorrent"),
        (&["man"], ".TH"),
        (&["man", "stream"], "player"),
    ] {
        let (status, text, errors) = run(scratch.path(), args).await?;
        ensure!(status == 0 && text.contains(words), "{args:?}: {text}{errors}");
    }
    // A reader that has seen enough is no error.
    let mut piped = command(scratch.path())?;
    let mut child = piped
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    drop(child.stdout.take());
    let ended = child.wait_with_output().await?;
    ensure!(ended.stderr.is_empty(), "{}", String::from_utf8_lossy(&ended.stderr));
    Ok(())
}
