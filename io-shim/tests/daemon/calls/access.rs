//! Allowed callers: programs, the daemon's own page, and holders of the token.

use std::time::Duration;

use shared_proto::CloseCode;

use super::{BEARER, BY_NAME, resolved, rig};
use crate::rig::{Brain, Rig, film, soon};

/// What hostile pages send; nothing of it may reach the engine.
async fn check_refused(
    rig: &Rig,
    brain: &mut Brain,
    request: (&str, &str),
    headers: &[(&str, &str)],
    status: u16,
) {
    let mut client = rig.send(request.0, request.1, headers).await;
    let reply = soon(client.reply()).await;
    assert_eq!(reply.status, status, "{request:?} {headers:?}");
    brain.hears_no_call().await;
}

#[tokio::test]
async fn pages_of_other_sites_cannot_call_even_where_no_token_is_needed() {
    let rig = Rig::start_with(|settings| settings.no_token = true).await;
    let mut brain = rig.brain().await;
    let port = rig.port;
    let rebound = format!("evil.example:{port}");
    let cross = ("Sec-Fetch-Site", "cross-site");
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let evil = ("Origin", "https://evil.example");
    let neighbour = format!("http://127.0.0.1:{}", port.wrapping_add(1));
    let no_cors = ("Sec-Fetch-Mode", "no-cors");
    let add = ("GET", "/add/magnet%3Ax");
    // DNS rebinding: the browser takes the page for one of this daemon's own.
    check_refused(
        &rig,
        &mut brain,
        add,
        &[("Host", &rebound), ("Sec-Fetch-Site", "same-origin")],
        421,
    )
    .await;
    check_refused(&rig, &mut brain, ("POST", "/add"), &[("Host", &rebound)], 421).await;
    // fetch() of another site, of another port of this machine, of a sandboxed frame.
    check_refused(
        &rig,
        &mut brain,
        ("GET", "/torrents"),
        &[evil, cross, ("Sec-Fetch-Mode", "cors")],
        403,
    )
    .await;
    check_refused(
        &rig,
        &mut brain,
        ("GET", "/events"),
        &[("Origin", &neighbour), ("Sec-Fetch-Site", "same-site")],
        403,
    )
    .await;
    check_refused(&rig, &mut brain, ("DELETE", "/torrents/x"), &[("Origin", "null")], 403).await;
    check_refused(
        &rig,
        &mut brain,
        ("OPTIONS", "/add"),
        &[evil, ("Access-Control-Request-Method", "POST")],
        403,
    )
    .await;
    // A form, posted into a tab, and a no-cors POST in the background.
    let posted =
        [evil, cross, form, ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")];
    check_refused(&rig, &mut brain, ("POST", "/add"), &posted, 403).await;
    check_refused(&rig, &mut brain, ("POST", "/"), &posted, 403).await;
    check_refused(
        &rig,
        &mut brain,
        ("POST", "/add"),
        &[evil, cross, no_cors, ("Content-Type", "text/plain")],
        403,
    )
    .await;
    // An image, a frame, a link and a player that point here.
    check_refused(&rig, &mut brain, add, &[cross, no_cors, ("Sec-Fetch-Dest", "image")], 403).await;
    check_refused(&rig, &mut brain, add, &[("Sec-Fetch-Site", "same-site"), no_cors], 403).await;
    check_refused(
        &rig,
        &mut brain,
        ("GET", "/"),
        &[cross, ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")],
        403,
    )
    .await;
    check_refused(
        &rig,
        &mut brain,
        add,
        &[cross, ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")],
        403,
    )
    .await;
    check_refused(
        &rig,
        &mut brain,
        ("GET", BY_NAME),
        &[cross, no_cors, ("Sec-Fetch-Dest", "video")],
        403,
    )
    .await;
}

#[tokio::test]
async fn without_a_token_programs_and_the_own_page_call_and_a_link_leads_to_the_front_page() {
    let rig = Rig::start_with(|settings| settings.no_token = true).await;
    let mut brain = rig.brain().await;
    let own = format!("http://127.0.0.1:{}", rig.port);
    let link = [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Dest", "document"),
    ];
    let page = [("Origin", own.as_str()), ("Sec-Fetch-Site", "same-origin")];
    for (method, target, headers) in [
        ("GET", "/add/x", &[][..]),
        ("GET", "/", &link),
        ("DELETE", "/torrents/x", &page),
        ("GET", "/", &[("Sec-Fetch-Site", "none")]),
    ] {
        let mut client = rig.send(method, target, headers).await;
        let (id, _) = brain.called().await;
        brain.reply(id, 200, "{}", false).await;
        assert_eq!(client.reply().await.status, 200, "{method} {target}");
    }
    rig.folders.write("film.mp4", &film(10));
    brain.announce("film", "film.mp4", 10).await;
    let mut viewer = rig.send("GET", BY_NAME, &[]).await;
    resolved(&mut brain, Some("film"), None, None).await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    let reply = viewer.reply().await;
    assert_eq!(
        (reply.body, reply.headers["cross-origin-resource-policy"].as_str()),
        (film(10), "same-origin")
    );
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert_eq!(
        rig.get("/stream/film", &[]).await.status,
        403,
        "a file by its id still needs its key"
    );
    let mut stranger = Brain::connect(rig.port, None).await.unwrap();
    stranger.hello("").await;
    assert_eq!(
        stranger.closed().await,
        Some(CloseCode::Token.code()),
        "an engine still needs the token"
    );
}

#[tokio::test]
async fn every_call_needs_the_token_also_one_that_only_reads() {
    let (rig, mut brain) = rig().await;
    for request in [
        ("GET", "/"),
        ("GET", "/add/x"),
        ("POST", "/add"),
        ("GET", "/torrents"),
        ("GET", BY_NAME),
        ("PUT", "/x"),
    ] {
        check_refused(&rig, &mut brain, request, &[], 401).await;
        check_refused(
            &rig,
            &mut brain,
            request,
            &[("Authorization", "Bearer a-token-of-the-tesT")],
            401,
        )
        .await;
    }
    check_refused(&rig, &mut brain, ("GET", "/torrents?token=&key=key-of-the-film"), &[], 401)
        .await;
    check_refused(
        &rig,
        &mut brain,
        ("POST", "/add"),
        &[BEARER, ("Origin", "https://evil.example")],
        403,
    )
    .await;
    check_refused(&rig, &mut brain, ("GET", "/%68ealth"), &[], 401).await;
    check_refused(&rig, &mut brain, ("POST", "/health"), &[BEARER], 405).await;
    check_refused(&rig, &mut brain, ("TRACE", "/torrents"), &[BEARER], 405).await;
}
