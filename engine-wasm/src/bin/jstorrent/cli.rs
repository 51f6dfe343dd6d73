//! The command line: names, help and examples.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::Settings;
use crate::config::server::ServerSettings;

const EXAMPLES: &str = "\
Examples:
  jstorrent info film.torrent                   what is in it
  jstorrent stream film.torrent                 print a URL that any player takes
  jstorrent stream film.torrent --player mpv    watch it while it downloads
  jstorrent get film.torrent --dir ~/Films      download it
  jstorrent stream 'magnet:?xt=urn:btih:…'      the same from a magnet link (keep the quotes)
  jstorrent serve                               a page and an HTTP API at http://127.0.0.1:3000

Settings come from flags, then from the environment, then from a file:
  Linux    ~/.config/jstorrent/config.toml
  macOS    ~/Library/Application Support/com.JSTorrent.jstorrent/config.toml
  Windows  %APPDATA%\\JSTorrent\\jstorrent\\config\\config.toml

It holds lines such as
  dir = \"/media/films\"
  player = \"mpv --fs\"";

const STREAM_EXAMPLES: &str = "\
The URL works at once. When a player asks for data that is not downloaded yet, it waits while that
data is downloaded first. Seeking works.
The download is removed at the end, unless --keep is set or it was there before.

Examples:
  jstorrent stream film.torrent --player 'mpv --fs'
  jstorrent stream show.torrent --file 3 --open
  jstorrent stream show.torrent --file S01E02 --keep --dir ~/Films
  jstorrent stream film.torrent --json | jq -r 'select(.event == \"ready\").url'";

const GET_EXAMPLES: &str = "\
Files that are in the folder already are checked and not downloaded again, so an interrupted
download resumes where it stopped.

Exit status: 0 when all selected files are downloaded and verified, 130 after Ctrl+C, 1 after an
error.

Examples:
  jstorrent get film.torrent
  jstorrent get show.torrent --file S01E01 --file 7
  jstorrent get film.torrent --dir ~/Films --json
  jstorrent get film.torrent --seed --ratio 2 --upload-limit 500K";

const SERVE_EXAMPLES: &str = "\
Open the printed address in a browser, or call it from a program (/openapi.json describes all
calls). A call presents the token as ?token=TOKEN or as a header Authorization: Bearer TOKEN.
Addresses of films contain a key of their own. An added torrent is removed, with its files, when
nobody has read it for --cleanup-delay seconds, unless the call says keep. Ctrl+C stops the server
and leaves readers five seconds; a second Ctrl+C stops it at once.

Examples:
  jstorrent serve --dir ~/Films
  jstorrent serve --listen 127.0.0.1:8000 --no-token --cleanup-delay 600";

const INFO_EXAMPLES: &str = "\
Examples:
  jstorrent info film.torrent
  jstorrent info film.torrent --json | jq '.files[].path'";

/// Play and download torrents
#[derive(Debug, Parser)]
#[command(name = "jstorrent", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a file at a URL for a player, while it is downloaded
    Stream(Stream),
    /// Download a torrent
    Get(Get),
    /// Serve a page and an HTTP API that adds, streams and removes torrents
    Serve(Serve),
    /// Show files, sizes, pieces and trackers
    Info(Info),
    /// Print a problem report: versions, settings, states and logs, without names, addresses and
    /// keys
    Report(Problem),
    /// Write completions for a shell to standard output
    Completions {
        /// Shell to write them for
        shell: Shell,
    },
    /// Write a man page to standard output
    Man {
        /// Command to write the page of
        command: Option<String>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = STREAM_EXAMPLES)]
pub(crate) struct Stream {
    #[command(flatten)]
    pub(crate) source: SourceArg,
    /// File to stream: its number as in `info`, its name, or a part of its name [default: the
    /// largest video or audio file]
    #[arg(long, short, value_name = "N|NAME")]
    pub(crate) file: Option<String>,
    /// Open the URL with the system's player or browser
    #[arg(long, conflicts_with = "player")]
    pub(crate) open: bool,
    /// Run this command with the URL (in place of {}, or at its end), and stop when it ends
    #[arg(long, value_name = "CMD", env = "JSTORRENT_PLAYER")]
    pub(crate) player: Option<String>,
    /// Keep what was downloaded
    #[arg(long)]
    pub(crate) keep: bool,
    /// Continue with existing files of the same names, and overwrite parts that differ
    #[arg(long)]
    pub(crate) adopt: bool,
    /// Print one line of JSON per event to standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) peers: Peers,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Debug, Args)]
#[command(after_help = GET_EXAMPLES)]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) source: SourceArg,
    /// Download only this file; may be repeated: its number as in `info`, its name, or a part of
    /// its name
    #[arg(long, short, value_name = "N|NAME")]
    pub(crate) file: Vec<String>,
    /// Seed when the download is complete, until --ratio or --seed-time is reached, or Ctrl+C
    #[arg(long)]
    pub(crate) seed: bool,
    /// Continue with existing files of the same names, and overwrite parts that differ
    #[arg(long)]
    pub(crate) adopt: bool,
    /// Print one line of JSON per event to standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) peers: Peers,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Debug, Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub(crate) struct Serve {
    /// Print one line of JSON per event to standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) settings: ServerSettings,
}

#[derive(Debug, Args)]
#[command(after_help = INFO_EXAMPLES)]
pub(crate) struct Info {
    #[command(flatten)]
    pub(crate) source: SourceArg,
    /// Print one JSON object to standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) peers: Peers,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Debug, Args)]
pub(crate) struct Problem {
    /// The address that `jstorrent serve` printed; without it the report is of this installation
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Debug, Args)]
pub(crate) struct SourceArg {
    /// A .torrent file, a magnet link, or the http(s) URL of a .torrent file
    #[arg(id = "source", value_name = "SOURCE")]
    pub(crate) text: String,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Peers {
    /// Peer to connect to first; may be repeated
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) peer: Vec<SocketAddr>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    use super::*;

    fn check(args: &[&str], expected: Result<(), ErrorKind>) {
        let parsed = Cli::try_parse_from(std::iter::once(&"jstorrent").chain(args));
        assert_eq!(parsed.map(drop).map_err(|error| error.kind()), expected, "{args:?}");
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        assert_eq!(
            Cli::command().get_about().map(ToString::to_string).as_deref(),
            Some("Play and download torrents")
        );
    }

    #[test]
    fn valid_arguments_are_accepted() {
        check(&["info", "a.torrent"], Ok(()));
        check(&["info", "a.torrent", "--json"], Ok(()));
        check(&["stream", "a.torrent", "--file", "2", "--player", "mpv --fs", "--keep"], Ok(()));
        check(
            &["stream", "--open", "a.torrent", "--dir", "/films", "--allow-private-peers"],
            Ok(()),
        );
        check(
            &["get", "a.torrent", "--allow-private-peers=no", "--listen", "127.0.0.1:4000"],
            Ok(()),
        );
        check(
            &["get", "a.torrent", "--peer", "192.0.2.1:6881", "--peer", "[2001:db8::1]:1"],
            Ok(()),
        );
        check(
            &["get", "a.torrent", "--peer-address", "127.0.0.1", "--peer-address", "::1"],
            Ok(()),
        );
        check(&["get", "a.torrent", "--no-dht"], Ok(()));
        check(
            &[
                "get",
                "a.torrent",
                "--no-dht=no",
                "--dht-bootstrap",
                "a:1",
                "--dht-bootstrap",
                "[::1]:2",
            ],
            Ok(()),
        );
        check(
            &[
                "get",
                "a.torrent",
                "--seed",
                "--ratio",
                "1.5",
                "--seed-time",
                "60",
                "--listen-port",
                "6881",
            ],
            Ok(()),
        );
        check(
            &["get", "a.torrent", "--no-trackers", "--no-pex=no", "--no-lsd=yes", "--no-web-seeds"],
            Ok(()),
        );
        check(&["serve"], Ok(()));
        check(&["serve", "--max-active", "3", "--max-active-seeds", "5"], Ok(()));
        check(&["serve", "--no-token", "--retries", "1", "--cleanup-delay", "9", "--json"], Ok(()));
        check(&["report"], Ok(()));
        check(&["report", "http://127.0.0.1:3000/?token=t"], Ok(()));
        check(&["completions", "bash"], Ok(()));
        check(&["man", "stream"], Ok(()));
    }

    #[test]
    fn invalid_arguments_are_refused() {
        check(&[], Err(ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand));
        check(&["play", "a.torrent"], Err(ErrorKind::InvalidSubcommand));
        check(&["get"], Err(ErrorKind::MissingRequiredArgument));
        check(&["get", "a", "b"], Err(ErrorKind::UnknownArgument));
        check(&["get", "a", "--open"], Err(ErrorKind::UnknownArgument));
        check(&["get", "a", "--ratio", "-1"], Err(ErrorKind::UnknownArgument));
        check(&["get", "a", "--ratio", "much"], Err(ErrorKind::ValueValidation));
        check(&["get", "a", "--listen-port", "65536"], Err(ErrorKind::ValueValidation));
        check(&["get", "a", "--listen", "4000"], Err(ErrorKind::ValueValidation));
        check(&["get", "a", "--dht-bootstrap", "somewhere"], Err(ErrorKind::ValueValidation));
        check(&["get", "a", "--peer", "somewhere"], Err(ErrorKind::ValueValidation));
        check(&["get", "a", "--allow-private-peers=perhaps"], Err(ErrorKind::ValueValidation));
        check(&["stream", "a", "--open", "--player", "mpv"], Err(ErrorKind::ArgumentConflict));
        check(&["serve", "a.torrent"], Err(ErrorKind::UnknownArgument));
        check(&["serve", "--retries", "-1"], Err(ErrorKind::UnknownArgument));
        check(&["serve", "--retry-delay", "soon"], Err(ErrorKind::ValueValidation));
        check(&["stream", "a", "--file"], Err(ErrorKind::InvalidValue));
        check(&["completions", "cobol"], Err(ErrorKind::InvalidValue));
    }
}
