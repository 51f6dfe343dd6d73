//! One running ffmpeg: its bytes, its end, and what it says when it fails.
//!
//! Invariants: it is killed when nobody takes its bytes any more, and when it gives nothing for
//! long although nothing is missing; at most three chunks of it are in memory.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use shared_proto::FileId;
use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStderr, ChildStdout, Command};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::control::desk::Desk;
use crate::http::serve::{Body, BoxError};

/// What it makes.
pub(super) const CONTENT_TYPE: &str = "video/mp4";
/// Bytes read at a time.
const CHUNK: usize = 64 << 10;
/// It hangs when it gives nothing for so long, and waits for nothing itself.
const HANGS_AFTER: Duration = Duration::from_secs(20);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many bytes of its complaints are kept: the last ones.
const WORDS: usize = 4 << 10;
/// How long its last complaints are waited for once it has ended. A program that it started may
/// hold the pipe open for longer.
const WORDS_WITHIN: Duration = Duration::from_secs(2);
/// How nice it is to other programs: a film that stutters is worse than one that begins late, and a
/// machine that does is worse than both.
const NICE: i32 = 5;

/// A child that was started; it is killed when this is dropped.
pub(super) struct Child {
    process: tokio::process::Child,
    output: ChildStdout,
    words: Arc<Mutex<Vec<u8>>>,
    /// Ends when it has said its last word.
    listener: JoinHandle<()>,
    /// An address that nobody is told.
    secret: String,
    _place: OwnedSemaphorePermit,
}

impl Child {
    /// Starts it. `secret` is cut out of all that it says.
    ///
    /// # Errors
    /// The system can't.
    pub(super) fn start(
        program: &Path,
        args: &[String],
        secret: String,
        place: OwnedSemaphorePermit,
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
        be_nice(&process);
        let pipes = process.stdout.take().zip(process.stderr.take());
        let (output, complaints) =
            pipes.ok_or_else(|| std::io::Error::other("it has no output"))?;
        let words = Arc::new(Mutex::new(Vec::new()));
        let listener = tokio::spawn(listen(complaints, Arc::clone(&words)));
        Ok(Self { process, output, words, listener, secret, _place: place })
    }

    /// Waits for its first bytes. What follows comes with the body, which takes the child along
    /// when it is dropped.
    ///
    /// # Errors
    /// In a sentence for a person: it failed, or hangs.
    pub(super) async fn begin(mut self, desk: Arc<Desk>, file: FileId) -> Result<Body, String> {
        let Some(first) = self.next(&desk, &file).await? else {
            return Err(self.complaint().await);
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
        Ok(StreamBody::new(frames).boxed_unsync())
    }

    /// The next bytes; `None` at an end in order.
    async fn next(&mut self, desk: &Desk, file: &FileId) -> Result<Option<Bytes>, String> {
        let mut buffer = vec![0; CHUNK];
        let mut idle_since = Instant::now();
        let count = loop {
            match tokio::time::timeout(LOOK_EVERY, self.output.read(&mut buffer)).await {
                Ok(Ok(count)) => break count,
                Ok(Err(error)) => return Err(format!("What ffmpeg makes can't be read: {error}.")),
                // Until more of the film has come it can't go on.
                Err(_) if desk.is_waiting(file) => idle_since = Instant::now(),
                Err(_) if idle_since.elapsed() > HANGS_AFTER => {
                    let seconds = HANGS_AFTER.as_secs();
                    return Err(format!(
                        "ffmpeg hangs: it gave nothing for {seconds} seconds, and was ended."
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
            _ => Err(self.complaint().await),
        }
    }

    async fn complaint(&mut self) -> String {
        let status = self.process.wait().await.map(|status| status.to_string()).unwrap_or_default();
        // It may be gone before all that it said was read.
        let _ = tokio::time::timeout(WORDS_WITHIN, &mut self.listener).await;
        let words = self.words.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let text = String::from_utf8_lossy(&words).replace(&self.secret, "the film");
        let last = text
            .lines()
            .map(str::trim)
            .rfind(|line| !line.is_empty())
            .unwrap_or(&status)
            .to_owned();
        format!("ffmpeg can't convert this film: {}.", last.trim_end_matches('.'))
    }
}

/// Keeps the end of what it says.
async fn listen(mut complaints: ChildStderr, words: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = complaints.read(&mut buffer).await {
        let mut kept = words.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.extend_from_slice(&buffer[..count]);
        let excess = kept.len().saturating_sub(WORDS);
        kept.drain(..excess);
    }
}

#[cfg(unix)]
fn be_nice(process: &tokio::process::Child) {
    let pid = process.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(pid) = pid
        && let Err(error) = rustix::process::setpriority_process(Some(pid), NICE)
    {
        tracing::debug!(%error, "ffmpeg runs at the usual priority");
    }
}

#[cfg(not(unix))]
fn be_nice(_: &tokio::process::Child) {
    let _ = NICE;
}
