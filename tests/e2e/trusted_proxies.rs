//! Where a client is, when a reverse proxy has connected for it.

use crate::ask::{Ask, Bench};
use crate::support::client::Client;

/// The access line of one request with these fields.
async fn line(bench: &Bench, id: &str, fields: &[(&str, &str)]) -> String {
    let mut client = bench.client().await;
    let mut request = Ask::Chat.bare(&mut client, "gpt-5");
    request = request.header("x-request-id", id);
    for (name, value) in fields {
        request = request.header(name, value);
    }
    let response = request.body(Ask::Chat.body("gpt-5")).send().await;
    assert_eq!(response.status, 200, "{response:?}");
    let of_it = |line: &str| line.contains("access") && line.contains(id);
    bench.gateway.wait_log(of_it).await
}

const FIELDS: [(&str, &str); 4] = [
    ("x-forwarded-for", "1.1.1.1, 192.0.2.7"),
    ("forwarded", "for=1.1.1.1"),
    ("x-real-ip", "1.1.1.1"),
    ("x-forwarded-proto", "https"),
];

#[tokio::test]
async fn a_trusted_proxy_is_believed_and_stays_visible() {
    let bench = Bench::new("trusted-proxies: [10.0.0.0/8, 127.0.0.1]").await;
    let said = line(&bench, "one", &FIELDS).await;
    assert!(said.contains(" peer=192.0.2.7 via=127.0.0.1:"), "{said}");
    let said = line(&bench, "two", &[("forwarded", "for=\"[2001:db8::1]:99\"")]).await;
    assert!(said.contains(" peer=2001:db8::1 via=127.0.0.1:"), "{said}");
    // Entries of the clients' own, and what is no address.
    let long = "10.1.1.1,".repeat(5_000) + "192.0.2.9";
    let said = line(&bench, "three", &[("x-forwarded-for", &long)]).await;
    assert!(said.contains(" peer=192.0.2.9 via="), "{said}");
    for garbage in ["", "unknown", "192.0.2.1 status=500", "\"", ",,,,", "[::1"] {
        let id = format!("garbage-{}", garbage.len());
        let said = line(&bench, &id, &[("x-forwarded-for", garbage)]).await;
        assert!(said.contains(" peer=127.0.0.1:"), "{garbage}: {said}");
        assert!(!said.contains("via="), "{said}");
    }
    let said = line(&bench, "none", &[]).await;
    assert!(said.contains(" peer=127.0.0.1:") && !said.contains("via="));
}

#[tokio::test]
async fn requests_that_are_refused_or_answered_here_have_the_client_too() {
    let bench = Bench::new("trusted-proxies: ['127.0.0.0/8']\nlog-format: json").await;
    for (path, status) in [("/health", 200), ("/v1/models", 401), ("/nowhere", 401)] {
        let mut client = Client::connect(bench.gateway.addr()).await;
        let request = client.request("GET", path);
        let response = request.header("x-forwarded-for", "192.0.2.7").send().await;
        assert_eq!(response.status, status, "{path}");
        let of_it = |line: &str| line.contains("\"access\"") && line.contains(path);
        let line = bench.gateway.wait_log(of_it).await;
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["peer"], "192.0.2.7");
        assert!(line["via"].as_str().unwrap().starts_with("127.0.0.1:"));
    }
}

#[tokio::test]
async fn nobody_else_is_believed_and_no_provider_hears_of_it() {
    for settings in [
        "",
        "trusted-proxies: [10.0.0.0/8]",
        "trusted-proxies: ['127.0.0.1']",
    ] {
        let bench = Bench::new(settings).await;
        let said = line(&bench, "one", &FIELDS).await;
        if !settings.contains("127.0.0.1") {
            assert!(said.contains(" peer=127.0.0.1:"), "{said}");
            assert!(!said.contains("via=") && !said.contains("192.0.2.7"));
        }
        let sent = bench.upstream.request(0).await;
        for (name, _) in FIELDS {
            assert_eq!(sent.header(name), None, "{sent:?}");
        }
        assert!(!format!("{sent:?}").contains("192.0.2.7"));
    }
}
