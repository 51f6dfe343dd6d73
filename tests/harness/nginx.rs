//! nginx, which serves a folder on loopback. In tests, nginx is a web seed; in benchmarks, it is a
//! measure.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::clock::until;
use crate::ports;
use crate::process::{Group, log_to};
use crate::workspace::Scratch;

/// Where packages install nginx, which is seldom in a user's `PATH`.
pub const PROGRAM: &str = "/usr/sbin/nginx";

/// A running nginx; dropping it ends it.
#[derive(Debug)]
pub struct Nginx {
    port: u16,
    _group: Group,
    _scratch: Scratch,
}

impl Nginx {
    /// Serves a folder with the settings that nginx recommends for files.
    ///
    /// # Errors
    /// nginx is not installed or does not come up.
    pub async fn start(root: &Path) -> Result<Self> {
        let scratch = Scratch::new("nginx")?;
        let port = ports::reserve()?;
        let own = scratch.path().display();
        let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = kinds.map(|kind| format!("{kind}_temp_path {own}/{kind};")).join(" ");
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let config = format!(
            "daemon off; worker_processes 2; pid {own}/pid; {user}\n\
             events {{ worker_connections 64; }}\n\
             http {{ access_log off; sendfile on; {temporary}\n\
             server {{ listen 127.0.0.1:{port}; root \"{}\"; }} }}\n",
            root.display()
        );
        let path = scratch.path().join("nginx.conf");
        std::fs::write(&path, config)?;
        let mut command = Command::new(PROGRAM);
        command
            .arg("-p")
            .arg(scratch.path())
            .arg("-c")
            .arg(&path)
            .arg("-e")
            .arg(scratch.path().join("errors"));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log_to(&scratch.path().join("log"))?);
        let mut group = Group::spawn(&mut command)?;
        let ready = until("nginx to listen", Duration::from_secs(10), || {
            let ended = group.has_ended();
            async move {
                if ended {
                    bail!("nginx ended at once");
                }
                Ok(TcpStream::connect(("127.0.0.1", port)).await.ok().map(drop))
            }
        });
        ready.await.with_context(|| {
            std::fs::read_to_string(scratch.path().join("errors")).unwrap_or_default()
        })?;
        Ok(Self { port, _group: group, _scratch: scratch })
    }

    /// The URL of a file in the folder.
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }
}
