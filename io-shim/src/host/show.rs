//! Shows a file in the system's file manager.
//!
//! Owns how each system is asked. Only announced files get here, as paths below a root, and no
//! shell reads a path. If the file does not exist, the nearest folder above it is shown. Invariant:
//! nothing is executed. Whatever a system might execute or misinterpret is only selected in its
//! folder (on a Mac a folder can be a program); only folders that a person named are opened.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use shared_proto::RootKey;
use shared_proto::io::{OpError, OpErrorKind};
use tokio::process::Command;

use crate::files::FileStore;
use crate::files::store::Found;

/// How long a program has to fail. One that still runs then has opened a window.
const FAILS_WITHIN: Duration = Duration::from_secs(3);

/// The programs that show files.
#[derive(Clone, Debug)]
pub(crate) struct FileManager {
    /// How to call them.
    system: System,
    /// The program that selects a file or folder in its folder.
    select: PathBuf,
    /// The program that opens a folder.
    open: PathBuf,
}

/// The kinds of file managers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum System {
    /// Explorer, which opens a folder named like `a.{…}` as something else.
    Windows,
    /// `open`, which starts a folder that is a program.
    Mac,
    /// Any file manager with `org.freedesktop.FileManager1` on the session bus, or `xdg-open`.
    Freedesktop,
}

/// One way to show a path.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Select(PathBuf),
    Open(PathBuf),
}

impl Default for FileManager {
    fn default() -> Self {
        let (system, select, open) = if cfg!(windows) {
            (System::Windows, "explorer.exe", "explorer.exe")
        } else if cfg!(target_os = "macos") {
            (System::Mac, "/usr/bin/open", "/usr/bin/open")
        } else {
            (System::Freedesktop, "dbus-send", "xdg-open")
        };
        Self { system, select: select.into(), open: open.into() }
    }
}

impl FileManager {
    /// Shows a file, or the nearest folder above it.
    ///
    /// # Errors
    /// [`OpErrorKind::NotFound`] when not even the root exists, [`OpErrorKind::Other`] when no file
    /// manager can be started.
    pub(crate) async fn show(
        &self,
        files: &Arc<FileStore>,
        root: &RootKey,
        path: &[String],
    ) -> Result<(), OpError> {
        let (store, root, path) = (Arc::clone(files), root.clone(), path.to_vec());
        let found = files.disk_job(move || store.find_to_show(&root, &path)).await?;
        for step in self.system.steps(&found) {
            if self.run(self.command(&step)).await {
                return Ok(());
            }
        }
        Err(OpError {
            kind: OpErrorKind::Other,
            message: "no file manager could be started".to_owned(),
        })
    }

    fn command(&self, step: &Step) -> Command {
        let mut command = Command::new(match step {
            Step::Select(_) => &self.select,
            Step::Open(_) => &self.open,
        });
        match (self.system, step) {
            (System::Windows, Step::Select(path)) => {
                verbatim(&mut command, &format!("/select,{}", quoted(path)))
            }
            (System::Windows, Step::Open(path)) => verbatim(&mut command, &quoted(path)),
            (System::Mac, Step::Select(path)) => _ = command.arg("-R").arg(path),
            (System::Freedesktop, Step::Select(path)) => {
                command.args(["--session", "--print-reply", "--reply-timeout=2000"]);
                command
                    .args(["--dest=org.freedesktop.FileManager1", "/org/freedesktop/FileManager1"]);
                command.arg("org.freedesktop.FileManager1.ShowItems");
                command.arg(format!("array:string:{}", file_uri(path))).arg("string:");
            }
            (System::Mac | System::Freedesktop, Step::Open(path)) => _ = command.arg(path),
        }
        command
    }

    /// Whether the program ended well or still runs.
    async fn run(&self, mut command: Command) -> bool {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else { return false };
        match tokio::time::timeout(FAILS_WITHIN, child.wait()).await {
            // Explorer returns 1 in any case.
            Ok(ended) => ended.is_ok_and(|status| status.success() || cfg!(windows)),
            Err(_) => {
                tokio::spawn(async move { child.wait().await });
                true
            }
        }
    }
}

impl System {
    /// What to try, in order.
    fn steps(self, found: &Found) -> Vec<Step> {
        let root = || Step::Open(found.root.clone());
        if found.below.as_os_str().is_empty() {
            return vec![root()];
        }
        let path = found.root.join(&found.below);
        match self {
            Self::Windows | Self::Mac => vec![Step::Select(path), root()],
            Self::Freedesktop if found.is_file => {
                let folder = path.parent().unwrap_or(&found.root).to_path_buf();
                vec![Step::Select(path), Step::Open(folder)]
            }
            Self::Freedesktop => vec![Step::Open(path)],
        }
    }
}

/// Adds text to a command line that is already quoted.
fn verbatim(command: &mut Command, text: &str) {
    #[cfg(windows)]
    command.raw_arg(text);
    #[cfg(not(windows))]
    command.arg(text);
}

/// A path in quotation marks, as Explorer parses it. Outside quotation marks a comma ends the path,
/// and a path must not begin with `\\?\`. No name holds a quotation mark.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = match (path.strip_prefix(r"\\?\UNC\"), path.strip_prefix(r"\\?\")) {
        (Some(share), _) => format!(r"\\{share}"),
        (None, Some(plain)) => plain.to_owned(),
        (None, None) => path,
    };
    format!("\"{plain}\"")
}

/// The `file:` URI of an absolute path. Everything special is encoded, commas included, which
/// `dbus-send` takes for separators.
fn file_uri(path: &Path) -> String {
    /// Unreserved characters (RFC 3986 §2.3) and the separators of a path.
    const PLAIN: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    format!("file://{}", percent_encode(path.as_os_str().as_encoded_bytes(), PLAIN))
}

#[cfg(test)]
#[cfg(all(unix, not(target_os = "macos")))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::files::{Roots, Writers};
    use crate::testing::TempDir;

    /// Programs that record their arguments, and a store.
    struct Rig {
        dir: TempDir,
        store: Arc<FileStore>,
        manager: FileManager,
    }

    fn rig(selects: bool) -> Rig {
        let dir = TempDir::new();
        let at = |name: &str| dir.path().join(name);
        let script = |name: &str, status: u8| {
            let log = at("calls");
            let text = format!(
                "#!/bin/sh\nprintf '%s\\n' {name} \"$@\" >>'{}'\nexit {status}\n",
                log.display()
            );
            fs::write(at(name), text).unwrap();
            fs::set_permissions(at(name), fs::Permissions::from_mode(0o755)).unwrap();
            at(name)
        };
        let manager = FileManager {
            system: System::Freedesktop,
            select: script("select", u8::from(!selects)),
            open: script("open", 0),
        };
        fs::create_dir_all(at("films/A, b & 100%")).unwrap();
        fs::write(at("films/A, b & 100%/ä.mkv"), b"x").unwrap();
        let roots = Roots::new(vec![(Roots::key_of(&at("films")), "Films".into(), at("films"))]);
        let store = FileStore::new(roots, Writers::open(&at("locks")).unwrap());
        Rig { store: Arc::new(store), manager, dir }
    }

    impl Rig {
        async fn show(&self, path: &[&str]) -> Result<Vec<String>, OpError> {
            let root = Roots::key_of(&self.dir.path().join("films"));
            let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
            self.manager.show(&self.store, &root, &path).await?;
            let calls = fs::read_to_string(self.dir.path().join("calls")).unwrap();
            Ok(calls.lines().map(str::to_owned).collect())
        }

        fn path(&self, below: &str) -> String {
            fs::canonicalize(self.dir.path()).unwrap().join(below).display().to_string()
        }
    }

    #[tokio::test]
    async fn a_file_is_selected_in_its_folder() {
        let rig = rig(true);
        let calls = rig.show(&["A, b & 100%", "ä.mkv"]).await.unwrap();
        assert_eq!((calls[0].as_str(), calls.len()), ("select", 9), "{calls:?}");
        let uri =
            format!("array:string:file://{}/A%2C%20b%20%26%20100%25/%C3%A4.mkv", rig.path("films"));
        assert_eq!(calls[7], uri);
    }

    #[tokio::test]
    async fn where_nothing_can_select_it_its_folder_is_opened() {
        let rig = rig(false);
        let calls = rig.show(&["A, b & 100%", "ä.mkv"]).await.unwrap();
        assert_eq!(&calls[calls.len() - 2..], ["open".to_owned(), rig.path("films/A, b & 100%")]);
    }

    #[tokio::test]
    async fn of_a_file_that_is_not_there_the_nearest_folder_is_opened() {
        let there = rig(true).show(&["A, b & 100%", "later.mkv"]).await.unwrap();
        assert!(there[0] == "open" && there[1].ends_with("films/A, b & 100%"), "{there:?}");
        let above = rig(true).show(&["None", "of", "this"]).await.unwrap();
        assert!(above[0] == "open" && above[1].ends_with("/films"), "{above:?}");
    }

    #[tokio::test]
    async fn on_a_mac_only_the_download_folder_itself_is_opened() {
        for selects in [true, false] {
            let mut rig = rig(selects);
            rig.manager.system = System::Mac;
            fs::create_dir_all(rig.dir.path().join("films/Film.app/Contents")).unwrap();
            fs::write(rig.dir.path().join("films/Film.app/a"), b"x").unwrap();
            for (shown, of) in [
                ("films/Film.app", ["Film.app", "later"].as_slice()),
                ("films/Film.app/Contents", &["Film.app", "Contents", "later"]),
                ("films/Film.app/a", &["Film.app", "a"]),
            ] {
                let _ = fs::remove_file(rig.dir.path().join("calls"));
                let mut expected = vec!["select".to_owned(), "-R".to_owned(), rig.path(shown)];
                if !selects {
                    expected.extend(["open".to_owned(), rig.path("films")]);
                }
                assert_eq!(rig.show(of).await.unwrap(), expected, "{of:?}");
            }
            fs::remove_file(rig.dir.path().join("calls")).unwrap();
            assert_eq!(
                rig.show(&["None", "of this"]).await.unwrap(),
                ["open".to_owned(), rig.path("films")]
            );
        }
    }

    #[tokio::test]
    async fn on_windows_paths_are_quoted_and_what_strangers_named_is_only_selected() {
        let mut rig = rig(true);
        rig.manager.system = System::Windows;
        let folder = rig.path("films/A, b & 100%");
        let select = |path: String| vec!["select".to_owned(), format!("/select,\"{path}\"")];
        assert_eq!(rig.show(&["A, b & 100%", "later"]).await.unwrap(), select(folder.clone()));
        fs::remove_file(rig.dir.path().join("calls")).unwrap();
        assert_eq!(rig.show(&["A, b & 100%", "ä.mkv"]).await.unwrap(), select(folder + "/ä.mkv"));
        fs::remove_file(rig.dir.path().join("calls")).unwrap();
        assert_eq!(
            rig.show(&["None"]).await.unwrap(),
            ["open".to_owned(), format!("\"{}\"", rig.path("films"))]
        );
        for (path, plain) in
            [(r"C:\a,b", r"C:\a,b"), (r"\\?\C:\a b", r"C:\a b"), (r"\\?\UNC\nas\a", r"\\nas\a")]
        {
            assert_eq!(quoted(Path::new(path)), format!("\"{plain}\""));
        }
    }

    #[tokio::test]
    async fn a_link_out_of_the_folder_is_not_followed_and_no_other_name_is_taken() {
        let rig = rig(true);
        std::os::unix::fs::symlink("/etc", rig.dir.path().join("films/out")).unwrap();
        let shown = rig.show(&["out", "passwd"]).await.unwrap();
        assert!(shown[0] == "open" && shown[1].ends_with("/films"), "{shown:?}");
        assert_eq!(rig.show(&["..", "calls"]).await.unwrap_err().kind, OpErrorKind::Denied);
        fs::remove_dir_all(rig.dir.path().join("films")).unwrap();
        assert_eq!(rig.show(&["a"]).await.unwrap_err().kind, OpErrorKind::NotFound);
    }

    #[tokio::test]
    async fn without_any_program_the_engine_is_told() {
        let mut rig = rig(true);
        (rig.manager.select, rig.manager.open) = ("/not/there".into(), "/not/there/either".into());
        assert_eq!(rig.show(&["A, b & 100%", "ä.mkv"]).await.unwrap_err().kind, OpErrorKind::Other);
    }

    #[tokio::test]
    async fn only_folders_lead_to_what_is_shown() {
        let shown = rig(true).show(&["A, b & 100%", "ä.mkv", "below"]).await.unwrap();
        assert!(shown[0] == "open" && shown[1].ends_with("films/A, b & 100%"), "{shown:?}");
        let shown = rig(true).show(&["A, b & 100%"]).await.unwrap();
        assert!(shown[0] == "open" && shown[1].ends_with("/films"), "{shown:?}");
    }
}
