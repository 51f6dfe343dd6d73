//! Shows a file in the system's file manager.
//!
//! Owns how each system is asked. Only files that the engine announced come here, by their path below a root, and no shell reads anything. Where a
//! file is not there yet, the nearest folder above it is shown.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use shared_proto::io::{OpError, OpErrorKind};
use tokio::process::Command;

use crate::desk::ServedFile;
use crate::files::FileStore;

/// How long a program has to fail: one that still runs then has a window.
const FAILS_WITHIN: Duration = Duration::from_secs(3);

/// The programs that show files.
#[derive(Clone, Debug)]
pub(crate) struct FileManager {
    /// Asks for `org.freedesktop.FileManager1`, which selects the file in its folder.
    select: PathBuf,
    /// Opens a folder.
    open: PathBuf,
}

impl Default for FileManager {
    fn default() -> Self {
        let (select, open) = if cfg!(windows) {
            ("explorer.exe", "explorer.exe")
        } else if cfg!(target_os = "macos") {
            ("/usr/bin/open", "/usr/bin/open")
        } else {
            ("dbus-send", "xdg-open")
        };
        Self { select: select.into(), open: open.into() }
    }
}

impl FileManager {
    /// Shows a file, or the nearest folder above it.
    ///
    /// # Errors
    /// [`OpErrorKind::NotFound`] when nothing of it is there, [`OpErrorKind::Other`] when no file manager can be started.
    pub(crate) async fn show(&self, files: &FileStore, file: &ServedFile) -> Result<(), OpError> {
        let (path, is_file) = files.find_to_show(&file.root, &file.path)?;
        let folder = if is_file { path.parent().unwrap_or(&path).to_path_buf() } else { path.clone() };
        if is_file && self.run(self.selecting(&path)).await {
            return Ok(());
        }
        let mut command = Command::new(&self.open);
        command.arg(&folder);
        if self.run(command).await {
            return Ok(());
        }
        Err(OpError { kind: OpErrorKind::Other, message: "no file manager could be started".to_owned() })
    }

    fn selecting(&self, path: &Path) -> Command {
        let mut command = Command::new(&self.select);
        #[cfg(windows)]
        {
            // It reads its command line in a way of its own. A path has no quotation mark.
            command.raw_arg(format!("/select,\"{}\"", path.display()));
        }
        #[cfg(target_os = "macos")]
        command.arg("-R").arg(path);
        #[cfg(not(any(windows, target_os = "macos")))]
        {
            command.args(["--session", "--print-reply", "--reply-timeout=2000", "--dest=org.freedesktop.FileManager1"]);
            command.args(["/org/freedesktop/FileManager1", "org.freedesktop.FileManager1.ShowItems"]);
            command.arg(format!("array:string:{}", file_uri(path))).arg("string:");
        }
        command
    }

    /// True when it ended well, or is still running.
    async fn run(&self, mut command: Command) -> bool {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else { return false };
        match tokio::time::timeout(FAILS_WITHIN, child.wait()).await {
            // Explorer says 1 whatever came of it.
            Ok(ended) => ended.is_ok_and(|status| status.success() || cfg!(windows)),
            Err(_) => {
                tokio::spawn(async move { child.wait().await });
                true
            }
        }
    }
}

/// The `file:` URI of an absolute path. Everything that means something to somebody is encoded, commas as well: `dbus-send` takes them for
/// separators.
#[cfg_attr(any(windows, target_os = "macos"), allow(dead_code))]
fn file_uri(path: &Path) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(byte);
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    let encoded = bytes.map(|byte| if is_plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") });
    format!("file://{}", encoded.collect::<String>())
}

#[cfg(all(test, unix, not(target_os = "macos")))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use shared_proto::FileId;

    use super::*;
    use crate::files::{Roots, Writers};
    use crate::testing::TempDir;

    /// Programs that write down how they were called, and a store.
    struct Rig {
        dir: TempDir,
        store: FileStore,
        manager: FileManager,
    }

    fn rig(selects: bool) -> Rig {
        let dir = TempDir::new();
        let at = |name: &str| dir.path().join(name);
        let script = |name: &str, status: u8| {
            let log = at("calls");
            let text = format!("#!/bin/sh\nprintf '%s\\n' {name} \"$@\" >>'{}'\nexit {status}\n", log.display());
            fs::write(at(name), text).unwrap();
            fs::set_permissions(at(name), fs::Permissions::from_mode(0o755)).unwrap();
            at(name)
        };
        let manager = FileManager { select: script("select", u8::from(!selects)), open: script("open", 0) };
        fs::create_dir_all(at("films/A, b & 100%")).unwrap();
        fs::write(at("films/A, b & 100%/ä.mkv"), b"x").unwrap();
        let roots = Roots::new(vec![(Roots::key_of(&at("films")), "Films".into(), at("films"))]);
        let store = FileStore::new(roots, Writers::open(&at("locks")).unwrap());
        Rig { store, manager, dir }
    }

    impl Rig {
        async fn show(&self, path: &[&str]) -> Result<Vec<String>, OpError> {
            let file = ServedFile {
                id: FileId("a".into()),
                root: Roots::key_of(&self.dir.path().join("films")),
                path: path.iter().map(|name| (*name).to_owned()).collect(),
                length: 1,
                content_type: String::new(),
                etag: String::new(),
                key: String::new(),
            };
            self.manager.show(&self.store, &file).await?;
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
        let uri = format!("array:string:file://{}/A%2C%20b%20%26%20100%25/%C3%A4.mkv", rig.path("films"));
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
        rig.manager = FileManager { select: "/not/there".into(), open: "/not/there/either".into() };
        assert_eq!(rig.show(&["A, b & 100%", "ä.mkv"]).await.unwrap_err().kind, OpErrorKind::Other);
    }
}
