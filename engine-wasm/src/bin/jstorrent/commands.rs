//! The commands `stream`, `get` and `info`: their steps and exit status.

use std::process::ExitCode;

use anyhow::{Result, bail};
use engine_wasm::metainfo::Metainfo;
use engine_wasm::natural::natural;
use engine_wasm::view::{FileView, Giving, TorrentState, TorrentVersion, TorrentView};
use indicatif::HumanBytes;
use serde_json::{Value, json};
use tokio::process::Child;

use crate::choose::{choose, number};
use crate::cli::{Get, Info, Peers, Stream};
use crate::config::Config;
use crate::place::Keep;
use crate::player;
use crate::report::{Report, SHOW_EVERY, say};
use crate::session::Session;
use crate::source::Source;
use crate::stop::Stop;

/// How the work of a session ended.
enum Ending {
    /// The work was done.
    Done,
    /// A signal ended it, with this exit status.
    Stopped(u8),
}

/// `jstorrent stream`
pub(crate) async fn stream(args: Stream) -> Result<ExitCode> {
    let source = Source::parse(&args.source.text)?;
    if let Source::Torrent { meta, .. } = &source {
        // An invalid choice fails before anything is started.
        choose(&files(meta), args.file.as_deref())?;
    }
    let config = args.settings.resolve_with(&args.peers.peer)?;
    let keep = if args.keep { Keep::Yes } else { Keep::No };
    let player = args.player.clone().or_else(|| config.player.clone()).filter(|_| !args.open);
    let mut report = Report::new(args.json);
    let ending = with_session(config, &source, keep, async |session: &mut Session| {
        session.add(&source, &args.peers).await?;
        play(session, &args, player.as_deref(), &mut report).await
    })
    .await;
    report.finish();
    ending?;
    Ok(ExitCode::SUCCESS)
}

async fn play(
    session: &mut Session,
    args: &Stream,
    player: Option<&str>,
    report: &mut Report,
) -> Result<()> {
    let torrent = until(session, report, |torrent| !torrent.files.is_empty()).await?;
    if args.adopt {
        session.adopt(&torrent).await?;
    }
    let file = choose(&torrent.files, args.file.as_deref())?;
    session.prepare(&torrent, file).await?;
    let url = session.url(file);
    let subtitles: Vec<String> =
        file.subtitles.iter().filter_map(|it| url_of(session, &torrent, it.index)).collect();
    let fields = json!({
        "url": url, "infoHash": torrent.info_hash, "name": torrent.name,
        "file": file_fields(&torrent.files, file),
        "dir": session.downloads(), "subtitles": subtitles,
    });
    report.note(&format!("{} ({}). Press Ctrl+C to stop.", file.path, HumanBytes(file.length)));
    report.result("ready", &url, fields)?;
    let mut child: Option<Child> = None;
    if args.open {
        player::open(&url)?;
    } else if let Some(command) = player {
        child = Some(player::run(command, &url, &subtitles)?);
    }
    let watch = until(session, report, |_| false);
    match child.as_mut() {
        None => watch.await.map(drop),
        Some(child) => tokio::select! {
            watched = watch => watched.map(drop),
            ended = child.wait() => {
                ended?;
                Ok(())
            }
        },
    }
}

/// Returns the URL of a file, ending in the file's name.
fn url_of(session: &Session, torrent: &TorrentView, index: u32) -> Option<String> {
    torrent.files.iter().find(|file| file.index == index).map(|file| session.named_url(file))
}

/// `jstorrent get`
pub(crate) async fn get(args: Get) -> Result<ExitCode> {
    let source = Source::parse(&args.source.text)?;
    if let Source::Torrent { meta, .. } = &source {
        // An invalid choice fails before anything is started.
        chosen(&files(meta), &args.file)?;
    }
    let mut report = Report::new(args.json);
    let mut is_complete = false;
    let nobody = Peers::default();
    let ending = with_session(
        args.settings.resolve_with(&args.peers.peer)?,
        &source,
        Keep::Yes,
        async |session: &mut Session| {
            let is_described = matches!(source, Source::Torrent { .. });
            session.add(&source, if is_described { &nobody } else { &args.peers }).await?;
            if args.adopt {
                let torrent =
                    until(session, &mut report, |torrent| !torrent.files.is_empty()).await?;
                session.adopt(&torrent).await?;
            }
            if !args.file.is_empty() {
                let torrent =
                    until(session, &mut report, |torrent| !torrent.files.is_empty()).await?;
                session.want(&torrent, &chosen(&torrent.files, &args.file)?).await?;
            } else if is_described {
                // An earlier run may have selected fewer files.
                let torrent =
                    until(session, &mut report, |torrent| !torrent.files.is_empty()).await?;
                let all: Vec<u32> = torrent.files.iter().map(|file| file.index).collect();
                session.want(&torrent, &all).await?;
            }
            if is_described {
                // Peers are added once the files are selected.
                session.name_peers(&args.peers).await?;
            }
            let torrent =
                until(session, &mut report, |torrent| torrent.state == TorrentState::Complete)
                    .await?;
            if torrent.files.iter().all(|file| file.verified == file.length) {
                session.done();
            }
            is_complete = true;
            report.finish();
            for file in torrent.files.iter().filter(|file| file.displaced) {
                let name = &file.path;
                report.note(&format!(
                    "Another file already has this name, so it was saved as “{name}” \
                     (--adopt continues in the other file)."
                ));
            }
            let words =
                format!("{} is complete in {}", torrent.name, session.downloads().display());
            let fields = json!({
                "infoHash": torrent.info_hash, "name": torrent.name, "length": torrent.length,
                "dir": session.downloads(), "files": all_fields(&torrent.files),
            });
            report.result("complete", &words, fields)?;
            if args.seed { seed(session, &mut report).await } else { Ok(()) }
        },
    )
    .await;
    report.finish();
    match ending? {
        Ending::Done => Ok(ExitCode::SUCCESS),
        Ending::Stopped(_) if is_complete => Ok(ExitCode::SUCCESS),
        Ending::Stopped(status) => {
            report.note("Not complete yet. Run the same command again to continue.");
            Ok(ExitCode::from(status))
        }
    }
}

/// Seeds until the goal is reached.
async fn seed(session: &mut Session, report: &mut Report) -> Result<()> {
    report.note("Seeding. Press Ctrl+C to stop.");
    let torrent = until(session, report, |torrent| torrent.giving == Giving::Sated).await?;
    report.finish();
    let words = format!("{} uploaded: the seeding goal is reached", HumanBytes(torrent.uploaded));
    report.result(
        "seeded",
        &words,
        json!({ "infoHash": torrent.info_hash, "uploaded": torrent.uploaded }),
    )
}

/// Returns the indices of the files that the user named.
fn chosen(files: &[FileView], wanted: &[String]) -> Result<Vec<u32>> {
    let indexes = wanted.iter().map(|wanted| Ok(choose(files, Some(wanted))?.index));
    indexes.collect()
}

/// `jstorrent info`
pub(crate) async fn info(args: Info) -> Result<ExitCode> {
    let source = Source::parse(&args.source.text)?;
    let config = args.settings.resolve_with(&args.peers.peer)?;
    let Source::Torrent { meta, .. } = &source else {
        return remote_info(&source, &args, config).await;
    };
    let (files, length) = (files(meta), meta.total_length());
    let mut fields =
        overview(&meta.info_hash.to_string(), &meta.name, length, meta.piece_length, &files);
    fields["pieceCount"] = meta.geometry().piece_count().into();
    fields["version"] = json!(TorrentVersion::from(meta.version()));
    fields["infoHashV2"] = meta.info_hash_v2.map(|hash| hash.to_string()).into();
    fields["trackers"] = json!(meta.trackers);
    fields["webSeeds"] = json!(meta.web_seeds);
    fields["private"] = meta.private.into();
    show(&fields, &files, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Fetches the description of a magnet link or URL.
async fn remote_info(source: &Source, args: &Info, config: Config) -> Result<ExitCode> {
    // Standard output holds the result only; progress goes to standard error.
    let mut report = Report::new(false);
    let config = Config { dir: None, ..config };
    let ending = with_session(config, source, Keep::No, async |session: &mut Session| {
        session.add(source, &args.peers).await?;
        let torrent = until(session, &mut report, |torrent| !torrent.files.is_empty()).await?;
        report.finish();
        let TorrentView { info_hash, name, length, piece_length, files, .. } = &torrent;
        let mut fields = overview(info_hash, name, *length, *piece_length, files);
        fields["pieceCount"] = torrent.piece_count.into();
        fields["version"] = json!(torrent.version);
        if let Source::Magnet { link, .. } = source {
            fields["trackers"] =
                json!(link.trackers.iter().map(|tracker| [tracker]).collect::<Vec<_>>());
            fields["trackerStates"] = json!(torrent.trackers);
            fields["webSeeds"] = json!(link.web_seeds);
        }
        show(&fields, files, args.json)
    })
    .await;
    report.finish();
    match ending? {
        Ending::Done => Ok(ExitCode::SUCCESS),
        Ending::Stopped(status) => Ok(ExitCode::from(status)),
    }
}

/// Runs `work` with a session, and always ends the session in order.
async fn with_session(
    config: Config,
    source: &Source,
    keep: Keep,
    work: impl AsyncFnOnce(&mut Session) -> Result<()>,
) -> Result<Ending> {
    let mut stop = Stop::catch()?;
    let hurry = stop.hurry.clone();
    let mut session = tokio::select! {
        session = Session::start(config, source, keep, hurry) => session?,
        status = stop.wanted() => return Ok(Ending::Stopped(status)),
    };
    let ending = tokio::select! {
        done = work(&mut session) => done.map(|()| Ending::Done),
        status = stop.wanted() => Ok(Ending::Stopped(status)),
    };
    if stop.unless_again(session.end()).await.is_none() {
        return Ok(Ending::Stopped(130));
    }
    ending
}

/// Shows progress until the torrent satisfies a condition.
async fn until(
    session: &mut Session,
    report: &mut Report,
    is_so: impl Fn(&TorrentView) -> bool,
) -> Result<TorrentView> {
    let mut tick = tokio::time::interval(SHOW_EVERY);
    loop {
        let now = session.torrent().await?;
        let torrent = &now.torrent;
        if torrent.state == TorrentState::Error {
            bail!("{}", torrent.message.as_deref().unwrap_or("the torrent has stopped"));
        }
        report.progress(&now)?;
        if let Some(words) = session.fresh_trouble() {
            report.trouble(&words)?;
        }
        if is_so(torrent) {
            return Ok(now.torrent);
        }
        let event = tokio::select! {
            event = session.event() => event,
            _ = tick.tick() => continue,
        };
        session.handle(event).await?;
    }
}

/// Returns the files of a `.torrent` file as the engine will show them.
fn files(meta: &Metainfo) -> Vec<FileView> {
    let mut files: Vec<_> = (0..).zip(&meta.files).filter(|(_, file)| !file.padding).collect();
    files.sort_by(|(_, a), (_, b)| natural(&a.path, &b.path));
    files
        .into_iter()
        .map(|(index, file)| FileView::new(index, file.path.join("/"), file.length))
        .collect()
}

fn overview(
    info_hash: &str,
    name: &str,
    length: u64,
    piece_length: u32,
    files: &[FileView],
) -> Value {
    json!({
        "infoHash": info_hash, "name": name, "length": length, "pieceLength": piece_length,
        "files": all_fields(files),
    })
}

fn all_fields(files: &[FileView]) -> Vec<Value> {
    files.iter().map(|file| file_fields(files, file)).collect()
}

/// Returns one of these files.
fn file_fields(files: &[FileView], file: &FileView) -> Value {
    json!({
        "number": number(files, file), "index": file.index, "path": file.path,
        "length": file.length, "contentType": file.content_type, "playable": file.playable,
    })
}

fn show(fields: &Value, files: &[FileView], json: bool) -> Result<()> {
    if json {
        return say(&fields.to_string());
    }
    let text = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
    let bytes = |name: &str| HumanBytes(fields[name].as_u64().unwrap_or_default());
    say(&format!("name       {}", text("name")))?;
    say(&format!("info hash  {}", text("infoHash")))?;
    if let Some(hash) = fields["infoHashV2"].as_str() {
        say(&format!("v2 hash    {hash}"))?;
    }
    say(&format!("version    {}", text("version")))?;
    say(&format!("size       {}", bytes("length")))?;
    say(&format!("pieces     {} of {}", fields["pieceCount"], bytes("pieceLength")))?;
    if fields["private"] == true {
        say("private    yes: peers come from its trackers only")?;
    }
    for (at, tier) in fields["trackers"].as_array().into_iter().flatten().enumerate() {
        let urls = tier.as_array().into_iter().flatten().filter_map(Value::as_str);
        let urls: Vec<String> = urls.map(|url| with_state(url, &fields["trackerStates"])).collect();
        say(&format!(
            "{}{}",
            if at == 0 { "trackers   " } else { "           " },
            urls.join(", ")
        ))?;
    }
    for (at, url) in
        fields["webSeeds"].as_array().into_iter().flatten().filter_map(Value::as_str).enumerate()
    {
        say(&format!("{}{url}", if at == 0 { "web seeds  " } else { "           " }))?;
    }
    say("\n   #        size  file")?;
    (1..).zip(files).try_for_each(|(number, file)| {
        say(&format!("{:>4}  {:>10}  {}", number, HumanBytes(file.length).to_string(), file.path))
    })
}

/// Describes a tracker: its URL, and its answer if it was asked.
fn with_state(url: &str, states: &Value) -> String {
    let Some(state) = states.as_array().into_iter().flatten().find(|state| state["url"] == url)
    else {
        return url.to_owned();
    };
    let count = |name: &str| {
        state[name].as_u64().map(|count| format!(", {count} {name}")).unwrap_or_default()
    };
    let message =
        state["message"].as_str().map(|message| format!(": {message}")).unwrap_or_default();
    let word = state["state"].as_str().unwrap_or_default();
    format!("{url} ({word}{}{}{message})", count("seeders"), count("leechers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracker_that_was_asked_shows_its_answer() {
        let states = json!([
            {
                "url": "http://a", "state": "working", "seeders": 3, "leechers": null,
                "message": null,
            },
            {
                "url": "http://b", "state": "failing", "seeders": null, "leechers": null,
                "message": "no answer",
            },
        ]);
        let check = |url: &str, expected: &str| assert_eq!(with_state(url, &states), expected);
        check("http://a", "http://a (working, 3 seeders)");
        check("http://b", "http://b (failing: no answer)");
        check("http://c", "http://c");
    }
}
