//! Starts a player with a URL.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use tokio::process::{Child, Command};

/// Placeholder for the URL in a player's command.
const PLACE: &str = "{}";

/// Runs a player with the URL of a film. The player also gets the URLs of the subtitles if it is
/// known to accept them. Dropping the value ends the player. The player's output goes to standard
/// error, because standard output holds results.
///
/// # Errors
/// The command is empty, has an open quote, or cannot be started.
pub(crate) fn run(command: &str, url: &str, subtitles: &[String]) -> Result<Child> {
    let words = split(command)?;
    let more = subtitle_options(&words, subtitles);
    let mut words = with_url(words, url).into_iter().chain(more);
    let program = words.next().context("the player's command is empty")?;
    Command::new(&program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("the player {program:?} could not be started"))
}

/// Opens the URL with the system's default program.
///
/// # Errors
/// The system's program for opening URLs cannot be started.
pub(crate) fn open(url: &str) -> Result<()> {
    let (program, args): (&str, &[&str]) = if cfg!(windows) {
        ("cmd", &["/C", "start", ""])
    } else if cfg!(target_os = "macos") {
        ("open", &[])
    } else {
        ("xdg-open", &[])
    };
    let mut command = Command::new(program);
    command.args(args).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().with_context(|| {
        format!("{program} could not be started: open the URL yourself, or name a --player")
    })?;
    Ok(())
}

fn with_url(mut words: Vec<String>, url: &str) -> Vec<String> {
    if words.is_empty() {
        return words;
    }
    if !words.iter().any(|word| word.contains(PLACE)) {
        words.push(PLACE.to_owned());
    }
    words.iter().map(|word| word.replace(PLACE, url)).collect()
}

/// Returns the arguments that pass subtitles to this player, best first. Empty for unknown players.
fn subtitle_options(words: &[String], subtitles: &[String]) -> Vec<String> {
    if subtitles.is_empty() {
        return Vec::new();
    }
    let option = |name: &str| subtitles.iter().map(|url| format!("--{name}={url}")).collect();
    let known = words.iter().find_map(|word| match program(word).as_str() {
        "mpv" | "mpvnet" | "io.mpv.mpv" => Some(option("sub-file")),
        "iina" | "iina-cli" | "celluloid" => Some(option("mpv-sub-file")),
        // VLC's `sub-file` accepts no URL. VLC recognizes an input by the extension of its path.
        "vlc" | "cvlc" | "org.videolan.vlc" => {
            Some(vec![format!("--input-slave={}", subtitles.join("#"))])
        }
        _ => None,
    });
    known.unwrap_or_default()
}

/// Returns a program's name without folder and `.exe`, in lower case.
fn program(word: &str) -> String {
    let name = word.rsplit(['/', '\\']).next().unwrap_or_default().to_lowercase();
    name.strip_suffix(".exe").unwrap_or(&name).to_owned()
}

/// Splits a command at spaces outside quotes. No other character is special, so that Windows paths
/// work unescaped.
fn split(command: &str) -> Result<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for char in command.chars() {
        match (char, quote) {
            ('"' | '\'', None) => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (_, Some(open)) if char == open => quote = None,
            (' ' | '\t' | '\n', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(char),
        }
    }
    if quote.is_some() {
        bail!("the player's command has a quote without an end: {command}");
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &str, expected: &[&str]) {
        assert_eq!(with_url(split(command).unwrap(), "URL"), expected, "{command}");
    }

    #[test]
    fn the_url_replaces_the_placeholder_or_is_appended() {
        check("mpv", &["mpv", "URL"]);
        check("  mpv  --fs ", &["mpv", "--fs", "URL"]);
        check("vlc {} --fullscreen", &["vlc", "URL", "--fullscreen"]);
        check("player --input={}", &["player", "--input=URL"]);
    }

    #[test]
    fn quotes_keep_words_together() {
        check(
            "'my player' --title 'a \"b\"' x\"y z\"",
            &["my player", "--title", "a \"b\"", "xy z", "URL"],
        );
        check("mpv ''", &["mpv", "", "URL"]);
        check(r"C:\VLC\vlc.exe", &[r"C:\VLC\vlc.exe", "URL"]);
        assert!(split("mpv 'oops").is_err());
        assert!(run("", "URL", &[]).is_err());
    }

    #[test]
    fn known_players_get_subtitle_options() {
        let check = |command: &str, count: usize, expected: &[&str]| {
            let urls: Vec<String> = (0..count).map(|number| format!("S{number}")).collect();
            assert_eq!(subtitle_options(&split(command).unwrap(), &urls), expected, "{command}");
        };
        check("mpv --fs", 2, &["--sub-file=S0", "--sub-file=S1"]);
        check("/usr/bin/mpv {}", 1, &["--sub-file=S0"]);
        check(r"'C:\Program Files\VLC\VLC.exe' {}", 1, &["--input-slave=S0"]);
        check("flatpak run org.videolan.VLC", 3, &["--input-slave=S0#S1#S2"]);
        check("iina", 1, &["--mpv-sub-file=S0"]);
        check("mplayer", 2, &[]);
        check("mpv", 0, &[]);
    }
}
