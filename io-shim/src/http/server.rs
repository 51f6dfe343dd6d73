//! The accept loop: TCP connections in, HTTP/1.1 served by the routes.
//!
//! Owns connections, their limits and timeouts, and the guards in front of every request.
//! `warp::serve` sets none of these, hence a loop of our own around `warp::service`. Must never
//! know what a URL means, but for the one that becomes a WebSocket. Invariant: a request without a
//! path never gets behind the guards, since warp takes every request to have one.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;

use crate::http::app::App;
use crate::http::connections::{Activity, Busy, Connections, Place, Watched};
use crate::http::routes::{self, Carried};
use crate::http::serve::{Body, BoxError, Content, plain};
use crate::metrics::Metrics;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 512;
/// What the kernel may hold of a reply that the viewer has not taken, bytes. Left to itself it
/// grows to megabytes, all of which would look like progress.
const SEND_BUFFER: u32 = 512 << 10;
/// Most that the HTTP layer holds itself of a reply that is not yet with the kernel, beyond the
/// chunk that it is at.
const HTTP_BUFFER: usize = 64 << 10;
/// Longest headers of a request; no player comes near it.
const MAX_HEADERS: usize = 32 << 10;
/// Connections at once that are told that there is no place. Beyond them a connection is closed
/// without a word.
const MAX_REFUSALS: usize = 64;
/// How long a connection that finds no place has to take its answer.
const REFUSE_WITHIN: Duration = Duration::from_secs(1);
/// The answer to a connection that finds no place.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 21\r\n\
    Retry-After: 2\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: cross-origin\r\n\
    Connection: close\r\n\r\ntoo many connections\n";

/// What strangers may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Connections at once.
    pub(crate) connections: usize,
    /// How long a request's headers may take.
    pub(crate) header_timeout: Duration,
    /// How long a connection may make too little progress while places are scarce.
    pub(crate) stall: Duration,
}

/// How far the stopping of the daemon has come, for its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Serving.
    Open,
    /// No new connections; a connection ends with its running reply.
    Draining,
    /// Every connection ends now.
    Closed,
}

/// Listens, taking over an address whose last connections have not quite ended.
pub(crate) fn listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // On Windows the option would allow a second listener instead.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Accepts and serves until the phase says otherwise; returns when all connections are gone.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    bounds: Bounds,
    mut phase: watch::Receiver<Phase>,
) {
    let places = Connections::new(bounds.connections, bounds.stall);
    let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
    let connections = TaskTracker::new();
    loop {
        tokio::select! {
            () = reached(&mut phase, Phase::Draining) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Headers of a grant must not wait for a full segment.
                    let _ = stream.set_nodelay(true);
                    if let Some(place) = places.enter() {
                        let app = Arc::clone(&app);
                        connections.spawn(connection(stream, app, place, bounds.header_timeout, phase.clone()));
                    } else if let Ok(room) = Arc::clone(&refusals).try_acquire_owned() {
                        app.metrics.count_status(StatusCode::SERVICE_UNAVAILABLE.as_u16());
                        connections.spawn(async move {
                            let _ = tokio::time::timeout(REFUSE_WITHIN, say_full(stream)).await;
                            drop(room);
                        });
                    }
                }
                Err(error) => {
                    // Out of file descriptors, most likely: they come back as connections end.
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Answers a connection that finds no place. What it sends is read and thrown away: a reset that
/// unread bytes cause could take the answer along.
async fn say_full(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(FULL).await?;
    stream.shutdown().await?;
    let mut rest = vec![0; 4 << 10];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Resolves when the stopping has come so far, or nobody can say any more.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

/// Serves one connection. A viewer that closes its sending half counts as gone (hyper's default):
/// on the wire it looks just like one that has left, and no browser or player does it.
pub(crate) async fn connection<S>(
    stream: S,
    app: Arc<App>,
    place: Place,
    header_timeout: Duration,
    mut phase: watch::Receiver<Phase>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let _counted = Counted::new(&app.metrics);
    let activity = place.activity();
    let routes = TowerToHyperService::new(warp::service(routes::routes(Arc::clone(&app))));
    let (guarded, noted) = (Arc::clone(&app), Arc::clone(&activity));
    let service = service_fn(move |request| {
        answer(Arc::clone(&guarded), routes.clone(), Arc::clone(&noted), request)
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HTTP_BUFFER)
        .max_header_size(MAX_HEADERS);
    let stream = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
    let served = builder.serve_connection(stream, service).with_upgrades();
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = activity.ended() => Ok(()),
        () = reached(&mut phase, Phase::Draining) => {
            served.as_mut().graceful_shutdown();
            tokio::select! {
                ended = served.as_mut() => ended,
                () = activity.ended() => Ok(()),
                () = reached(&mut phase, Phase::Closed) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection ended early");
    }
}

/// A connection in the gauge of open ones, for as long as it is served, however that ends.
struct Counted(Arc<Metrics>);

impl Counted {
    fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.http_conns_open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(metrics))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.http_conns_open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn answer<S>(
    app: Arc<App>,
    routes: S,
    activity: Arc<Activity>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible>
where
    S: Service<Request<Incoming>, Response = warp::reply::Response, Error = Infallible>,
{
    let busy = activity.begin();
    let is_film =
        ["/stream/", "/convert/"].iter().any(|films| request.uri().path().starts_with(films));
    let reply = if let Some(refusal) = refuse(&app, &request) {
        refusal
    } else if routes::is_control(request.uri().path()) {
        routes::open_control(&app, request).map(body_of)
    } else {
        request.extensions_mut().insert(activity);
        let mut reply = routes.call(request).await?;
        match reply.extensions_mut().remove::<Carried>().and_then(|carried| carried.take()) {
            Some(body) => reply.map(|_| body),
            None => reply.map(|body| body.map_err(Into::into).boxed_unsync()),
        }
    };
    app.metrics.count_status(reply.status().as_u16());
    Ok(sealed(reply.map(|body| Body::new(Noted { body, _busy: busy })), is_film))
}

/// A body whose request runs until it is sent or dropped.
struct Noted {
    body: Body,
    _busy: Busy,
}

impl http_body::Body for Noted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn body_of(content: Content) -> Body {
    match content {
        Content::Text(words) => {
            http_body_util::Full::from(words).map_err(|never| match never {}).boxed_unsync()
        }
        Content::Stream(body) => body,
    }
}

/// What is refused whatever it asks for.
fn refuse(app: &App, request: &Request<Incoming>) -> Option<Response<Body>> {
    let answer = match app.guard.check_host(request.uri(), request.headers()) {
        Err(stranger) => routes::turned_away(stranger),
        // CONNECT and `OPTIONS *` name none (RFC 9112 §3.2).
        Ok(())
            if !request
                .uri()
                .path_and_query()
                .is_some_and(|path| path.as_str().starts_with('/')) =>
        {
            plain(StatusCode::BAD_REQUEST, "this server answers for paths")
        }
        // Content that nobody reads would hide the viewer's leaving behind it.
        Ok(()) if is_read(request.method()) && has_content(request.headers()) => {
            plain(StatusCode::BAD_REQUEST, "a GET has no content here")
        }
        Ok(()) => return None,
    };
    let mut refusal = answer.map(body_of);
    refusal.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Some(refusal)
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn has_content(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

/// Adds what every reply carries. A `<video>` of the extension's page, which is of another origin
/// than the daemon, may load whatever is answered below `/stream` and `/convert`: a refusal that
/// the browser blocked would look like a broken network.
fn sealed(mut reply: Response<Body>, is_film: bool) -> Response<Body> {
    let headers = reply.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let loadable_by = if is_film { "cross-origin" } else { "same-origin" };
    headers.entry("cross-origin-resource-policy").or_insert(HeaderValue::from_static(loadable_by));
    reply
}
