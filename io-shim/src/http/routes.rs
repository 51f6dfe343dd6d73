//! The URLs of the daemon, and the part that answers each.
//!
//! Owns paths, methods and the order of the access checks; decides nothing else.
//! [`crate::http::server`] has checked the host before.

use std::convert::Infallible;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use shared_proto::FileId;
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use crate::control::session;
use crate::http::api::{self, Admission, Request};
use crate::http::app::App;
use crate::http::auth::AccessError;
use crate::http::converting;
use crate::http::pages;
use crate::http::query::Query;
use crate::http::replies::{Answer, Content, RETRY_AFTER, plain, text, unavailable};
use crate::http::upgrade;
use crate::metrics::Now;
use crate::policy::secrets::Credential;

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

/// `/health`: what this daemon is and whether it works. The native messaging host and people read
/// it.
fn health(app: &App, headers: &HeaderMap) -> Answer {
    guarded(app, headers, || {
        let body = serde_json::json!({
            "service": crate::SERVICE,
            "version": crate::VERSION,
            "pid": std::process::id(),
            "engineConnected": app.desk.has_engine(),
            "stopping": app.desk.is_stopping(),
            "stateSaved": app.control.state.status().borrow().trouble.is_none(),
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

/// Answers programs and the extension, and refuses pages of other sites.
fn guarded(app: &App, headers: &HeaderMap, answer: impl FnOnce() -> Answer) -> Answer {
    match app.guard.check_origin(headers).and_then(|()| app.guard.check_site(headers)) {
        Ok(()) => answer(),
        Err(error) => access_refused(error),
    }
}

/// `/stream/<fileId>`, or `/stream/` and a path whose file the engine knows.
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
        let service = app.file_service(request.activity);
        return service
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
            app.file_service(request.activity)
                .stream(&request.method, &id, headers, &parsed, &shown)
                .await
        }
        Err(refusal) => refusal,
    };
    if !matches!(admission, Ok(Admission::Token | Admission::Key)) {
        // Such a URL holds no secret, so a page of another site could guess it.
        let same_origin = HeaderValue::from_static("same-origin");
        answer.headers_mut().insert("cross-origin-resource-policy", same_origin);
    }
    answer
}

/// `/convert`: whether films can be converted here, and how.
async fn ability(app: &App, headers: &HeaderMap) -> Answer {
    let origin = app.guard.listed_origin(headers);
    // A listed page has another site than the daemon.
    let is_welcome = app.guard.check_origin(headers).and_then(|()| match origin {
        Some(_) => Ok(()),
        None => app.guard.check_site(headers),
    });
    match is_welcome {
        Ok(()) => readable(converting::ability(&app.converter).await, origin),
        Err(error) => access_refused(error),
    }
}

/// `/convert/<fileId>`
async fn convert(app: &App, method: &Method, id: &str, headers: &HeaderMap, query: &str) -> Answer {
    let parsed = Query::parse(query);
    let credential = app.guard.credential(headers, &parsed);
    let answer = converting::convert(app, method, &FileId::from(id), &parsed, &credential).await;
    readable(answer, app.guard.listed_origin(headers))
}

/// `/`: redirects clients with access to the front page.
fn front(app: &App, method: &Method, headers: &HeaderMap, query: &str) -> Answer {
    if let Err(error) = app.guard.check_call(method, "/", headers) {
        return api::Failure::from(error).answer();
    }
    if !app.guard.allows_call(&app.guard.credential(headers, &Query::parse(query))) {
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
    // The person may have followed a link.
    let arrives = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    if !arrives && let Err(error) = app.guard.check_site(headers) {
        return access_refused(error);
    }
    pages::page(path.strip_prefix("/page/").unwrap_or_default(), headers)
}

/// Allows a page of a listed origin to read a reply.
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

/// Whether this is the path of the control WebSocket.
pub(crate) fn is_control(path: &str) -> bool {
    path.trim_end_matches('/') == "/control"
}

/// Upgrades a request to the control WebSocket, or refuses it.
pub(crate) fn open_control(app: &Arc<App>, mut request: http::Request<Incoming>) -> Answer {
    if let Err(error) = app.guard.check_origin(request.headers()) {
        tracing::warn!(%error, "a control connection was refused");
        return access_refused(error);
    }
    if app.desk.is_stopping() {
        return unavailable("the daemon is stopping", RETRY_AFTER);
    }
    let answer = upgrade::handshake(request.method(), request.version(), request.headers());
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return answer;
    }
    let upgrade = hyper::upgrade::on(&mut request);
    let (control, permit) = (Arc::clone(&app.control), app.control.unidentified.enter());
    tokio::spawn(async move {
        match upgrade.await {
            Ok(stream) => session::run(TokioIo::new(stream), permit, control).await,
            Err(error) => tracing::debug!(%error, "a control connection ended before it began"),
        }
    });
    answer
}

/// The reply to a request that the access rules refuse.
pub(crate) fn access_refused(error: AccessError) -> Answer {
    let status = match error {
        AccessError::Host => StatusCode::MISDIRECTED_REQUEST,
        AccessError::Origin | AccessError::Site => StatusCode::FORBIDDEN,
        AccessError::Malformed => StatusCode::BAD_REQUEST,
    };
    plain(status, &error.to_string())
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

/// The reply to a request that no route accepts.
async fn explain(rejection: Rejection) -> Result<Response, Infallible> {
    let method_refused = rejection.find::<NotARead>().is_some()
        || rejection.find::<warp::reject::MethodNotAllowed>().is_some();
    let mut answer = if method_refused {
        plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here")
    } else if rejection.is_not_found() {
        plain(StatusCode::NOT_FOUND, "nothing is here")
    } else {
        plain(StatusCode::BAD_REQUEST, "the request is malformed")
    };
    if method_refused {
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    Ok(into_reply(answer))
}

fn into_reply(answer: Answer) -> Response {
    let (parts, content) = answer.into_parts();
    let mut reply = match content {
        Content::Text(body) => body.into_response(),
        Content::Stream(body) => warp::reply::stream(body.into_data_stream()).into_response(),
    };
    (*reply.status_mut(), *reply.headers_mut()) = (parts.status, parts.headers);
    reply
}
