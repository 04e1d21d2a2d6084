//! The loader against the mock, and against an upstream that is too slow.
#![allow(
    clippy::disallowed_methods,
    reason = "the other side of a test runs in a thread that ends with the tests"
)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use crate::loader::{Expected, Load, Plan, Report, run};
use crate::mock;

/// A mock that runs until the tests end.
fn mock_port() -> u16 {
    let (told, port) = mpsc::channel();
    std::thread::spawn(move || mock::run(0, |port| told.send(port).unwrap()));
    port.recv_timeout(Duration::from_secs(10)).unwrap()
}

/// Half a second of load.
fn load(port: u16, load: Load, body: &str, expect: Expected) -> Report {
    let file = PathBuf::from(format!(
        "{}/ai-proxy-bench-{port}-{}.json",
        std::env::temp_dir().display(),
        body.len()
    ));
    std::fs::write(&file, body).unwrap();
    let plan = Plan {
        url: format!("http://127.0.0.1:{port}/v1/chat/completions"),
        headers: Vec::new(),
        body: file.clone(),
        load,
        connections: if load == Load::Closed { 4 } else { 1 },
        ramp: 0.0,
        warmup: 0.1,
        seconds: 0.5,
        expect,
        watch: [("test".to_owned(), vec![std::process::id()])].into(),
    };
    let report = run(&plan).unwrap();
    std::fs::remove_file(file).unwrap();
    report
}

#[test]
fn whole_answers_are_sound_and_counted() {
    let expect = Expected {
        text: Some("quick brown fox".to_owned()),
        stamps: None,
    };
    let report = load(mock_port(), Load::Closed, "{}", expect);
    assert_eq!(
        (report.bad, report.errors),
        (0, 0),
        "{:?}",
        report.complaint
    );
    assert!(report.answers > 10 && report.cpu["test"] > 0.0);
    assert_eq!(report.latency.unwrap().count, report.answers);
}

#[test]
fn every_chunk_of_a_stream_is_counted_and_timed() {
    let expect = Expected {
        text: None,
        stamps: Some(200),
    };
    let report = load(mock_port(), Load::Closed, r#"{"stream":true}"#, expect);
    assert_eq!(
        (report.bad, report.errors),
        (0, 0),
        "{:?}",
        report.complaint
    );
    // Some of the first four were sent before the measured time.
    assert!(report.chunks >= report.answers.saturating_sub(4) * 200);
    assert_eq!(report.chunk.unwrap().count, report.chunks);
}

#[test]
fn a_wrong_answer_is_bad() {
    let expect = Expected {
        text: Some("a word that never comes".to_owned()),
        stamps: None,
    };
    let report = load(mock_port(), Load::Closed, "{ }", expect);
    assert_eq!(report.answers, 0);
    assert!(report.bad > 0 && report.complaint.unwrap().contains("never comes"));
}

#[test]
fn time_spent_waiting_for_a_connection_is_latency() {
    // 200 a second are wanted, and every answer takes 10 ms: the queue grows, and only latency that
    // counts from the intended time tells so.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        while client.read(&mut buffer).is_ok_and(|length| length > 0) {
            std::thread::sleep(Duration::from_millis(10));
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            if client.write_all(answer).is_err() {
                return;
            }
        }
    });
    let report = load(port, Load::Rate(200.0), "{}", Expected::default());
    let (latency, answer) = (report.latency.unwrap(), report.first_byte.unwrap());
    assert!(answer.p50 < latency.p50 / 2.0, "{latency:?} {answer:?}");
    assert!(latency.max > 100_000.0, "{latency:?}");
    assert!(report.queued > 10);
}
