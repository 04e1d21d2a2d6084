//! A new process takes the sockets over while requests run.

use nix::sys::signal::Signal;

use crate::chat::{
    answer, ask, config, event, gated_bytes, gated_stream, streamed_question, wants_stream,
};
use crate::support::Task;
use crate::support::client::{Client, Response};
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::UPSTREAM_KEY_A;
use crate::support::upstream::{Request, Upstream};
use crate::support::within;
use crate::traffic::Traffic;

const UPGRADES: usize = 5;

/// A stream in the middle of its answer.
struct Running {
    gate: Gate,
    task: Task<Response>,
}

/// Streams name their gate by number.
async fn begin(gateway: &Gateway, number: usize, gate: Gate, http2: bool) -> Running {
    let addr = gateway.addr();
    let mut question = streamed_question();
    question["user"] = number.into();
    let begun = Gate::new();
    let task = Task(tokio::spawn({
        let begun = begun.clone();
        async move {
            let mut client = match http2 {
                true => Client::h2c(addr).await,
                false => Client::connect(addr).await,
            };
            let mut stream = ask(&mut client, &question).stream().await;
            stream.until(&event("one")).await;
            begun.open();
            stream.rest().await
        }
    }));
    within("a stream to begin", begun.pass()).await;
    Running { gate, task }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_upgrades_under_load_lose_no_request() {
    let gates: Vec<Gate> = (0..2 * UPGRADES).map(|_| Gate::new()).collect();
    let scripted = gates.clone();
    let reply = move |request: &Request| match wants_stream(request) {
        true => gated_stream(&scripted[request.json()["user"].as_u64().unwrap() as usize]),
        false => answer("x"),
    };
    let upstream = Upstream::handler(reply).await;
    let builder = Gateway::builder(&config(&[("a", &upstream.url(), "")]));
    let mut current = builder.env("RUST_LOG", "info,access=off").start().await;
    let addr = current.addr();
    let traffic = Traffic::new()
        .keep_alive(8, addr)
        .newcomers(2, addr)
        .h2c(4, addr);
    let mut served_before = 0;
    for round in 0..UPGRADES {
        let streams = [
            begin(&current, 2 * round, gates[2 * round].clone(), false).await,
            begin(&current, 2 * round + 1, gates[2 * round + 1].clone(), true).await,
        ];
        let next = current.start_upgrade();
        next.wait_log(|line| line.contains("No incoming socket transfer"))
            .await;
        current.signal(Signal::SIGQUIT);
        next.ready().await;
        current.wait_log(|line| line.contains("finishing ")).await;
        for Running { gate, mut task } in streams {
            assert!(!task.0.is_finished());
            gate.open();
            let whole = within("a stream to end", &mut task.0).await.unwrap();
            assert!(whole.complete);
            assert_eq!(whole.text(), gated_bytes());
        }
        assert_eq!(current.wait_exit().await.code(), Some(0));
        let served = upstream.requests().len();
        assert!(
            served > served_before,
            "nothing was served in round {round}"
        );
        served_before = served;
        current = next;
    }
    let seen = traffic.stop().await;
    println!(
        "{UPGRADES} upgrades: {} requests served, {} connections told to move, {} failures",
        seen.served,
        seen.moved,
        seen.failures.len()
    );
    assert!(seen.failures.is_empty(), "{:?}", seen.failures);
    assert!(seen.moved > UPGRADES, "nobody was told to move");
    assert!(upstream.requests().iter().all(|it| {
        it.header("authorization")
            .is_some_and(|key| key.ends_with(UPSTREAM_KEY_A))
    }));
}

#[tokio::test]
async fn a_successor_that_nobody_hands_sockets_to_gives_up() {
    let upstream = Upstream::always(answer("x")).await;
    let gateway = Gateway::start(&config(&[("a", &upstream.url(), "")])).await;
    let successor = gateway.start_upgrade();
    assert_eq!(successor.wait_exit().await.code(), Some(1));
    successor
        .wait_log(|line| line.contains("Bootstrap failed"))
        .await;
    assert_eq!(
        crate::chat::text(&crate::chat::answered(&gateway).await),
        "x"
    );
}

#[tokio::test]
async fn a_second_successor_leaves_the_first_one_alone() {
    let upstream = Upstream::always(answer("x")).await;
    let gateway = Gateway::start(&config(&[("a", &upstream.url(), "")])).await;
    let first = gateway.start_upgrade();
    first
        .wait_log(|line| line.contains("No incoming socket transfer"))
        .await;
    let second = gateway.start_upgrade();
    second
        .wait_log(|line| line.contains("waits at") && line.contains("to take over already"))
        .await;
    assert_eq!(second.wait_exit().await.code(), Some(1));
    gateway.signal(Signal::SIGQUIT);
    first.ready().await;
    assert_eq!(crate::chat::text(&crate::chat::answered(&first).await), "x");
}

#[tokio::test]
async fn a_successor_may_listen_elsewhere_unless_that_is_taken() {
    let upstream = Upstream::always(answer("x")).await;
    let yaml = config(&[("a", &upstream.url(), "")]);
    let gateway = Gateway::start(&yaml).await;
    let other = Gateway::start(&yaml).await;
    gateway.write_config(&format!("port: {}\n{yaml}", other.addr().port()));
    let successor = gateway.start_upgrade();
    successor
        .wait_log(|line| line.contains("No incoming socket transfer"))
        .await;
    gateway.signal(Signal::SIGQUIT);
    let says = format!("cannot listen on {}", other.addr());
    successor.wait_log(|line| line.contains(&says)).await;
    assert_eq!(successor.wait_exit().await.code(), Some(1));
}
