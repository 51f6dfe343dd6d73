//! The URLs: which filter answers what.
//!
//! Owns paths, methods and the order of the guards; decides nothing else. The host guard stands in
//! front of all of this, in [`crate::http::server`].

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use shared_proto::FileId;
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use crate::control::session;
use crate::control::websocket;
use crate::http::api::{self, Admission, Request};
use crate::http::app::App;
use crate::http::auth::{Credential, Query, Stranger};
use crate::http::pages;
use crate::http::serve::{Answer, Body, Content, RETRY_AFTER, plain, text, unavailable};
use crate::metrics::Now;

/// A streamed body on its way through warp, whose replies cannot hold a body of ours. The server
/// takes it out again.
#[derive(Clone)]
pub(crate) struct Carried(Arc<Mutex<Option<Body>>>);

impl Carried {
    /// The body; there is one owner.
    pub(crate) fn take(&self) -> Option<Body> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }
}

/// All routes of the daemon.
pub(crate) fn routes(
    app: Arc<App>,
) -> impl Filter<Extract = (impl Reply,), Error = Infallible> + Clone {
    let with_app = warp::any().map(move || Arc::clone(&app));
    let read = warp::method().and_then(only_reads).untuple_one();
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();

    let health = warp::path!("health")
        .and(read)
        .and(warp::header::headers_cloned())
        .and(with_app.clone())
        .map(|headers: HeaderMap, app: Arc<App>| into_reply(health(&app, &headers)));
    let metrics = warp::path!("metrics")
        .and(read)
        .and(warp::header::headers_cloned())
        .and(with_app.clone())
        .map(|headers: HeaderMap, app: Arc<App>| into_reply(metrics(&app, &headers)));
    let stream = warp::path!("stream" / ..)
        .and(read)
        .and(warp::method())
        .and(warp::path::full())
        .and(warp::header::headers_cloned())
        .and(query)
        .and(warp::ext::optional())
        .and(with_app.clone())
        .then(
            |method, path: FullPath, headers, query: String, activity, app: Arc<App>| async move {
                let request = Request {
                    method,
                    path: path.as_str(),
                    query: &query,
                    headers: &headers,
                    activity,
                };
                let origin = app.guard.listed_origin(request.headers);
                into_reply(readable(stream(request, app).await, origin))
            },
        );
    let ability = warp::path!("convert")
        .and(read)
        .and(warp::header::headers_cloned())
        .and(with_app.clone())
        .then(|headers: HeaderMap, app: Arc<App>| async move {
            into_reply(ability(&app, &headers).await)
        });
    let convert = warp::path!("convert" / String)
        .and(read)
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(query)
        .and(with_app.clone())
        .then(|id: String, method, headers: HeaderMap, query: String, app: Arc<App>| async move {
            into_reply(convert(&app, &method, &id, &headers, &query).await)
        });
    let page = warp::path!("page" / ..)
        .and(read)
        .and(warp::path::full())
        .and(warp::header::headers_cloned())
        .and(with_app.clone())
        .map(|path: FullPath, headers: HeaderMap, app: Arc<App>| {
            into_reply(page(&app, path.as_str(), &headers))
        });
    let front = warp::path::end()
        .and(read)
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(query)
        .and(with_app.clone())
        .and_then(|method, headers: HeaderMap, query: String, app: Arc<App>| async move {
            // Without pages this is a path like any other.
            if app.pages {
                Ok(into_reply(front(&app, &method, &headers, &query)))
            } else {
                Err(warp::reject::not_found())
            }
        });
    let call = warp::path::full()
        .and_then(only_calls)
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(query)
        .and(warp::ext::optional())
        .and(warp::body::stream())
        .and(with_app)
        .then(
            |path: FullPath,
             method,
             headers: HeaderMap,
             query: String,
             activity,
             body,
             app: Arc<App>| async move {
                let request = Request {
                    method,
                    path: path.as_str(),
                    query: &query,
                    headers: &headers,
                    activity,
                };
                into_reply(api::call(&app, request, body).await)
            },
        );

    stream
        .or(health)
        .unify()
        .or(metrics)
        .unify()
        .or(ability)
        .unify()
        .or(convert)
        .unify()
        .or(page)
        .unify()
        .or(front)
        .unify()
        .or(call)
        .unify()
        .recover(explain)
        .unify()
}

/// What this is and whether it lives, for the native messaging host and for people.
fn health(app: &App, headers: &HeaderMap) -> Answer {
    guarded(app, headers, || {
        let body = serde_json::json!({
            "service": crate::SERVICE,
            "version": crate::VERSION,
            "pid": std::process::id(),
            "engineConnected": app.desk.has_engine(),
            "stopping": app.desk.is_stopping(),
            "stateSaved": app.state.status().borrow().trouble.is_none(),
        });
        text(StatusCode::OK, "application/json", body.to_string())
    })
}

fn metrics(app: &App, headers: &HeaderMap) -> Answer {
    guarded(app, headers, || {
        let (viewers, waiting) = app.desk.viewers();
        let (calls, engine) = (app.desk.calls(), app.desk.has_engine());
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let page = app.metrics.render(Now { viewers, waiting, calls, engine, tasks });
        text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", page)
    })
}

/// What programs and the extension may see, but pages of other sites may not even ask for.
fn guarded(app: &App, headers: &HeaderMap, answer: impl FnOnce() -> Answer) -> Answer {
    match app.guard.check_origin(headers).and_then(|()| app.guard.check_site(headers)) {
        Ok(()) => answer(),
        Err(stranger) => turned_away(stranger),
    }
}

/// `/stream/<fileId>`, or `/stream/` and a path that the engine knows the file of.
async fn stream(request: Request<'_>, app: Arc<App>) -> Answer {
    let Request { path, query, headers, .. } = request;
    let name = path.strip_prefix("/stream/").unwrap_or_default();
    let parsed = Query::parse(query);
    let credential = app.guard.credential(headers, &parsed);
    let id = name.strip_suffix('/').unwrap_or(name);
    if id.is_empty() {
        return plain(StatusCode::NOT_FOUND, "nothing is here");
    }
    if !id.contains('/') {
        let server = app.server(request.activity);
        return server
            .stream(&request.method, &FileId::from(id), headers, &parsed, &credential)
            .await;
    }
    let admission = api::admission(&app, &request, &credential);
    let resolved = match admission {
        Ok(admission) => api::resolve(&app, name, admission).await,
        Err(failure) => Err(failure.answer()),
    };
    let mut answer = match resolved {
        Ok(id) => {
            let is_session = admission != Ok(Admission::Key);
            let shown = Credential { is_session, ..credential };
            app.server(request.activity)
                .stream(&request.method, &id, headers, &parsed, &shown)
                .await
        }
        Err(refusal) => refusal,
    };
    if !matches!(admission, Ok(Admission::Token | Admission::Key)) {
        // Nothing in such a URL is secret, so that pages of other sites could load it.
        let same_origin = HeaderValue::from_static("same-origin");
        answer.headers_mut().insert("cross-origin-resource-policy", same_origin);
    }
    answer
}

/// Whether films can be converted here, and with what.
async fn ability(app: &App, headers: &HeaderMap) -> Answer {
    let origin = app.guard.listed_origin(headers);
    // A listed page is of another site than the daemon.
    let is_welcome = app.guard.check_origin(headers).and_then(|()| match origin {
        Some(_) => Ok(()),
        None => app.guard.check_site(headers),
    });
    match is_welcome {
        Ok(()) => readable(app.converter.ability().await, origin),
        Err(stranger) => turned_away(stranger),
    }
}

/// `/convert/<fileId>`
async fn convert(app: &App, method: &Method, id: &str, headers: &HeaderMap, query: &str) -> Answer {
    let parsed = Query::parse(query);
    let credential = app.guard.credential(headers, &parsed);
    let desk = Arc::clone(&app.desk);
    let answer = app.converter.convert(desk, method, &FileId::from(id), &parsed, &credential).await;
    readable(answer, app.guard.listed_origin(headers))
}

/// `/`: leads to the front page who may call.
fn front(app: &App, method: &Method, headers: &HeaderMap, query: &str) -> Answer {
    if let Err(stranger) = app.guard.check_call(method, "/", headers) {
        return api::Failure::from(stranger).answer();
    }
    if !app.guard.admits(&app.guard.credential(headers, &Query::parse(query))) {
        let door = pages::is_for_a_person(headers).then(pages::door).flatten();
        return door.unwrap_or_else(|| api::Failure::Token.answer());
    }
    let mut answer = plain(StatusCode::TEMPORARY_REDIRECT, "the page is elsewhere");
    let to = if query.is_empty() {
        pages::FRONT.to_owned()
    } else {
        format!("{}?{query}", pages::FRONT)
    };
    match HeaderValue::from_str(&to) {
        Ok(to) => answer.headers_mut().insert(header::LOCATION, to),
        Err(_) => return plain(StatusCode::BAD_REQUEST, "the query is not made of visible ASCII"),
    };
    answer
}

/// `/page/…`
fn page(app: &App, path: &str, headers: &HeaderMap) -> Answer {
    if !app.pages {
        return plain(StatusCode::NOT_FOUND, "nothing is here");
    }
    // Somebody may have followed a link to it.
    let arrives = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    if !arrives && let Err(stranger) = app.guard.check_site(headers) {
        return turned_away(stranger);
    }
    pages::page(path.strip_prefix("/page/").unwrap_or_default(), headers)
}

/// Lets a page of a listed origin read an answer, and not only show it.
fn readable(mut answer: Answer, origin: Option<HeaderValue>) -> Answer {
    let headers = answer.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let exposed = HeaderValue::from_static("Content-Range, ETag, Retry-After");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    answer
}

async fn only_calls(path: FullPath) -> Result<FullPath, Rejection> {
    if api::is_own(path.as_str()) { Err(warp::reject::not_found()) } else { Ok(path) }
}

/// Whether the path is that of the control WebSocket.
pub(crate) fn is_control(path: &str) -> bool {
    path.trim_end_matches('/') == "/control"
}

/// Makes the control WebSocket of a request, or says why not.
pub(crate) fn open_control(app: &Arc<App>, mut request: http::Request<Incoming>) -> Answer {
    if let Err(stranger) = app.guard.check_origin(request.headers()) {
        tracing::warn!(%stranger, "a control connection was refused");
        return turned_away(stranger);
    }
    if app.desk.is_stopping() {
        return unavailable("the daemon is stopping", RETRY_AFTER);
    }
    let answer = websocket::handshake(request.method(), request.version(), request.headers());
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return answer;
    }
    let upgrade = hyper::upgrade::on(&mut request);
    let (app, standing) = (Arc::clone(app), app.doorstep.enter());
    tokio::spawn(async move {
        match upgrade.await {
            Ok(stream) => session::run(TokioIo::new(stream), standing, app).await,
            Err(error) => tracing::debug!(%error, "a control connection ended before it began"),
        }
    });
    answer
}

/// The status of a guard's refusal.
pub(crate) fn turned_away(stranger: Stranger) -> Answer {
    let status = match stranger {
        Stranger::Host => StatusCode::MISDIRECTED_REQUEST,
        Stranger::Origin | Stranger::Site => StatusCode::FORBIDDEN,
        Stranger::Malformed => StatusCode::BAD_REQUEST,
    };
    plain(status, &stranger.to_string())
}

async fn only_reads(method: Method) -> Result<(), Rejection> {
    if method == Method::GET || method == Method::HEAD {
        Ok(())
    } else {
        Err(warp::reject::custom(NotARead))
    }
}

#[derive(Debug)]
struct NotARead;

impl warp::reject::Reject for NotARead {}

/// Words for what no route took.
async fn explain(rejection: Rejection) -> Result<Response, Infallible> {
    let method_refused = rejection.find::<NotARead>().is_some()
        || rejection.find::<warp::reject::MethodNotAllowed>().is_some();
    let mut answer = if method_refused {
        plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here")
    } else if rejection.is_not_found() {
        plain(StatusCode::NOT_FOUND, "nothing is here")
    } else {
        plain(StatusCode::BAD_REQUEST, "the request makes no sense here")
    };
    if method_refused {
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    Ok(into_reply(answer))
}

fn into_reply(answer: Answer) -> Response {
    let (parts, content) = answer.into_parts();
    match content {
        Content::Text(body) => http::Response::from_parts(parts, body).into_response(),
        Content::Stream(body) => {
            let mut reply = http::Response::from_parts(parts, "").into_response();
            reply.extensions_mut().insert(Carried(Arc::new(Mutex::new(Some(body)))));
            reply
        }
    }
}
