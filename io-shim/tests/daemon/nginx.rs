//! The same requests to nginx and to the daemon, for the same file.
//!
//! Status, headers and bytes have to agree. Where they differ on purpose, the table says so.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use shared_proto::EngineMessage;
use tokio::net::TcpStream;

use crate::rig::{Reply, Rig, TempDir, Viewer, film, soon};

/// How the daemon's answer differs from nginx's, and why.
#[derive(Clone, Copy)]
enum Expected {
    Same,
    /// nginx answers 416 to a malformed header. RFC 9110 §14.2 allows to ignore it, and a player
    /// then plays.
    WholeInstead,
}
use Expected::{Same, WholeInstead};

const LENGTH: usize = 100_000;

const TABLE: &[(&str, Expected)] = &[
    ("", Same),
    ("bytes=0-", Same),
    ("bytes=0-0", Same),
    ("bytes=0-99", Same),
    ("bytes=99999-", Same),
    ("bytes=99999-99999", Same),
    ("bytes=50000-60000", Same),
    ("bytes=0-99999", Same),
    ("bytes=0-100000", Same),
    ("bytes=99000-200000", Same),
    ("bytes=-1", Same),
    ("bytes=-500", Same),
    ("bytes=-100000", Same),
    ("bytes=-100001", Same),
    ("bytes=-0", Same),
    ("bytes=100000-", Same),
    ("bytes=100000-100001", Same),
    ("bytes=999999999999-", Same),
    ("BYTES=0-9", Same),
    ("Bytes=5-", Same),
    ("bytes= 0-9", Same),
    ("bytes=0 - 9", Same),
    ("bytes=0-9 ", Same),
    ("items=0-9", Same),
    ("bytes", Same),
    ("bytes=", Same),
    ("bytes 0-9", Same),
    ("bytes: 0-9", Same),
    ("0-9", Same),
    ("bytes=0-0,-1", Same),
    ("bytes=0-9,20-29,90000-", Same),
    ("bytes=20-29,0-9", Same),
    ("bytes=0-9, 5-14", Same),
    ("bytes=0-9,0-9,0-9", Same),
    ("bytes=0-9,200000-", Same),
    ("bytes=200000-,300000-", Same),
    ("bytes=0-49999,50000-99999", Same),
    ("bytes=0-,0-", Same),
    ("bytes=0-99999,0-0", Same),
    ("bytes=0-,-1", Same),
    ("bytes=-", WholeInstead),
    ("bytes=a-b", WholeInstead),
    ("bytes=1", WholeInstead),
    ("bytes=1-2-3", WholeInstead),
    ("bytes=--5", WholeInstead),
    ("bytes=10-5", WholeInstead),
    ("bytes=0-9,x", WholeInstead),
    ("bytes=0x0-9", WholeInstead),
];

/// Headers to add to the range: name, value.
const CONDITIONS: &[&[(&str, &str)]] = &[
    &[],
    &[("If-Range", "ETAG")],
    &[("If-Range", "\"other\"")],
    &[("If-Range", "W/ETAG")],
    &[("If-None-Match", "ETAG")],
    &[("If-None-Match", "W/ETAG")],
    &[("If-None-Match", "*")],
    &[("If-None-Match", "\"a\", ETAG")],
    &[("If-None-Match", "\"a\", \"b\"")],
    &[("If-Match", "ETAG")],
    &[("If-Match", "*")],
    &[("If-Match", "\"a\"")],
    &[("If-Match", "\"a\",ETAG")],
    &[("If-Match", "ETAG"), ("If-None-Match", "ETAG")],
];

struct Nginx {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Nginx {
    /// Serves a folder.
    async fn serve(root: &Path) -> Self {
        let program = ["/usr/sbin/nginx", "/usr/local/bin/nginx", "/opt/homebrew/bin/nginx"];
        let program = program.into_iter().find(|path| Path::new(path).exists());
        let program = program.expect(
            "nginx is installed (`cargo xtask test` installs it, Debian's package is nginx-light)",
        );
        let folder = TempDir::new();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let temp = folder.path().display();
        let user =
            if std::env::var("USER").is_ok_and(|user| user != "root") { "" } else { "user root;" };
        let configuration = format!(
            "{user} daemon off; master_process off;
             pid {temp}/pid; error_log {temp}/error.log; events {{}}
             http {{ access_log off; types {{ video/mp4 mp4; }}
               client_body_temp_path {temp}/a; proxy_temp_path {temp}/b; fastcgi_temp_path {temp}/c;
               uwsgi_temp_path {temp}/d; scgi_temp_path {temp}/e;
               server {{ listen 127.0.0.1:{port}; root {}; }} }}",
            root.display()
        );
        let path = folder.path().join("nginx.conf");
        std::fs::write(&path, configuration).unwrap();
        let mut command = Command::new(program);
        command
            .arg("-e")
            .arg(folder.path().join("start.log"))
            .arg("-c")
            .arg(&path)
            .stderr(Stdio::null());
        let nginx = Self { child: command.spawn().unwrap(), port, _folder: folder };
        soon(async { while TcpStream::connect(("127.0.0.1", port)).await.is_err() {} }).await;
        nginx
    }

    async fn ask(&self, method: &str, headers: &[(&str, &str)]) -> Reply {
        ask(self.port, method, "/film.mp4", headers).await
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn ask(port: u16, method: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
    let mut viewer = Viewer::connect(port).await;
    viewer.request(method, target, headers).await;
    if method == "HEAD" {
        let head = viewer.head().await;
        return Reply {
            status: head.status,
            headers: head.headers,
            body: vec![],
            is_complete: true,
        };
    }
    viewer.reply().await
}

/// What has to agree, with each server's own boundary replaced.
fn shown(reply: &Reply) -> (u16, String, Vec<u8>) {
    let is_error = reply.status >= 400;
    let names = ["content-range", "content-type", "content-length", "etag", "accept-ranges"];
    // The text of a refusal, and so its type and length, is each server's own, and so is a repeated
    // tag. nginx offers ranges only in replies that use none.
    let names = match reply.status {
        200 => &names[..],
        _ if is_error => &names[..1],
        _ => &names[..4],
    };
    let mut headers: String = names
        .iter()
        .filter_map(|name| Some(format!("{name}: {}\n", reply.headers.get(*name)?)))
        .collect();
    let mut body = if is_error { vec![] } else { reply.body.clone() };
    if let Some((_, boundary)) =
        reply.headers.get("content-type").and_then(|value| value.split_once("boundary="))
    {
        headers = headers.replace(boundary, "B");
        body = replaced(&body, boundary.as_bytes());
    }
    (reply.status, headers, body)
}

fn replaced(body: &[u8], boundary: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.windows(boundary.len()).position(|window| window == boundary) {
        plain.extend_from_slice(&rest[..at]);
        plain.push(b'B');
        rest = &rest[at + boundary.len()..];
    }
    plain.extend_from_slice(rest);
    plain
}

struct Pair {
    rig: Rig,
    nginx: Nginx,
    etag: String,
}

impl Pair {
    async fn of(length: usize) -> Self {
        let rig = Rig::start().await;
        rig.folders.write("film.mp4", &film(length));
        let nginx = Nginx::serve(rig.folders.downloads.path()).await;
        let etag = nginx.ask("HEAD", &[]).await.headers["etag"].clone();
        let mut brain = rig.brain().await;
        let mut announcement = brain.announcement("film", "film.mp4", length as u64);
        if let EngineMessage::FileAnnounce { etag: announced, .. } = &mut announcement {
            *announced = etag.trim_matches('"').to_owned();
        }
        brain.tell(announcement).await;
        brain.be_generous();
        Self { rig, nginx, etag }
    }

    async fn compare(&self, method: &str, headers: &[(&str, &str)], expected: Expected) {
        let headers: Vec<(&str, String)> = headers
            .iter()
            .map(|(name, value)| (*name, value.replace("ETAG", &self.etag)))
            .collect();
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let ours = ask(self.rig.port, method, "/stream/film?key=key-of-the-film", &headers).await;
        let theirs = match expected {
            Same => self.nginx.ask(method, &headers).await,
            WholeInstead => {
                assert_eq!(
                    self.nginx.ask(method, &headers).await.status,
                    416,
                    "no difference: {headers:?}"
                );
                self.nginx.ask(method, &[]).await
            }
        };
        let (ours, theirs) = (shown(&ours), shown(&theirs));
        assert_eq!((ours.0, &ours.1), (theirs.0, &theirs.1), "{method} {headers:?}");
        assert!(ours.2 == theirs.2, "{method} {headers:?}: the bodies differ");
    }
}

#[tokio::test]
async fn every_range_is_answered_as_nginx_answers_it() {
    let pair = Pair::of(LENGTH).await;
    for method in ["GET", "HEAD"] {
        for (range, expected) in TABLE {
            let headers = [("Range", *range)];
            pair.compare(method, if range.is_empty() { &[] } else { &headers }, *expected).await;
        }
    }
}

#[tokio::test]
async fn every_condition_is_answered_as_nginx_answers_it() {
    let pair = Pair::of(LENGTH).await;
    for method in ["GET", "HEAD"] {
        for condition in CONDITIONS {
            for range in [None, Some("bytes=10-19"), Some("bytes=200000-"), Some("bytes=0-9,20-29")]
            {
                let mut headers = condition.to_vec();
                headers.extend(range.map(|range| ("Range", range)));
                pair.compare(method, &headers, Same).await;
            }
        }
    }
}

#[tokio::test]
async fn ranges_of_an_empty_file_are_answered_as_nginx_answers_them() {
    let pair = Pair::of(0).await;
    for range in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=5-", "bytes=5-9", "bytes=0-,5-"] {
        pair.compare("GET", &[("Range", range)], Same).await;
    }
}
