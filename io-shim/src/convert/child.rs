//! One running ffmpeg: its output, its end, and its error messages.
//!
//! Invariants: ffmpeg is killed when its output has no reader, or when it yields nothing for a long
//! time although no input is missing; at most three chunks of its output are in memory.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body::Frame;
use http_body_util::StreamBody;
use http_body_util::combinators::BoxBody;
use parking_lot::Mutex;
use shared_proto::FileId;
use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStderr, ChildStdout, Command};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::control::desk::Desk;

/// An error while the body is sent, for the log.
type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The body of a converted film.
pub(crate) type Body = BoxBody<Bytes, BoxError>;

/// The type of the output.
pub(crate) const CONTENT_TYPE: &str = "video/mp4";
/// Bytes per read.
const CHUNK: usize = 64 << 10;
/// ffmpeg hangs if it yields nothing for this long and waits for no input.
const HANGS_AFTER: Duration = Duration::from_secs(20);
/// How often to check for that.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many bytes of its error messages are kept, from the end.
const MESSAGE_BYTES: usize = 4 << 10;
/// How long to wait for its last messages after it ended. A program that ffmpeg started may hold
/// the pipe open for longer.
const MESSAGES_WITHIN: Duration = Duration::from_secs(2);
/// ffmpeg's niceness. A stuttering film is worse than one that starts late, and a stuttering
/// computer is worse than both.
const NICENESS: i32 = 5;

/// A running ffmpeg, killed when this is dropped.
pub(super) struct Child {
    process: tokio::process::Child,
    output: ChildStdout,
    messages: Arc<Mutex<Vec<u8>>>,
    /// Ends with the last error message.
    listener: JoinHandle<()>,
    /// The input's address, which must not appear in messages.
    secret: String,
    _permit: OwnedSemaphorePermit,
}

impl Child {
    /// Starts ffmpeg. `secret` is removed from its messages.
    ///
    /// # Errors
    /// When the operating system cannot start it.
    pub(super) fn start(
        program: &Path,
        args: &[String],
        secret: String,
        permit: OwnedSemaphorePermit,
    ) -> std::io::Result<Self> {
        let mut command = Command::new(program);
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(windows)]
        {
            const BELOW_NORMAL_PRIORITY_CLASS: u32 = 0x4000;
            const CREATE_NO_WINDOW: u32 = 0x0800_0000;
            command.creation_flags(BELOW_NORMAL_PRIORITY_CLASS | CREATE_NO_WINDOW);
        }
        let mut process = command.spawn()?;
        lower_priority(&process);
        let pipes = process.stdout.take().zip(process.stderr.take());
        let (output, stderr) = pipes.ok_or_else(|| std::io::Error::other("it has no output"))?;
        let messages = Arc::new(Mutex::new(Vec::new()));
        let listener = tokio::spawn(collect_messages(stderr, Arc::clone(&messages)));
        Ok(Self { process, output, messages, listener, secret, _permit: permit })
    }

    /// Waits for the first bytes and returns the body. Dropping the body kills ffmpeg.
    ///
    /// # Errors
    /// A sentence for a person: ffmpeg failed or hangs.
    pub(super) async fn begin(mut self, desk: Arc<Desk>, file: FileId) -> Result<Body, String> {
        let Some(first) = self.next(&desk, &file).await? else {
            return Err(self.error_message().await);
        };
        let (chunks, mut taken) = mpsc::channel::<Result<Bytes, BoxError>>(1);
        tokio::spawn(async move {
            let mut bytes = first;
            loop {
                if chunks.send(Ok(bytes)).await.is_err() {
                    return;
                }
                let next = tokio::select! {
                    () = chunks.closed() => return,
                    next = self.next(&desk, &file) => next,
                };
                bytes = match next {
                    Ok(Some(bytes)) => bytes,
                    Ok(None) => return,
                    Err(problem) => {
                        tracing::warn!(%file, problem, "a conversion ended early");
                        let _ = chunks.send(Err(problem.into())).await;
                        return;
                    }
                };
            }
        });
        let frames = futures_util::stream::poll_fn(move |cx| taken.poll_recv(cx))
            .map(|chunk| chunk.map(Frame::data));
        Ok(Body::new(StreamBody::new(frames)))
    }

    /// The next bytes; `None` after a regular end.
    async fn next(&mut self, desk: &Desk, file: &FileId) -> Result<Option<Bytes>, String> {
        let mut buffer = vec![0; CHUNK];
        let mut idle_since = Instant::now();
        let count = loop {
            match tokio::time::timeout(LOOK_EVERY, self.output.read(&mut buffer)).await {
                Ok(Ok(count)) => break count,
                Ok(Err(error)) => {
                    return Err(format!("The output of ffmpeg can't be read: {error}."));
                }
                // ffmpeg waits for more of the film.
                Err(_) if desk.is_waiting(file) => idle_since = Instant::now(),
                Err(_) if idle_since.elapsed() > HANGS_AFTER => {
                    let seconds = HANGS_AFTER.as_secs();
                    return Err(format!(
                        "ffmpeg was stopped: it produced nothing for {seconds} seconds."
                    ));
                }
                Err(_) => {}
            }
        };
        if count > 0 {
            buffer.truncate(count);
            return Ok(Some(buffer.into()));
        }
        match self.process.wait().await {
            Ok(status) if status.success() => Ok(None),
            _ => Err(self.error_message().await),
        }
    }

    async fn error_message(&mut self) -> String {
        let status = self.process.wait().await.map(|status| status.to_string()).unwrap_or_default();
        // ffmpeg may end before all of its messages are read.
        let _ = tokio::time::timeout(MESSAGES_WITHIN, &mut self.listener).await;
        let messages = self.messages.lock();
        let text = String::from_utf8_lossy(&messages).replace(&self.secret, "the film");
        let last = text
            .lines()
            .map(str::trim)
            .rfind(|line| !line.is_empty())
            .unwrap_or(&status)
            .to_owned();
        format!("ffmpeg can't convert this film: {}.", last.trim_end_matches('.'))
    }
}

/// Collects the end of its messages.
async fn collect_messages(mut stderr: ChildStderr, messages: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        let mut kept = messages.lock();
        kept.extend_from_slice(&buffer[..count]);
        let excess = kept.len().saturating_sub(MESSAGE_BYTES);
        kept.drain(..excess);
    }
}

#[cfg(unix)]
fn lower_priority(process: &tokio::process::Child) {
    let pid = process.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(pid) = pid
        && let Err(error) = rustix::process::setpriority_process(Some(pid), NICENESS)
    {
        tracing::debug!(%error, "ffmpeg runs at the usual priority");
    }
}

#[cfg(not(unix))]
fn lower_priority(_: &tokio::process::Child) {
    let _ = NICENESS;
}
