//! Handing a URL to a player.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use tokio::process::{Child, Command};

/// Stands for the URL in a player's command.
const PLACE: &str = "{}";

/// Runs a command with the URL. The player ends with the value. What it prints goes to standard error: standard output is for programs.
///
/// # Errors
/// The command makes no sense or can't be started.
pub(crate) fn run(command: &str, url: &str) -> Result<Child> {
    let mut words = with_url(split(command)?, url).into_iter();
    let program = words.next().context("the player's command is empty")?;
    Command::new(&program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("the player {program:?} could not be started"))
}

/// Opens the URL with whatever the system opens such things with.
///
/// # Errors
/// The system's opener can't be started.
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
    command
        .spawn()
        .with_context(|| format!("{program} could not be started: open the URL yourself, or name a --player"))?;
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

/// Words as a shell splits them: at spaces, but not between quotes. Nothing else is special, so that a Windows path needs no care.
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
    fn the_url_goes_to_its_place_or_to_the_end() {
        check("mpv", &["mpv", "URL"]);
        check("  mpv  --fs ", &["mpv", "--fs", "URL"]);
        check("vlc {} --fullscreen", &["vlc", "URL", "--fullscreen"]);
        check("player --input={}", &["player", "--input=URL"]);
    }

    #[test]
    fn quotes_keep_words_together() {
        check("'my player' --title 'a \"b\"' x\"y z\"", &["my player", "--title", "a \"b\"", "xy z", "URL"]);
        check("mpv ''", &["mpv", "", "URL"]);
        check(r"C:\VLC\vlc.exe", &[r"C:\VLC\vlc.exe", "URL"]);
        assert!(split("mpv 'oops").is_err());
        assert!(run("", "URL").is_err());
    }
}
