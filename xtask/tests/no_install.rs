//! `--no-install` installs nothing: on a machine where all is missing, no installer is started.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use jstorrent_tests::workspace::Scratch;

#[test]
fn with_no_install_no_installer_is_started() {
    let scratch = Scratch::new("no-install").unwrap();
    let (log, tools) = (scratch.path().join("log"), scratch.dir("tools").unwrap());
    let make = |name: &str, script: &str| {
        fs::write(tools.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(tools.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    for name in ["npm", "rustup", "apt-get", "sudo", "update-rc.d", "cargo"] {
        make(name, &format!("echo {name} $* >> {}; exit 1", log.display()));
    }
    // A compiler without the WebAssembly target.
    make("rustc", &format!("echo {}", scratch.path().display()));
    make("dpkg-query", "exit 1");
    for command in ["test", "bench", "run"] {
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let target = scratch.path().join("target");
        xtask.args([command, "--no-install"]).env("PATH", &tools).env("CARGO_TARGET_DIR", target);
        let ended = xtask.env("CARGO", tools.join("cargo")).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && said.contains("ffmpeg"), "{command}: {said}");
        assert_eq!(fs::read_to_string(&log).unwrap_or_default(), "", "{command}");
    }
}
