//! `jstorrent` at a terminal: streams, downloads, restarts, errors and help.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::fixture::{FILM_RATE_BPS, Fixture, PIECE_LENGTH};
use jstorrent_tests::http;
use jstorrent_tests::media::Film;
use jstorrent_tests::process;
use jstorrent_tests::swarm::Client;
use jstorrent_tests::terminal::{Terminal, command, nothing_runs, output, remembered, run};
use jstorrent_tests::workspace::{self, Scratch};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

/// A film with one slow seeder.
async fn film() -> Result<Fixture> {
    Fixture::film(Film::Mp4MoovLast).seeded(Client::Libtorrent, FILM_RATE_BPS).build().await
}

/// Makes sure that the download is correct.
fn is_true(fixture: &Fixture) -> Result<()> {
    fixture.is_in(&fixture.home.downloads)
}

#[tokio::test(flavor = "multi_thread")]
async fn other_programs_read_a_stream_which_is_deleted_afterwards() -> Result<()> {
    let fixture = film().await?;
    let mut terminal = fixture.stream(&[])?;
    let url = terminal.url().await?;
    let mut probe = Command::new("ffprobe");
    probe.args(["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"]).arg(&url);
    let (status, duration, errors) = output(&mut probe).await?;
    ensure!(status == 0, "ffprobe: {errors}");
    ensure!(
        duration.trim().parse::<f64>()?.round() == f64::from(Film::SECONDS),
        "ffprobe says {duration}"
    );
    let middle = fixture.truth[0].len() / 2;
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-o"])
        .arg(fixture.home.downloads.join("part"))
        .arg("-r")
        .arg(format!("{middle}-{}", middle + 99_999))
        .arg(&url);
    ensure!(output(&mut curl).await?.0 == 0, "curl failed");
    ensure!(
        std::fs::read(fixture.home.downloads.join("part"))?
            == fixture.truth[0][middle..middle + 100_000],
        "wrong bytes"
    );
    let progress = terminal.event("progress", |event| event["event"] == "progress").await?;
    ensure!(
        progress["verified"].as_u64() < Some(fixture.truth[0].len() as u64 * 9 / 10),
        "not incomplete: {progress}"
    );
    fixture.set_rate(0);
    let whole = http::get(&url).await?;
    ensure!(
        whole.whole && whole.body == fixture.truth[0],
        "the film that was served is not the film that was seeded"
    );
    ensure!(terminal.interrupt().await?.code() == Some(0), "Ctrl+C is the way to end a stream");
    nothing_runs(&fixture.home.state).await?;
    ensure!(
        remembered(&fixture.home.state) == 0,
        "a stream that is not kept leaves nothing behind"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_says_what_its_viewer_waits_for_and_ends_with_it() -> Result<()> {
    let fixture = film().await?;
    fixture.set_rate(100 << 10);
    let player = "curl -sS -r 4000000-4400000 -o /dev/null";
    let mut terminal = fixture.stream(&["--player", player, "--file", "1"])?;
    let waits = |event: &Value| event["streams"][0]["waiting"]["reason"] == "downloading";
    terminal.event("a viewer that waits", waits).await?;
    fixture.set_rate(0);
    ensure!(terminal.ended().await?.code() == Some(0), "it ends in order when the player does");
    nothing_runs(&fixture.home.state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_continues_after_ctrl_c_and_completes() -> Result<()> {
    let fixture = film().await?;
    let mut terminal = fixture.get(&[])?;
    let before = terminal.verified(1_000_000).await?;
    ensure!(terminal.interrupt().await?.code() == Some(130), "it is not complete");
    nothing_runs(&fixture.home.state).await?;
    fixture.set_rate(0);
    let passed = fixture.passed();
    let mut terminal = fixture.get(&[])?;
    ensure!(terminal.ended().await?.code() == Some(0), "it completes");
    is_true(&fixture)?;
    let (fetched, rest) = (fixture.passed() - passed, fixture.truth[0].len() as u64 - before);
    ensure!(fetched < rest + rest / 10, "{fetched} bytes were fetched for the last {rest}");
    nothing_runs(&fixture.home.state).await?;
    ensure!(remembered(&fixture.home.state) == 0, "what is complete needs no state");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_verified_piece_is_lost_when_everything_is_killed() -> Result<()> {
    let fixture = film().await?;
    let mut terminal = fixture.get(&[])?;
    let before = terminal.verified(1_500_000).await?;
    let daemon = terminal.daemon()?;
    terminal.kill().await;
    daemon.kill();
    // Nothing new can come, so all verified bytes were there before.
    fixture.tracker.name([]);
    let mut terminal = fixture.get(&[])?;
    let after = terminal.verified(0).await?;
    ensure!(after >= before, "{before} bytes were verified, and {after} are");
    ensure!(terminal.interrupt().await?.code() == Some(130), "it is not complete");
    nothing_runs(&fixture.home.state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_whose_terminal_was_killed_ends_by_itself() -> Result<()> {
    let fixture = film().await?;
    let mut terminal = fixture.get(&[])?;
    terminal.verified(500_000).await?;
    let orphan = terminal.daemon()?;
    terminal.kill().await;
    let mut next = fixture.get(&[])?;
    next.verified(500_000).await?;
    let heir = next.daemon()?;
    ensure!(heir.pid != orphan.pid, "the next process ends the orphan");
    next.kill().await;
    // Only init reaps these processes, and may take a while.
    for pid in [orphan.pid, heir.pid] {
        until("the orphan to end", LIMIT, || async { Ok((!process::is_alive(pid)).then_some(())) })
            .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_is_restarted_for_the_player() -> Result<()> {
    let fixture = film().await?;
    let mut terminal = fixture.stream(&[])?;
    let url = terminal.url().await?;
    terminal.verified(500_000).await?;
    let daemon = terminal.daemon()?;
    daemon.kill();
    fixture.set_rate(0);
    let is_new = || async { Ok(terminal.daemon().ok().filter(|new| new.pid != daemon.pid)) };
    until("another daemon", LIMIT, is_new).await?;
    let whole = http::get(&url).await?;
    ensure!(whole.whole && whole.body == fixture.truth[0], "the same URL serves the film again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn files_from_before_are_never_removed() -> Result<()> {
    let fixture = film().await?;
    fixture.set_rate(0);
    std::fs::write(fixture.home.downloads.join("other.txt"), "mine")?;
    let mut terminal = fixture.stream(&["--dir", fixture.home.downloads_text()])?;
    terminal.verified(fixture.truth[0].len() as u64).await?;
    ensure!(
        fixture.downloaded().exists() && terminal.interrupt().await?.code() == Some(0),
        "it was downloaded"
    );
    ensure!(
        !fixture.downloaded().exists() && fixture.home.downloads.join("other.txt").exists(),
        "what came with the run goes with it"
    );
    std::fs::write(fixture.downloaded(), &fixture.truth[0])?;
    let mut terminal = fixture.stream(&["--dir", fixture.home.downloads_text()])?;
    terminal.verified(fixture.truth[0].len() as u64).await?;
    ensure!(terminal.interrupt().await?.code() == Some(0), "it ends in order");
    is_true(&fixture)?;
    let mut terminal = fixture.stream(&["--dir", fixture.home.downloads_text(), "--keep"])?;
    terminal.verified(fixture.truth[0].len() as u64).await?;
    process::interrupt_pid(terminal.pid());
    terminal.interrupt().await?;
    is_true(&fixture)?;
    nothing_runs(&fixture.home.state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_file_is_left_alone_unless_the_user_says_so() -> Result<()> {
    let fixture = film().await?;
    fixture.set_rate(0);
    // Its first half is the film's.
    let mut theirs = fixture.truth[0].clone();
    theirs[fixture.truth[0].len() / 2..].fill(b'x');
    std::fs::write(fixture.downloaded(), &theirs)?;
    let ours =
        fixture.home.downloads.join(Film::Mp4MoovLast.file_name().replace(".mp4", " (2).mp4"));
    let mut terminal = fixture.get(&[])?;
    ensure!(terminal.ended().await?.code() == Some(0), "it completes");
    ensure!(std::fs::read(fixture.downloaded())? == theirs, "a file that was there was changed");
    ensure!(std::fs::read(&ours)? == fixture.truth[0], "its own file is not what was seeded");
    let (passed, length) = (fixture.passed(), fixture.truth[0].len() as u64);
    ensure!(
        passed < length * 3 / 4,
        "{passed} bytes were fetched, though half of {length} was there"
    );
    std::fs::remove_file(&ours)?;
    let mut terminal = fixture.get(&["--adopt"])?;
    ensure!(terminal.ended().await?.code() == Some(0), "it completes");
    is_true(&fixture)?;
    ensure!(!ours.exists(), "nothing else was made");
    nothing_runs(&fixture.home.state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_explained_in_one_sentence() -> Result<()> {
    let fixture = film().await?;
    let torrent = fixture.torrent_file()?;
    let torrent = torrent.to_str().context("a plain name")?;
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
            &["get", torrent, "--dir", fixture.home.downloads_text(), "--state", &below_a_file],
            1,
            "cannot make the state folder",
        ),
        (
            &["get", torrent, "--dir", fixture.home.downloads_text(), "--listen", &busy],
            1,
            "is in use by another program",
        ),
        (
            &["get", torrent, "--dir", fixture.home.downloads_text(), "--listen", "0.0.0.0:0"],
            1,
            "can be reached from other computers",
        ),
        (&["get", torrent, "--config", "/nowhere.toml"], 1, "/nowhere.toml"),
        (&["man", "fly"], 1, "there is no command"),
    ];
    for (args, expected, words) in table {
        let (status, _, errors) = run(&fixture.home.state, *args).await?;
        ensure!(
            status == *expected && errors.contains(words),
            "{args:?}: status {status}, {errors}"
        );
    }
    nothing_runs(&fixture.home.state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selected_file_downloads_alone() -> Result<()> {
    let names = ["one.bin", "two.bin", "three.bin"];
    let show = Fixture::random_files("show", &names.map(|name| (name, 1_500_000)));
    let fixture = show.seeded(Client::Libtorrent, 0).build().await?;
    let truth = &fixture.truth;
    let path = |at: usize| fixture.downloaded().join(names[at]);
    let lies = |at: usize| std::fs::read(path(at)).unwrap_or_default();
    let get = |files: &[&str]| fixture.get(files);
    ensure!(
        get(&["--file", "two.bin"])?.ended().await?.code() == Some(0),
        "the chosen file is all that is wanted"
    );
    ensure!(lies(1) == truth[1], "what was chosen is not what was seeded");
    for other in [0, 2] {
        // Its neighbours have no more bytes than those in shared pieces.
        let stored = std::fs::metadata(path(other)).map_or(0, |file| file.blocks() * 512);
        ensure!(stored <= 2 * PIECE_LENGTH as u64, "{stored} bytes of a file that nobody wants");
        ensure!(lies(other) != truth[other], "a file came that nobody wants");
    }
    let most = truth[1].len() + 3 * PIECE_LENGTH;
    ensure!(fixture.passed() < most as u64, "{} bytes passed", fixture.passed());
    ensure!(
        get(&["--file", "1", "--file", "three"])?.ended().await?.code() == Some(0),
        "the others come later"
    );
    ensure!((0..3).all(|at| lies(at) == truth[at]), "what is there is not what was seeded");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_at_a_time_downloads_a_torrent_into_a_folder() -> Result<()> {
    let fixture = film().await?;
    let mut first = fixture.get(&[])?;
    first.verified(1).await?;
    let file = fixture.torrent_file()?;
    let file = file.to_str().context("a plain name")?;
    let args = ["get", file, "--dir", fixture.home.downloads_text()];
    let (status, _, errors) = run(&fixture.home.state, args).await?;
    ensure!(
        status == 1 && errors.contains("another jstorrent is at work"),
        "status {status}, {errors}"
    );
    ensure!(first.interrupt().await?.code() == Some(130), "the first one is not disturbed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_daemon_the_error_names_the_places_searched() -> Result<()> {
    let fixture = film().await?;
    let alone = fixture.home.downloads.join("jstorrent");
    std::fs::copy(workspace::terminal()?, &alone)?;
    let mut command = Command::new(alone);
    command
        .arg("get")
        .arg(fixture.torrent_file()?)
        .arg("--dir")
        .arg(&fixture.home.downloads)
        .arg("--state")
        .arg(&fixture.home.state);
    let (status, _, errors) =
        output(command.env("PATH", "").env_remove("JSTORRENT_IO_DAEMON")).await?;
    ensure!(status == 1 && errors.contains("JSTORRENT_IO_DAEMON"), "status {status}, {errors}");
    let daemon = workspace::daemon()?;
    let mut named = command;
    named.env("JSTORRENT_IO_DAEMON", daemon).args(["--allow-private-peers"]);
    fixture.set_rate(0);
    let (status, _, errors) = output(&mut named).await?;
    ensure!(status == 0, "status {status}, {errors}");
    is_true(&fixture)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torrent_is_described_for_people_and_for_programs() -> Result<()> {
    let fixture = film().await?;
    let (status, text, _) =
        run(&fixture.home.state, [Path::new("info"), &fixture.torrent_file()?]).await?;
    ensure!(status == 0 && text.contains("moov-last.mp4") && text.contains("/announce"), "{text}");
    let (status, text, _) = run(
        &fixture.home.state,
        [Path::new("info"), &fixture.torrent_file()?, Path::new("--json")],
    )
    .await?;
    let info: Value = serde_json::from_str(&text)?;
    ensure!(status == 0 && info["infoHash"] == fixture.torrent.info_hash.as_str(), "{info}");
    ensure!(
        info["files"][0]["length"] == fixture.truth[0].len() && info["files"][0]["number"] == 1,
        "{info}"
    );
    ensure!(info["pieceCount"] == fixture.torrent.piece_count(), "{info}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_magnet_link_is_described_streamed_and_downloaded() -> Result<()> {
    let fixture = Fixture::linked_film(Film::Mp4MoovLast).await?;
    let link = fixture.magnet();
    let (status, text, errors) =
        run(&fixture.home.state, ["info", &link, "--json", "--allow-private-peers"]).await?;
    ensure!(status == 0, "status {status}, {errors}");
    let info: Value = serde_json::from_str(&text)?;
    ensure!(info["files"][0]["length"] == fixture.truth[0].len(), "{info}");
    ensure!(remembered(&fixture.home.state) == 0, "looking leaves nothing behind");
    let mut terminal = Terminal::start(&fixture.home.state, ["stream", &link])?;
    let part = http::get_range(&terminal.url().await?, 1_000_000, 1_099_999).await?;
    ensure!(part.body == fixture.truth[0][1_000_000..1_100_000], "wrong bytes");
    ensure!(terminal.interrupt().await?.code() == Some(0), "it ends in order");
    fixture.set_rate(0);
    let mut terminal = Terminal::start(
        &fixture.home.state,
        ["get", &link, "--dir", fixture.home.downloads_text()],
    )?;
    ensure!(terminal.ended().await?.code() == Some(0), "it completes");
    is_true(&fixture)?;
    nothing_runs(&fixture.home.state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torrent_file_is_fetched_from_its_url() -> Result<()> {
    let fixture = film().await?;
    fixture.set_rate(0);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let (address, body) = (listener.local_addr()?, fixture.torrent.metainfo.clone());
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
    let mut terminal = Terminal::start(
        &fixture.home.state,
        ["get", &url, "--dir", fixture.home.downloads_text()],
    )?;
    ensure!(terminal.ended().await?.code() == Some(0), "it completes");
    is_true(&fixture)?;
    let wrong = format!("http://{address}/other.torrent");
    let (status, _, errors) = run(
        &fixture.home.state,
        ["get", &wrong, "--dir", fixture.home.downloads_text(), "--allow-private-peers"],
    )
    .await?;
    ensure!(status == 1 && errors.contains("404"), "status {status}, {errors}");
    server.abort();
    nothing_runs(&fixture.home.state).await
}

#[tokio::test]
async fn help_completions_and_man_pages_exist() -> Result<()> {
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
    // A reader that closes the pipe early is no error.
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
