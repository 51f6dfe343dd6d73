//! The accept loop: TCP connections, served as HTTP/1.1 by the routes.
//!
//! Owns connections, their limits and timeouts, and the checks before every request. Must never
//! know what a URL means, except the one of the WebSocket. Invariant: a request without a path
//! never reaches the routes, because warp assumes that every request has one.

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

use crate::control::desk::{Activity, Busy};
use crate::http::app::App;
use crate::http::connections::{Connections, Permit, Watched};
use crate::http::flushes::{Flushes, LastBytes};
use crate::http::replies::{Body, BoxError, Content, plain};
use crate::http::routes;
use crate::metrics::Metrics;

/// Connections that the kernel queues before they are accepted.
const BACKLOG: u32 = 512;
/// Bytes of a reply that the kernel may hold for a viewer. Without a limit it would hold megabytes,
/// which would look like progress of the viewer.
const SEND_BUFFER: u32 = 512 << 10;
/// Bytes of a reply that the HTTP library may hold besides the current chunk.
const HTTP_BUFFER: usize = 64 << 10;
/// Longest headers of a request, bytes. No player comes near.
const MAX_HEADERS: usize = 32 << 10;
/// Refused connections that get a reply, at a time. Further ones are closed without a reply.
const MAX_REFUSALS: usize = 64;
/// How long a refused connection may take to receive its reply.
const REFUSE_WITHIN: Duration = Duration::from_secs(1);
/// The reply to a connection when all permits are taken.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 21\r\nRetry-After: 2\r\n\
    Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
    Cross-Origin-Resource-Policy: cross-origin\r\nConnection: close\r\n\r\ntoo many connections\n";

/// What the user allows connections to use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Connections at a time.
    pub(crate) connections: usize,
    /// How long a request's headers may take to arrive.
    pub(crate) header_timeout: Duration,
    /// How long a connection may make too little progress while permits are scarce.
    pub(crate) stall: Duration,
}

/// How far the daemon has stopped, as its connections see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It serves.
    Open,
    /// It accepts no new connections. A connection ends after its running reply.
    Draining,
    /// Every connection closes now.
    Closed,
}

/// Listens at an address, even if its former connections have not quite ended.
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

/// Accepts and serves connections until the phase changes. Returns when all connections have ended.
///
/// warp routes requests; hyper, beneath it, runs the connections. `warp::serve` offers no timeout
/// for headers, no bound on buffers, no limit on connections and no way to close a chosen one. This
/// loop therefore hands each accepted stream to hyper with those settings, and `warp::service` as
/// the handler.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    bounds: Bounds,
    mut phase: watch::Receiver<Phase>,
) {
    let permits = Connections::new(bounds.connections, bounds.stall);
    let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
    let connections = TaskTracker::new();
    loop {
        tokio::select! {
            () = reached(&mut phase, Phase::Draining) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Otherwise headers would wait for a full segment.
                    let _ = stream.set_nodelay(true);
                    if let Some(permit) = permits.enter() {
                        let app = Arc::clone(&app);
                        let (timeout, phase) = (bounds.header_timeout, phase.clone());
                        connections.spawn(connection(stream, app, permit, timeout, phase));
                    } else if let Ok(room) = Arc::clone(&refusals).try_acquire_owned() {
                        app.metrics.count_status(StatusCode::SERVICE_UNAVAILABLE.as_u16());
                        connections.spawn(async move {
                            let refusing = refuse_connection(stream);
                            let _ = tokio::time::timeout(REFUSE_WITHIN, refusing).await;
                            drop(room);
                        });
                    }
                }
                Err(error) => {
                    // Most likely all file descriptors are in use. Ending connections free some.
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

/// Tells a client that all permits are taken. Reads and drops what the client sends, because unread
/// bytes would cause a TCP reset that can destroy the reply.
async fn refuse_connection(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(FULL).await?;
    stream.shutdown().await?;
    let mut rest = vec![0; 4 << 10];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Resolves when the phase has come to `wanted`, or its sender is gone.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

/// Serves one connection. A client that closes its sending half counts as gone, which is hyper's
/// default: on the wire it looks like a client that left, and no browser or player does it.
pub(crate) async fn connection<S>(
    stream: S,
    app: Arc<App>,
    permit: Permit,
    header_timeout: Duration,
    mut phase: watch::Receiver<Phase>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let _counted = Counted::new(&app.metrics);
    let activity = permit.activity();
    let routes = TowerToHyperService::new(warp::service(routes::routes(Arc::clone(&app))));
    let flushes = Arc::<Flushes>::default();
    let (guarded, watched) = (Arc::clone(&app), (Arc::clone(&activity), Arc::clone(&flushes)));
    let service = service_fn(move |request| {
        answer(Arc::clone(&guarded), routes.clone(), watched.clone(), request)
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HTTP_BUFFER)
        .max_header_size(MAX_HEADERS);
    let stream = TokioIo::new(Watched::new(stream, Arc::clone(&activity), flushes));
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

/// A connection in the gauge of open ones, however it ends.
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
    (activity, flushes): (Arc<Activity>, Arc<Flushes>),
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
        routes.call(request).await?.map(|body| body.map_err(Into::into).boxed())
    };
    app.metrics.count_status(reply.status().as_u16());
    let body = |body| Body::new(BusyBody { body: LastBytes::new(body, flushes), _busy: busy });
    Ok(with_common_headers(reply.map(body), is_film))
}

/// A body that keeps its request running until it is sent or dropped.
struct BusyBody {
    body: LastBytes,
    _busy: Busy,
}

impl http_body::Body for BusyBody {
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
            http_body_util::Full::from(words).map_err(|never| match never {}).boxed()
        }
        Content::Stream(body) => body,
    }
}

/// Refuses a request that no path may get.
fn refuse(app: &App, request: &Request<Incoming>) -> Option<Response<Body>> {
    let answer = match app.guard.check_host(request.uri(), request.headers()) {
        Err(error) => routes::access_refused(error),
        // CONNECT and `OPTIONS *` have none (RFC 9112 §3.2).
        Ok(())
            if !request
                .uri()
                .path_and_query()
                .is_some_and(|path| path.as_str().starts_with('/')) =>
        {
            plain(StatusCode::BAD_REQUEST, "the request names no path")
        }
        // Unread content would hide that the viewer has left.
        Ok(()) if is_read(request.method()) && has_content(request.headers()) => {
            plain(StatusCode::BAD_REQUEST, "a GET or HEAD must not have content here")
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

/// Adds the headers of every reply.
///
/// A `<video>` of the extension's page has another origin than the daemon. It may load every reply
/// below `/stream` and `/convert`, refusals included: a refusal that the browser blocks would look
/// like a broken network.
fn with_common_headers(mut reply: Response<Body>, is_film: bool) -> Response<Body> {
    let headers = reply.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let loadable_by = if is_film { "cross-origin" } else { "same-origin" };
    headers.entry("cross-origin-resource-policy").or_insert(HeaderValue::from_static(loadable_by));
    reply
}
