//! The accept loop: TCP connections in, HTTP/1.1 served by the routes.
//!
//! Owns connections, their limits and timeouts, and the guard in front of every request. `warp::serve` sets none of these, hence a
//! loop of our own around `warp::service`. Must never know what a URL means.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::routes::{self, Carried};
use crate::serve::{Body, Content, plain};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 512;
/// What the kernel may hold of a reply that the viewer has not taken, bytes. Left to itself it grows to megabytes, all of
/// which would look like progress.
const SEND_BUFFER: u32 = 512 << 10;
/// Most that the HTTP layer holds itself of a reply that is not yet with the kernel, beyond the chunk that it is at.
const HTTP_BUFFER: usize = 64 << 10;
/// Longest headers of a request; no player comes near it.
const MAX_HEADERS: usize = 32 << 10;

/// What strangers may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Connections at once.
    pub(crate) connections: usize,
    /// How long a request's headers may take.
    pub(crate) header_timeout: Duration,
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
pub(crate) async fn serve(listener: TcpListener, app: Arc<App>, bounds: Bounds, mut phase: watch::Receiver<Phase>) {
    let places = Arc::new(Semaphore::new(bounds.connections));
    let connections = TaskTracker::new();
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            () = reached(&mut phase, Phase::Draining) => break,
            (place, accepted) = accepted => match accepted {
                Ok((stream, _)) => {
                    let connection = connection(stream, Arc::clone(&app), bounds.header_timeout, phase.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(place);
                    });
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

/// Resolves when the stopping has come so far, or nobody can say any more.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

/// Serves one connection. A viewer that closes its sending half counts as gone (hyper's default): on the wire it looks just like one that
/// has left, and no browser or player does it.
async fn connection(stream: TcpStream, app: Arc<App>, header_timeout: Duration, mut phase: watch::Receiver<Phase>) {
    // Headers of a grant must not wait for a full segment.
    let _ = stream.set_nodelay(true);
    app.metrics.http_conns_open.fetch_add(1, Ordering::Relaxed);
    let routes = TowerToHyperService::new(warp::service(routes::routes(Arc::clone(&app))));
    let guarded = Arc::clone(&app);
    let service = service_fn(move |request| answer(Arc::clone(&guarded), routes.clone(), request));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HTTP_BUFFER)
        .max_header_size(MAX_HEADERS);
    let served = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = reached(&mut phase, Phase::Draining) => {
            served.as_mut().graceful_shutdown();
            tokio::select! {
                ended = served.as_mut() => ended,
                () = reached(&mut phase, Phase::Closed) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection ended early");
    }
    app.metrics.http_conns_open.fetch_sub(1, Ordering::Relaxed);
}

async fn answer<S>(app: Arc<App>, routes: S, request: Request<Incoming>) -> Result<Response<Body>, Infallible>
where
    S: Service<Request<Incoming>, Response = warp::reply::Response, Error = Infallible>,
{
    let is_film = request.uri().path().starts_with("/stream/");
    let reply = match refuse(&app, &request) {
        Some(refusal) => refusal,
        None => {
            let mut reply = routes.call(request).await?;
            match reply.extensions_mut().remove::<Carried>().and_then(|carried| carried.take()) {
                Some(body) => reply.map(|_| body),
                None => reply.map(|body| body.map_err(Into::into).boxed_unsync()),
            }
        }
    };
    app.metrics.count_status(reply.status().as_u16());
    Ok(sealed(reply, is_film))
}

/// What is refused whatever it asks for.
fn refuse(app: &App, request: &Request<Incoming>) -> Option<Response<Body>> {
    let answer = match app.guard.check_host(request.uri(), request.headers()) {
        Err(stranger) => routes::turned_away(stranger),
        // Content that nobody reads would hide the viewer's leaving behind it.
        Ok(()) if is_read(request.method()) && has_content(request.headers()) => {
            plain(StatusCode::BAD_REQUEST, "a GET has no content here")
        }
        Ok(()) => return None,
    };
    let mut refusal = answer.map(|content| {
        let Content::Text(words) = content else { return Body::default() };
        http_body_util::Full::from(words).map_err(|never| match never {}).boxed_unsync()
    });
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

/// Adds what every reply carries. A `<video>` of the extension's page, which is of another origin than the daemon, may load whatever
/// is answered below `/stream`: a refusal that the browser blocked would look like a broken network.
fn sealed(mut reply: Response<Body>, is_film: bool) -> Response<Body> {
    let headers = reply.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let loadable_by = if is_film { "cross-origin" } else { "same-origin" };
    headers.entry("cross-origin-resource-policy").or_insert(HeaderValue::from_static(loadable_by));
    reply
}
