//! Fetching from servers of this machine, under names that a scripted name server knows.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::crypto::ring;

use super::*;
use crate::upstream::resolve::Lookup;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
const LOCAL: &str = "127.0.0.1";

/// Knows some names; remembers who asked for which. An answer is given once, the last one for ever.
#[derive(Default)]
struct Names {
    known: HashMap<&'static str, Vec<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Lookup for Names {
    async fn lookup(&self, host: &str) -> Result<(Vec<IpAddr>, Duration), String> {
        let mut asked = self.asked.lock().unwrap();
        let before = asked.iter().filter(|one| **one == host).count();
        asked.push(host.to_owned());
        let answers = self.known.get(host).ok_or("NXDOMAIN")?;
        let answer = answers.get(before).or_else(|| answers.last()).unwrap();
        Ok((answer.clone(), Duration::from_secs(60)))
    }
}

/// What a server gives for a path.
type Pages = Vec<(&'static str, Vec<u8>)>;

/// A server of this machine; what it was asked.
struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Gives the pages; to other paths nothing, and never ends.
    async fn start(pages: Pages) -> Self {
        let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (seen, pages) = (Arc::clone(&asked), Arc::new(pages));
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (seen, pages) = (Arc::clone(&seen), Arc::clone(&pages));
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(socket.read_u8().await.unwrap());
                    }
                    let head = String::from_utf8(head).unwrap();
                    let path = head.split(' ').nth(1).unwrap().to_owned();
                    seen.lock().unwrap().push(head);
                    match pages.iter().find(|(page, _)| *page == path) {
                        Some((_, answer)) => {
                            let _ = socket.write_all(answer).await;
                        }
                        None => std::future::pending().await,
                    }
                });
            }
        });
        Self { port, asked }
    }

    fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn ok(body: &[u8]) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn redirect(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

fn names(known: &[(&'static str, &[&[&str]])]) -> Arc<Names> {
    let parse = |ips: &&[&str]| ips.iter().map(|ip| ip.parse().unwrap()).collect();
    let known = known
        .iter()
        .map(|(host, answers)| (*host, answers.iter().map(parse).collect()));
    Arc::new(Names {
        known: known.collect(),
        asked: Mutex::default(),
    })
}

fn fetcher(names: &Arc<Names>, limits: Limits) -> Fetcher {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let lookup = Arc::clone(names);
    Fetcher::new(Arc::new(Resolver::with(lookup)), Arc::new(tls), limits)
}

fn small() -> Limits {
    Limits {
        count: 3,
        each: 2_000,
        together: 3_000,
        redirects: 2,
        time: Duration::from_millis(300),
    }
}

fn listed(hosts: &[&str]) -> MediaFetch {
    let hosts = hosts.iter().map(|host| MediaHost::try_new(host).unwrap());
    MediaFetch::Allowlist(hosts.collect())
}

fn wanted(url: impl Into<String>, kind: Kind) -> Wanted {
    Wanted {
        url: url.into(),
        kind,
        at: "messages[0].content[1]".to_owned(),
    }
}

/// Fetches one picture; what was wrong.
async fn image(fetcher: &Fetcher, from: &MediaFetch, url: &str) -> Result<Inline, NotFetched> {
    let mut fetched = Fetched::default();
    let wanted = [wanted(url, Kind::Image)];
    match fetcher.fetch(from, &wanted, &mut fetched).await {
        Ok(()) => Ok(fetched.media().find(url).unwrap().clone()),
        Err(refused) => Err(refused.why),
    }
}

#[tokio::test]
async fn a_picture_of_a_listed_host_is_fetched_once_and_nothing_of_the_client_is_sent() {
    let server = Server::start(vec![("/a.png?key=secret", ok(PNG))]).await;
    let names = names(&[("img.test", &[&[LOCAL]])]);
    let fetcher = fetcher(&names, Limits::DEFAULT);
    let url = server.url("img.test", "/a.png?key=secret");
    let one = [wanted(&url, Kind::Image), wanted(&url, Kind::Image)];
    let mut fetched = Fetched::default();
    for _ in 0..2 {
        let from = listed(&["img.test"]);
        fetcher.fetch(&from, &one, &mut fetched).await.unwrap();
    }
    let inline = fetched.media().find(&url).unwrap();
    assert_eq!(inline.mime, "image/png", "the server says text/plain");
    assert_eq!(inline.base64, BASE64_STANDARD.encode(PNG));
    assert_eq!(server.count(), 1);
    let head = server.asked.lock().unwrap()[0].clone();
    let fields: Vec<_> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    assert_eq!(fields, ["accept", "user-agent", "host"], "{head}");
    assert!(head.contains(AGENT), "{head}");
}

#[tokio::test]
async fn an_address_that_is_not_public_is_never_connected_to() {
    let server = Server::start(vec![("/", ok(PNG))]).await;
    let names = names(&[
        ("local.test", &[&[LOCAL]]),
        ("localhost", &[&[LOCAL]]),
        ("mixed.test", &[&["8.8.8.8", LOCAL]]),
        ("mapped.test", &[&["::ffff:127.0.0.1"]]),
        ("meta.test", &[&["169.254.169.254"]]),
        ("empty.test", &[&[]]),
    ]);
    let fetcher = fetcher(&names, small());
    let all = [
        "local.test",
        "localhost",
        "mixed.test",
        "mapped.test",
        "meta.test",
        "empty.test",
        "unknown.test",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0",
        "[::1]",
        "[::ffff:7f00:1]",
        "[::]",
        "10.0.0.1",
    ];
    for host in all {
        let url = server.url(host, "/");
        let found = image(&fetcher, &MediaFetch::On, &url).await;
        assert_eq!(found, Err(NotFetched::NoAddress), "{host}");
    }
    // What stands under a listed domain must be public, and metadata is out of reach for everyone.
    for (listed_host, host) in [("*.test", "local.test"), ("meta.test", "meta.test")] {
        let url = server.url(host, "/");
        let found = image(&fetcher, &listed(&[listed_host]), &url).await;
        assert_eq!(found, Err(NotFetched::NoAddress), "{host}");
    }
    let url = server.url("local.test", "/");
    let elsewhere = image(&fetcher, &listed(&["img.test"]), &url).await;
    assert_eq!(elsewhere, Err(NotFetched::NotListed));
    let off = image(&fetcher, &MediaFetch::Off, &url).await;
    assert_eq!(off, Err(NotFetched::NotListed));
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_that_address_is_connected_to() {
    let server = Server::start(vec![("/", ok(PNG))]).await;
    // A second question would be answered with an address that may be reached.
    let names = names(&[("img.test", &[&[LOCAL], &["127.0.0.2"]])]);
    let fetcher = fetcher(&names, small());
    let url = server.url("img.test", "/");
    let found = image(&fetcher, &listed(&["img.test"]), &url).await;
    assert!(found.is_ok(), "{found:?}");
    assert_eq!(*names.asked.lock().unwrap(), ["img.test"]);
}

#[tokio::test]
async fn redirects_are_followed_where_they_may_go() {
    let target = Server::start(vec![("/", ok(PNG))]).await;
    let pages = vec![
        ("/relative", redirect("there?x=1")),
        ("/there?x=1", ok(PNG)),
        ("/other", redirect(&target.url("img.test", "/"))),
        ("/unlisted", redirect(&target.url("else.test", "/"))),
        ("/private", redirect("http://10.0.0.1/")),
        ("/metadata", redirect("http://169.254.169.254/latest")),
        ("/file", redirect("file:///etc/passwd")),
        ("/user", redirect("http://me:secret@img.test/")),
        ("/nowhere", redirect("http://")),
        ("/loop", redirect("/loop")),
        ("/two", redirect("/relative")),
        ("/three", redirect("/two")),
    ];
    let server = Server::start(pages).await;
    let names = names(&[("img.test", &[&[LOCAL]]), ("else.test", &[&[LOCAL]])]);
    let fetcher = fetcher(&names, small());
    let from = listed(&["img.test", "10.0.0.1.test"]);
    let table = [
        ("/relative", None),
        ("/other", None),
        ("/two", None),
        ("/three", Some(NotFetched::Redirects)),
        ("/loop", Some(NotFetched::Redirects)),
        ("/unlisted", Some(NotFetched::Redirected)),
        ("/private", Some(NotFetched::Redirected)),
        ("/metadata", Some(NotFetched::Redirected)),
        ("/file", Some(NotFetched::Redirected)),
        ("/user", Some(NotFetched::Redirected)),
        ("/nowhere", Some(NotFetched::Redirected)),
    ];
    for (path, wrong) in table {
        let found = image(&fetcher, &from, &server.url("img.test", path)).await;
        assert_eq!(found.err(), wrong, "{path}");
    }
    assert_eq!(target.count(), 1);
}

#[test]
fn a_redirect_never_leaves_https() {
    let answer = |to: &str| {
        let answer = http::Response::builder().status(301);
        let answer = answer.header("location", to).body("").unwrap();
        Response::from(answer)
    };
    let secure = Url::parse("https://a.example/").unwrap();
    let plain = Url::parse("http://a.example/").unwrap();
    let to = answer("http://b.example/");
    assert_eq!(next(&secure, &to), Err(NotFetched::Downgrade));
    assert!(next(&plain, &to).unwrap().is_some());
    assert!(
        next(&plain, &answer("https://b.example/"))
            .unwrap()
            .is_some()
    );
    assert_eq!(
        next(&plain, &answer("//b.example/"))
            .unwrap()
            .unwrap()
            .scheme(),
        "http"
    );
}

#[tokio::test]
async fn what_is_too_large_too_slow_or_something_else_is_refused() {
    let of = |length: usize| {
        let mut body = PNG.to_vec();
        body.resize(length, 0);
        body
    };
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.extend(of(2_001));
    let mut chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7d1\r\n".to_vec();
    chunked.extend(of(2_001));
    chunked.extend(b"\r\n0\r\n\r\n");
    let pages = vec![
        ("/fits", ok(&of(2_000))),
        ("/large", ok(&of(2_001))),
        ("/endless", endless),
        ("/chunked", chunked),
        ("/page", ok(b"<!doctype html><title>login</title>")),
        ("/json", ok(b"{\"role\": \"admin\"}")),
        ("/pdf", ok(b"%PDF-1.7")),
        ("/empty", ok(b"")),
        (
            "/missing",
            b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n".to_vec(),
        ),
        ("/garbage", b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
        (
            "/cut",
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n\x89PNG".to_vec(),
        ),
    ];
    let server = Server::start(pages).await;
    let names = names(&[("img.test", &[&[LOCAL]])]);
    let fetcher = fetcher(&names, small());
    let from = listed(&["img.test"]);
    let table = [
        ("/fits", None),
        ("/large", Some(NotFetched::TooLarge(2_000))),
        ("/endless", Some(NotFetched::TooLarge(2_000))),
        ("/chunked", Some(NotFetched::TooLarge(2_000))),
        ("/page", Some(NotFetched::Page(Kind::Image))),
        ("/json", Some(NotFetched::Other(Kind::Image))),
        ("/pdf", Some(NotFetched::Other(Kind::Image))),
        ("/empty", Some(NotFetched::Other(Kind::Image))),
        ("/missing", Some(NotFetched::Status(404))),
        ("/garbage", Some(NotFetched::Unreachable)),
        ("/cut", Some(NotFetched::Unreachable)),
        ("/never-answered", Some(NotFetched::Slow)),
    ];
    for (path, wrong) in table {
        let found = image(&fetcher, &from, &server.url("img.test", path)).await;
        assert_eq!(found.err(), wrong, "{path}");
    }
    for (url, wrong) in [
        ("http://", NotFetched::Address),
        ("ftp://img.test/", NotFetched::Scheme),
        ("http://me@img.test/", NotFetched::Credentials),
        ("http://:secret@img.test/", NotFetched::Credentials),
    ] {
        assert_eq!(image(&fetcher, &from, url).await, Err(wrong), "{url}");
    }
}

#[tokio::test]
async fn a_request_has_one_budget_for_all_its_media() {
    let mut body = PNG.to_vec();
    body.resize(1_600, 0);
    let pages = vec![("/1", ok(&body)), ("/2", ok(&body)), ("/3", ok(PNG))];
    let server = Server::start(pages).await;
    let names = names(&[("img.test", &[&[LOCAL]])]);
    let fetcher = fetcher(&names, small());
    let from = listed(&["img.test"]);
    let one = |path: &str| wanted(server.url("img.test", path), Kind::Image);
    // Also when a second account wants more than the first.
    let mut fetched = Fetched::default();
    let first = fetcher.fetch(&from, &[one("/1")], &mut fetched).await;
    assert_eq!(first, Ok(()));
    let second = [one("/1"), one("/2")];
    let refused = fetcher.fetch(&from, &second, &mut fetched).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.why, NotFetched::TooMuch(3_000));
    let asked = server.count();
    let again = fetcher.fetch(&from, &second, &mut fetched).await;
    assert_eq!(again.unwrap_err(), refused);
    assert_eq!(server.count(), asked, "what has failed is not asked again");

    let many = ["/1", "/2", "/3", "/4"].map(one);
    let mut fetched = Fetched::default();
    let refused = fetcher.fetch(&from, &many, &mut fetched).await.unwrap_err();
    assert_eq!(refused.why, NotFetched::TooMany(3));
    assert_eq!(server.count(), asked, "too many are not asked at all");
}

#[tokio::test]
async fn the_first_failure_ends_the_wait_for_the_others() {
    let server = Server::start(vec![("/page", ok(b"<html>"))]).await;
    let names = names(&[("img.test", &[&[LOCAL]])]);
    let limits = Limits {
        time: Duration::from_secs(60),
        ..small()
    };
    let fetcher = fetcher(&names, limits);
    let both = ["/never-answered", "/page"];
    let both = both.map(|path| wanted(server.url("img.test", path), Kind::Video));
    let mut fetched = Fetched::default();
    let from = listed(&["img.test"]);
    let refused = fetcher.fetch(&from, &both, &mut fetched).await.unwrap_err();
    assert_eq!(refused.why, NotFetched::Page(Kind::Video));
    assert_eq!(refused.host.as_deref(), Some("img.test"));
}

#[test]
fn the_words_name_no_query() {
    let url = "https://user:pass@a.example/p?token=secret";
    let refused = Refused::new(&wanted(url, Kind::Image), NotFetched::NotListed);
    assert_eq!(refused.host.as_deref(), Some("a.example"));
    let said = [
        NotFetched::TooLarge(20 << 20).to_string(),
        NotFetched::Page(Kind::Document).to_string(),
        NotFetched::Other(Kind::Audio).to_string(),
    ];
    assert_eq!(
        said,
        [
            "it is larger than 20 MiB",
            "it is a web page, not a PDF document",
            "it is not audio"
        ]
    );
}
