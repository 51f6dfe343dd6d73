//! Films in a form that browsers play, converted by the user's ffmpeg.
//!
//! Owns how many conversions run at a time. ffmpeg reads the daemon's own stream address like any
//! other viewer, so it gets granted bytes only. Must never know what the film is. Invariant: a
//! conversion ends when its viewer leaves.

mod child;
mod ffmpeg;
mod order;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use crate::control::desk::{Desk, ServedFile};
pub(crate) use child::{Body, CONTENT_TYPE};
pub(crate) use ffmpeg::Ffmpeg;
pub(crate) use order::Order;

use child::Child;

/// Conversions at a time. Each can take a whole core.
const MOST: usize = 2;
/// How long a viewer waits for a permit. A viewer that seeks takes a second one until its first is
/// free.
const PERMIT_WITHIN: Duration = Duration::from_secs(5);
/// How long a failed search for ffmpeg counts.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Finds and starts ffmpeg.
pub(crate) struct Converter {
    /// The program that the user named.
    program: Option<PathBuf>,
    /// The address that the daemon listens at.
    address: SocketAddr,
    permits: Arc<Semaphore>,
    found: Mutex<Option<Found>>,
}

/// Why a conversion did not begin.
pub(crate) enum Failure {
    /// All permits are in use.
    Busy,
    /// This ffmpeg cannot do it; a sentence for a person.
    Unable(&'static str),
    /// ffmpeg ended without a byte; a sentence for a person.
    Ended(String),
}

/// The result of the last search for ffmpeg, and its time.
struct Found {
    at: Instant,
    ffmpeg: Result<Arc<Ffmpeg>, String>,
}

impl Converter {
    /// `program` is the user's choice; without one, ffmpeg is searched. `address` is where the
    /// daemon listens.
    pub(crate) fn new(program: Option<PathBuf>, address: SocketAddr) -> Self {
        Self { program, address, permits: Arc::new(Semaphore::new(MOST)), found: Mutex::new(None) }
    }

    /// Starts a conversion and waits for its first bytes. The time stamps are those of the film.
    ///
    /// # Errors
    /// [`Failure`]
    pub(crate) async fn start(
        &self,
        desk: Arc<Desk>,
        file: &ServedFile,
        order: &Order,
        ffmpeg: &Ffmpeg,
    ) -> Result<Body, Failure> {
        let permit =
            tokio::time::timeout(PERMIT_WITHIN, Arc::clone(&self.permits).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else { return Err(Failure::Busy) };
        let source = self.source(file);
        let args = order.args(ffmpeg, &source).map_err(Failure::Unable)?;
        let begun = match Child::start(&ffmpeg.program, &args, source, permit) {
            Ok(child) => child.begin(desk, file.id.clone()).await,
            Err(error) => Err(format!("ffmpeg can't be started: {error}.")),
        };
        begun.map_err(Failure::Ended)
    }

    /// The address at which ffmpeg reads the film.
    fn source(&self, file: &ServedFile) -> String {
        let key =
            percent_encoding::utf8_percent_encode(&file.key, percent_encoding::NON_ALPHANUMERIC);
        format!("http://{}/stream/{}?key={key}", self.address, file.id)
    }

    /// Finds an ffmpeg that works. A failed search is repeated after [`ASKED_AGAIN_AFTER`].
    ///
    /// # Errors
    /// A sentence for a person.
    pub(crate) async fn ffmpeg(&self) -> Result<Arc<Ffmpeg>, String> {
        let mut found = self.found.lock().await;
        match &*found {
            Some(Found { ffmpeg: Ok(ffmpeg), .. }) => return Ok(Arc::clone(ffmpeg)),
            Some(Found { at, ffmpeg: Err(problem) }) if at.elapsed() < ASKED_AGAIN_AFTER => {
                return Err(problem.clone());
            }
            _ => {}
        }
        let outcome = Ffmpeg::find(self.program.as_deref()).await.map(Arc::new);
        if let Ok(ffmpeg) = &outcome {
            tracing::info!(
                version = ffmpeg.version,
                video = ffmpeg.video,
                sound = ffmpeg.sound,
                "ffmpeg can be used"
            );
        }
        *found = Some(Found { at: Instant::now(), ffmpeg: outcome.clone() });
        outcome
    }
}
