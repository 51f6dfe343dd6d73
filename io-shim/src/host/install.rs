//! Registers the native messaging host with browsers.
//!
//! Owns the place and content of the manifests; writes nothing else.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::host::native_messaging::HOST_NAME;

/// A browser that reads native messaging manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Browser {
    /// Google Chrome.
    Chrome,
    /// Chromium.
    Chromium,
    /// Microsoft Edge.
    Edge,
    /// Brave.
    Brave,
}

/// Where to install to.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Target {
    /// Install for this browser, present or not; can be repeated. By default: for every browser
    /// that is present
    #[arg(long, value_enum)]
    pub browser: Vec<Browser>,
    /// Install into this one profile folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "browser")]
    pub user_data_dir: Option<PathBuf>,
}

/// Writes manifests that point to `program`, and returns their paths.
///
/// # Errors
/// When no browser is found or a file cannot be written.
pub fn install(
    target: &Target,
    program: &Path,
    origins: &[String],
) -> anyhow::Result<Vec<PathBuf>> {
    let program =
        program.canonicalize().with_context(|| format!("cannot find {}", program.display()))?;
    let manifest = manifest(&program, origins)?;
    let folders = target.folders(Path::is_dir)?;
    if folders.is_empty() {
        bail!(
            "no browser was found; \
             name one with --browser, or a profile folder with --user-data-dir"
        );
    }
    let mut written = Vec::new();
    for folder in folders {
        let folder = folder.join("NativeMessagingHosts");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join(format!("{HOST_NAME}.json"));
        std::fs::write(&path, &manifest)
            .with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

/// Removes manifests, and returns their paths.
///
/// # Errors
/// When a file cannot be removed.
pub fn uninstall(target: &Target) -> anyhow::Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for folder in target.folders(Path::is_dir)? {
        let path = folder.join("NativeMessagingHosts").join(format!("{HOST_NAME}.json"));
        match std::fs::remove_file(&path) {
            Ok(()) => removed.push(path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
        }
    }
    Ok(removed)
}

impl Target {
    /// The browsers' folders for manifests.
    fn folders(&self, is_present: impl Fn(&Path) -> bool) -> anyhow::Result<Vec<PathBuf>> {
        if let Some(folder) = &self.user_data_dir {
            return Ok(vec![folder.clone()]);
        }
        if cfg!(windows) {
            bail!(
                "on Windows, hosts are registered in the registry, which this version does not \
                 write; use --user-data-dir"
            );
        }
        let base = directories::BaseDirs::new().context("this user has no home folder")?;
        let all = [Browser::Chrome, Browser::Chromium, Browser::Edge, Browser::Brave];
        let chosen = all
            .into_iter()
            .filter(|browser| self.browser.is_empty() || self.browser.contains(browser));
        let folders = chosen.map(|browser| base.config_dir().join(browser.folder()));
        Ok(folders.filter(|folder| !self.browser.is_empty() || is_present(folder)).collect())
    }
}

impl Browser {
    /// Below `~/.config`, or `~/Library/Application Support` on macOS.
    fn folder(self) -> &'static str {
        match (self, cfg!(target_os = "macos")) {
            (Self::Chrome, true) => "Google/Chrome",
            (Self::Chrome, false) => "google-chrome",
            (Self::Chromium, true) => "Chromium",
            (Self::Chromium, false) => "chromium",
            (Self::Edge, true) => "Microsoft Edge",
            (Self::Edge, false) => "microsoft-edge",
            (Self::Brave, _) => "BraveSoftware/Brave-Browser",
        }
    }
}

fn manifest(program: &Path, origins: &[String]) -> anyhow::Result<String> {
    let path = program.to_str().context("the path of this program is not text")?;
    let allowed: Vec<String> = origins
        .iter()
        .filter(|origin| origin.starts_with("chrome-extension://"))
        .map(|origin| format!("{}/", origin.trim_end_matches('/')))
        .collect();
    let manifest = serde_json::json!({
        "name": HOST_NAME,
        "description": "JSTorrent's I/O daemon",
        "path": path,
        "type": "stdio",
        "allowed_origins": allowed,
    });
    Ok(format!("{manifest:#}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn a_profile_folder_gets_the_manifest_and_loses_it_again() {
        let profile = TempDir::new();
        let target =
            Target { user_data_dir: Some(profile.path().join("new")), ..Target::default() };
        let program = std::env::current_exe().unwrap();
        let origins = ["chrome-extension://abc".to_owned(), "http://localhost:1".to_owned()];
        let written = install(&target, &program, &origins).unwrap();
        assert_eq!(
            written,
            [profile.path().join("new/NativeMessagingHosts/com.jstorrent.io_daemon.json")]
        );
        let manifest: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&written[0]).unwrap()).unwrap();
        assert_eq!(manifest["path"], program.canonicalize().unwrap().to_str().unwrap());
        assert_eq!(manifest["allowed_origins"], serde_json::json!(["chrome-extension://abc/"]));
        assert_eq!(
            (&manifest["name"], &manifest["type"]),
            (&"com.jstorrent.io_daemon".into(), &"stdio".into())
        );
        assert_eq!(uninstall(&target).unwrap(), written);
        assert!(uninstall(&target).unwrap().is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn only_present_browsers_are_chosen_unless_one_is_named() {
        let none = Target::default().folders(|_| false).unwrap();
        assert!(none.is_empty());
        assert_eq!(Target::default().folders(|_| true).unwrap().len(), 4);
        let named = Target { browser: vec![Browser::Edge], ..Target::default() };
        assert_eq!(named.folders(|_| false).unwrap().len(), 1);
    }
}
