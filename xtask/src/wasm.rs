//! Builds the engine as WebAssembly, and the JavaScript that lets the extension load it.
//!
//! rustup's compiler does it where rustup has, or can fetch, the WebAssembly target. Debian's
//! `rustc-web` does it on machines that reach package registries alone; it compiles the standard
//! library from source.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jstorrent_tests::steps::Step;
use jstorrent_tests::workspace;
use tokio::process::Command;

use crate::consent::Consent;
use crate::{apt, shell};

const TARGET: &str = "wasm32-unknown-unknown";
/// Debian's packages for machines where rustup can't fetch the target.
pub(crate) const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "cargo-web", "rust-web-src"];
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Builds the engine into the extension.
///
/// # Errors
/// No compiler here builds WebAssembly, or the engine does not compile.
pub(crate) async fn build(consent: Consent) -> Result<()> {
    let toolchain = Toolchain::choose(consent).await?;
    // A folder of its own: two compilers that share one rebuild everything in turns.
    let folder = workspace::target().join("wasm");
    let mut command = toolchain.cargo().await?;
    command.args([
        "build",
        "--profile",
        "wasm",
        "--package",
        "engine-wasm",
        "--lib",
        "--target",
        TARGET,
    ]);
    command.arg("--target-dir").arg(&folder);
    if toolchain == Toolchain::Debian {
        command.arg("-Zbuild-std=std,panic_abort");
    }
    shell::step(&format!("engine to WebAssembly ({})", toolchain.describe()), &mut command).await?;
    glue(
        &folder.join(TARGET).join("wasm/engine_wasm.wasm"),
        &workspace::root().join("extension/dist/engine"),
    )
}

/// Whether the build needs Debian's compiler, because rustup can't fetch the target.
pub(crate) async fn needs_debian_packages(consent: Consent) -> bool {
    !rustup_target_is_there().await && !add_rustup_target(consent).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Toolchain {
    Rustup,
    Debian,
}

impl Toolchain {
    async fn choose(consent: Consent) -> Result<Self> {
        if rustup_target_is_there().await || add_rustup_target(consent).await {
            return Ok(Self::Rustup);
        }
        let source = debian_sysroot()
            .await
            .is_some_and(|root| root.join("lib/rustlib/src/rust/library").exists());
        if source && Path::new(DEBIAN_CARGO).exists() {
            return Ok(Self::Debian);
        }
        if Path::new("/etc/debian_version").exists() {
            bail!(
                "the WebAssembly target is missing; run `rustup target add {TARGET}`, \
                 or install Debian's compiler:\n  {}",
                apt::install_command(DEBIAN_PACKAGES)
            );
        }
        bail!("the WebAssembly target is missing; run:\n  rustup target add {TARGET}")
    }

    fn describe(self) -> &'static str {
        match self {
            Self::Rustup => "rustup's compiler",
            Self::Debian => "Debian's compiler, since rustup cannot add the target here",
        }
    }

    async fn cargo(self) -> Result<Command> {
        if self == Self::Rustup {
            return Ok(shell::cargo());
        }
        let mut command = shell::command(DEBIAN_CARGO);
        shell::clear_cargo_env(&mut command);
        for name in
            ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER"]
        {
            command.env_remove(name);
        }
        let linker = sysroot()
            .await
            .context("rustc does not say where it lies")?
            .join(format!("lib/rustlib/{}/bin/rust-lld", host()));
        command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
        command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        Ok(command)
    }
}

fn host() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

async fn sysroot() -> Option<PathBuf> {
    shell::ask(shell::command("rustc").args(["--print", "sysroot"]), Duration::from_secs(30))
        .await
        .map(PathBuf::from)
}

async fn debian_sysroot() -> Option<PathBuf> {
    let mut command = shell::command(DEBIAN_RUSTC);
    command.env_remove("LD_LIBRARY_PATH").args(["--print", "sysroot"]);
    shell::ask(&mut command, Duration::from_secs(30)).await.map(PathBuf::from)
}

async fn rustup_target_is_there() -> bool {
    sysroot().await.is_some_and(|root| root.join("lib/rustlib").join(TARGET).join("lib").exists())
}

/// Adds rustup's target. A toolchain for which this failed is not tried again on every build.
async fn add_rustup_target(consent: Consent) -> bool {
    if consent == Consent::Never {
        return false;
    }
    let Some(root) = sysroot().await else { return false };
    let mark = workspace::target().join("wasm/.rustup-cannot-add-the-target");
    if std::fs::read_to_string(&mark).is_ok_and(|text| text == root.to_string_lossy()) {
        return false;
    }
    let step = Step::start("adding rustup's WebAssembly target");
    let mut add = shell::command("rustup");
    if shell::ask(add.args(["target", "add", TARGET]), Duration::from_secs(120)).await.is_some() {
        step.done();
        return true;
    }
    step.failed("  this machine does not reach rustup's server");
    let written = mark.parent().map(std::fs::create_dir_all);
    if matches!(written, Some(Ok(()))) {
        let _ = std::fs::write(&mark, root.to_string_lossy().as_bytes());
    }
    false
}

fn glue(wasm: &Path, out: &Path) -> Result<()> {
    let step = Step::start("glue for the extension");
    let newest = modified(&out.join("engine_wasm_bg.wasm"));
    if newest.is_some() && newest > modified(wasm) && out.join("engine_wasm.js").exists() {
        step.up_to_date();
        return Ok(());
    }
    let made =
        wasm_bindgen_cli_support::Bindgen::new().input_path(wasm).web(true).and_then(|bindgen| {
            bindgen
                .typescript(true)
                .omit_default_module_path(false)
                .remove_name_section(true)
                .generate(out)
        });
    match made {
        Ok(()) => {
            step.done();
            Ok(())
        }
        Err(error) => {
            step.failed("");
            Err(error).context("wasm-bindgen")
        }
    }
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    path.metadata().and_then(|meta| meta.modified()).ok()
}
