//! `jstorrent-io-daemon`: command line, log and signals.

use std::io::Write;
use std::net::ToSocketAddrs as _;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use io_shim::daemon::Daemon;
use io_shim::files::private::make_private_folder;
use io_shim::host::config::Config;
use io_shim::host::descriptors;
use io_shim::host::install::{self, Target};
use io_shim::host::log;
use io_shim::host::native_messaging;
use io_shim::host::settings::Settings;

/// A daemon that the extension started ends after this many idle seconds.
const DETACHED_IDLE_S: u64 = 60;

/// JSTorrent's I/O daemon: HTTP, files, sockets and hashing for a remote engine.
#[derive(Parser)]
#[command(name = "jstorrent-io-daemon", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon
    Serve {
        #[command(flatten)]
        settings: Box<Settings>,
        /// Run in a new session and log to the state folder
        #[arg(long, hide = true)]
        detached: bool,
        /// Log to the state folder
        #[arg(long, hide = true)]
        log_to_state: bool,
    },
    /// Print the addresses of a host, for a daemon that can end this process
    #[command(hide = true)]
    Lookup {
        /// The host
        name: String,
    },
    /// Let browsers start the daemon
    Install {
        #[command(flatten)]
        target: Target,
        /// Another extension that may start the daemon; can be repeated
        #[arg(long, value_name = "ORIGIN")]
        allow_origin: Vec<String>,
    },
    /// Undo `install`
    Uninstall {
        #[command(flatten)]
        target: Target,
    },
}

/// The settings alone, for when Chrome starts this program with its own arguments.
#[derive(Parser)]
struct EnvironmentOnly {
    #[command(flatten)]
    settings: Settings,
}

fn main() -> ExitCode {
    let args: Vec<String> =
        std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let done = match native_messaging::caller(&args) {
        Some(caller) => {
            log::to_stderr();
            let settings = EnvironmentOnly::try_parse_from(&args[..1]).map(|given| given.settings);
            native_messaging::run(caller, settings.map_err(Into::into))
        }
        None => run(Cli::parse().command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed. The error cannot be reported then.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve { settings, detached, log_to_state } => {
            if detached {
                // `setsid` fails when the process already leads a session, and then nothing is left
                // to do.
                #[cfg(unix)]
                let _ = rustix::process::setsid();
            }
            if detached || log_to_state {
                log_to_state_folder(&settings)?;
            } else {
                log::to_stderr();
            }
            let config = if detached {
                settings.resolve_for_extension(DETACHED_IDLE_S)
            } else {
                settings.resolve(0)
            };
            let served = config.map_err(Into::into).and_then(serve);
            // Nobody reads the standard error of a detached process.
            served.inspect_err(|error| tracing::error!("{error:#}"))
        }
        Command::Lookup { name } => {
            for address in (name.as_str(), 0).to_socket_addrs()? {
                println!("{}", address.ip());
            }
            Ok(())
        }
        Command::Install { target, allow_origin } => {
            let mut origins = vec![io_shim::host::config::EXTENSION_ORIGIN.to_owned()];
            origins.extend(allow_origin);
            for path in install::install(&target, &std::env::current_exe()?, &origins)? {
                println!("installed {}", path.display());
            }
            println!("The extension finds the daemon by itself within a few seconds.");
            Ok(())
        }
        Command::Uninstall { target } => {
            for path in install::uninstall(&target)? {
                println!("removed {}", path.display());
            }
            Ok(())
        }
    }
}

fn serve(config: Config) -> anyhow::Result<()> {
    let config = config.with_lookup_program(std::env::current_exe().ok());
    descriptors::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let daemon = Daemon::start(config).await?;
        println!("http://{}", daemon.address());
        tokio::select! {
            () = stop_signal() => {}
            () = daemon.idle() => tracing::info!("idle for long enough: ending"),
        }
        tokio::select! {
            () = daemon.stop() => {}
            () = stop_signal() => tracing::warn!("second signal: ending at once"),
        }
        Ok::<_, anyhow::Error>(())
    })?;
    // A blocking job on a stuck disk must not keep the process alive.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    Ok(())
}

#[cfg(unix)]
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::error!("signals cannot be caught");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn stop_signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn log_to_state_folder(settings: &Settings) -> anyhow::Result<()> {
    let folder = settings.state_folder()?;
    make_private_folder(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    log::to_folder(&folder).with_context(|| format!("cannot write a log in {}", folder.display()))
}
