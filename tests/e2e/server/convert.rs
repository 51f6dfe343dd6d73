//! Films that browsers can't play, converted by ffmpeg while they download.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::http;
use jstorrent_tests::plain::{Server, url_of};
use jstorrent_tests::process::{Group, is_alive};
use jstorrent_tests::swarm::Client;
use jstorrent_tests::terminal::output;
use jstorrent_tests::workspace::Scratch;
use jstorrent_tests::{media, process};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::Mutex;

const SECONDS: u32 = 20;
const PICTURE: &str = "testsrc2=size=640x360:rate=24,noise=alls=14:allf=t";
/// Arguments of ffmpeg for a common AVI: MPEG-4 Part 2 and MP3.
const AVI: &[&str] = &["-c:v", "mpeg4", "-q:v", "4", "-c:a", "libmp3lame", "-f", "avi"];

/// A server with a film that downloads.
struct Converting {
    fixture: Fixture,
    server: Server,
    /// The URL of its conversion, with the key.
    convert: String,
}

impl Converting {
    /// Starts the server; `ffmpeg` replaces the one that the daemon finds.
    async fn new(file: &Path, rate_bps: u64, ffmpeg: Option<&Path>) -> Result<Self> {
        let film = Fixture::of_file(file).pieces_of(64 << 10);
        let fixture = film.seeded(Client::Libtorrent, rate_bps).build().await?;
        let named = ffmpeg.map(|ffmpeg| ("JSTORRENT_FFMPEG", ffmpeg.as_os_str()));
        let home = &fixture.home;
        let server =
            Server::start_with(&home.state, &home.downloads, &[], named.as_slice()).await?;
        let added = server.add_file(&fixture.torrent_file()?, "?keep=1").await?;
        let convert = url_of(&added)?.replace("/stream/", "/convert/");
        Ok(Self { fixture, server, convert })
    }

    async fn verified(&self) -> Result<u64> {
        self.server.verified(&self.fixture.torrent.info_hash, 0).await
    }
}

async fn avi() -> Result<PathBuf> {
    // Two tests at the same time must not write the same file.
    static MAKING: Mutex<()> = Mutex::const_new(());
    let _turn = MAKING.lock().await;
    let path = jstorrent_tests::workspace::target().join("test-media/old.avi");
    if !path.exists() {
        media::make(&path, SECONDS, PICTURE, AVI).await?;
    }
    Ok(path)
}

/// A viewer of a conversion; dropping it closes its connection.
struct Viewer {
    path: PathBuf,
    _curl: Group,
}

impl Viewer {
    /// Requests the film, and waits until this many bytes have come.
    async fn begin(url: &str, folder: &Path, bytes: usize) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let path = folder.join(format!("viewer-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let mut command = Command::new("curl");
        command.args(["-sSN", "-o"]).arg(&path).arg(url);
        let viewer = Self { path, _curl: Group::spawn(&mut command)? };
        let has_begun = || async { Ok((viewer.got().len() >= bytes).then_some(())) };
        until("the first bytes", LIMIT, has_begun).await?;
        Ok(viewer)
    }

    fn got(&self) -> Vec<u8> {
        std::fs::read(&self.path).unwrap_or_default()
    }
}

/// Asks ffprobe for a film's codecs, and its first and last time stamp.
async fn probe(path: &Path) -> Result<(Vec<String>, f64, f64)> {
    let show = [
        "-v",
        "error",
        "-show_entries",
        "stream=codec_name:packet=pts_time,codec_type",
        "-of",
        "json",
    ];
    let output = Command::new("ffprobe").args(show).arg(path).output().await?;
    ensure!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said: Value = serde_json::from_slice(&output.stdout)?;
    let streams = said["streams"].as_array().context("streams")?;
    let codecs =
        streams.iter().filter_map(|it| Some(it["codec_name"].as_str()?.to_owned())).collect();
    let packets = said["packets"].as_array().context("packets")?.iter();
    let times = packets
        .filter(|it| it["codec_type"] == "video")
        .filter_map(|it| it["pts_time"].as_str()?.parse().ok());
    let times: Vec<f64> = times.collect();
    let first = times.iter().copied().reduce(f64::min).context("a picture")?;
    let last = times.iter().copied().reduce(f64::max).context("a picture")?;
    Ok((codecs, first, last))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_avi_is_converted_for_browsers_while_it_downloads() -> Result<()> {
    let film = avi().await?;
    let length = std::fs::metadata(&film)?.len();
    let converting = Converting::new(&film, 400_000, None).await?;
    let (status, said) = converting.server.curl("convert", &[]).await?;
    let ability: Value = serde_json::from_str(&said)?;
    ensure!(status == 200 && ability["ffmpeg"]["version"].is_string(), "{status} {said}");
    println!("ffmpeg here: {}", ability["ffmpeg"]);

    // From the middle, while most of the film is missing: the first bytes come at once.
    let begun = Viewer::begin(
        &format!("{}&start=12&video=h264", converting.convert),
        converting.fixture.scratch.path(),
        40_000,
    )
    .await?;
    ensure!(begun.got().get(4..8) == Some(b"ftyp"), "no MP4");
    let there = converting.verified().await?;
    ensure!(there < length * 3 / 4, "{there} of {length} bytes were there already");
    drop(begun);

    converting.fixture.set_rate(0);
    for (start, first) in [("0", 0.0), ("12", 12.0)] {
        let path = converting.fixture.scratch.path().join(format!("from-{start}.mp4"));
        let url = format!("{}&start={start}&video=h264", converting.convert);
        let into = path.to_str().context("a plain name")?;
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-m", "60", "-o", into, "-w", "%{http_code} %{content_type}", &url]);
        let (ended, said, errors) = output(&mut curl).await?;
        ensure!(ended == 0 && said == "200 video/mp4", "{said} {errors}");
        let (codecs, from, to) = probe(&path).await?;
        ensure!(codecs == ["h264", "aac"], "{codecs:?}");
        ensure!(
            (from - first).abs() < 0.6 && (f64::from(SECONDS) - to).abs() < 0.6,
            "{from} to {to}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversion_needs_its_key_and_reads_only_films() -> Result<()> {
    let scratch = Scratch::new("list")?;
    // A playlist with the name of a film: it names a URL of the daemon, and a file.
    let list = scratch.path().join("film.avi");
    let lines =
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n";
    std::fs::write(&list, lines.repeat(40))?;
    let converting = Converting::new(&list, 0, None).await?;
    let check = |url: String, status: u16| async move {
        let reply = http::get(&url).await?;
        let said = String::from_utf8_lossy(&reply.body).into_owned();
        ensure!(reply.status == status, "{url}: {} {said}", reply.status);
        anyhow::Ok(said)
    };
    let said = check(converting.convert.clone(), 502).await?;
    ensure!(said.starts_with("ffmpeg can't convert this film:"), "{said}");
    let key = converting.convert.split_once("key=").context("a key")?.1.to_owned();
    ensure!(!said.contains(&key), "the key is told: {said}");
    check(converting.convert.replace(&key, "0123456789abcdef0123456789abcdef"), 403).await?;
    for query in ["start=-1", "start=x", "video=divx", "audio=9999"] {
        check(format!("{}&{query}", converting.convert), 400).await?;
    }
    check(converting.convert.replace("/convert/", "/convert/x"), 403).await?;
    Ok(())
}

/// Writes a program that pretends to be ffmpeg. The program answers questions like ffmpeg. When
/// asked to convert, the program appends its pid to a file and then acts.
fn pretend(folder: &Path, version: &str, act: &str) -> Result<PathBuf> {
    let path = folder.join("pretended");
    let pids = folder.join("pids");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n\
         -version) echo 'ffmpeg version {version} Copyright';;\n\
         *-encoders) echo ' V....D libx264 x'; echo ' A....D aac x';;\n\
         *lavfi*) ;;\n*) echo $$ >> {}; {act};;\nesac\n",
        pids.display()
    );
    std::fs::write(&path, script)?;
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, executable)?;
    Ok(path)
}

fn pids(folder: &Path) -> Vec<u32> {
    let text = std::fs::read_to_string(folder.join("pids")).unwrap_or_default();
    text.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_what_is_wrong_with_ffmpeg() -> Result<()> {
    let film = avi().await?;
    let cases = [
        (
            "7.1",
            "echo 'it: No such codec.' >&2; exit 1",
            502,
            "ffmpeg can't convert this film: it: No such codec.",
        ),
        ("7.1", "sleep 100", 502, "ffmpeg was stopped: it produced nothing for 20 seconds."),
        ("2.8.1", "true", 501, "ffmpeg 2.8.1 is too old: version 4.1 or newer is needed."),
        ("x\nmpv 1", "true", 501, "What is called ffmpeg here is another program."),
    ];
    let check = |(version, act, status, words): (&'static str, &'static str, u16, &'static str)| {
        let film = film.clone();
        async move {
            let scratch = Scratch::new("pretended")?;
            let program = match version.split_once('\n') {
                None => pretend(scratch.path(), version, act)?,
                Some(_) => {
                    let path = pretend(scratch.path(), version, act)?;
                    std::fs::write(&path, "#!/bin/sh\necho mpv 1\n")?;
                    path
                }
            };
            let converting = Converting::new(&film, 0, Some(&program)).await?;
            let reply = http::get(&converting.convert).await?;
            let said = String::from_utf8_lossy(&reply.body).trim().to_owned();
            ensure!(
                (reply.status, said.as_str()) == (status, words),
                "{act}: {} {said}",
                reply.status
            );
            let ended = || async {
                Ok(pids(scratch.path()).into_iter().all(|pid| !is_alive(pid)).then_some(()))
            };
            until("it to be ended", LIMIT, ended).await
        }
    };
    let absent = Path::new("/nonexistent/ffmpeg");
    let converting = Converting::new(&film, 0, Some(absent)).await?;
    let reply = http::get(&converting.convert).await?;
    ensure!(
        (reply.status, &reply.body[..]) == (501, b"There is no ffmpeg at /nonexistent/ffmpeg.\n"),
        "{}",
        reply.status
    );
    futures_util::future::try_join_all(cases.map(check)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_conversions_run_at_once_and_end_with_their_viewers() -> Result<()> {
    let film = avi().await?;
    let scratch = Scratch::new("pretended")?;
    // It writes a few bytes and then waits to be killed.
    let program = pretend(scratch.path(), "7.1", "printf 0123456789; exec sleep 1000")?;
    let converting = Converting::new(&film, 0, Some(&program)).await?;
    let begin = || Viewer::begin(&converting.convert, scratch.path(), 10);
    let (first, second) = (begin().await?, begin().await?);
    let third = http::get(&converting.convert).await?;
    ensure!(third.status == 503 && third.header("retry-after").is_some(), "{}", third.status);
    let running = pids(scratch.path());
    ensure!(running.len() == 2 && running.iter().all(|pid| is_alive(*pid)), "{running:?}");
    #[cfg(target_os = "linux")]
    for pid in &running {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let nice: i32 = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(16)?.parse().ok())
            .context("a priority")?;
        ensure!(nice > 0, "it has the priority {nice}");
    }
    drop(first);
    let gone = |pid: u32, what: &'static str| async move {
        until(what, LIMIT, || async { Ok((!is_alive(pid)).then_some(())) }).await
    };
    gone(running[0], "the first to end with its viewer").await?;
    ensure!(is_alive(running[1]), "the second ended, too");
    let third = begin().await?;
    let running = pids(scratch.path());
    process::terminate_pid(converting.server.terminal.pid());
    gone(running[1], "the second to end with the daemon").await?;
    gone(running[2], "the third to end with the daemon").await?;
    drop((second, third));
    Ok(())
}
