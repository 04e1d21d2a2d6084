//! The client of Redis against a real one: commands, messages, locks, and what it makes of servers that
//! are away, hang, refuse, or hold what nobody here wrote.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::redis::cmd;
use ai_proxy::state::redis::{Heard, Redis, RedisUrl, Trouble};
use ai_proxy::upstream::roots::Roots;

use crate::support::servers::{PASSWORD, Server};

const DEADLINE: Duration = Duration::from_secs(5);

/// A client of the Redis at `url`, kept connected as long as the test runs.
pub fn client(url: &str) -> Arc<Redis> {
    let roots = Roots::load(None).unwrap();
    let redis = Arc::new(Redis::new(
        RedisUrl::parse(url).unwrap(),
        "test:",
        Arc::clone(&roots.client),
    ));
    let running = Arc::clone(&redis);
    tokio::spawn(async move { running.run().await });
    redis
}

/// Waits until it is connected and answers, or is not.
pub async fn until(redis: &Redis, up: bool) {
    let begin = Instant::now();
    while redis.is_up() != up {
        assert!(begin.elapsed() < Duration::from_secs(20), "up is not {up}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn commands_are_answered_and_messages_heard_over_a_restart() {
    let mut server = Server::redis().await;
    let (one, two) = (client(&server.url()), client(&server.url()));
    let mut heard = two.listen("news");
    assert_eq!(heard.next().await, Heard::Anew);
    until(&one, true).await;
    one.publish("news", b"a", DEADLINE).await.unwrap();
    assert_eq!(heard.next().await, Heard::Message("a".into()));
    let key = one.key("n");
    assert_eq!(key, "test:n");
    let counted: i64 = one.ask(cmd("INCR").arg(&key), DEADLINE).await.unwrap();
    assert_eq!(counted, 1);

    server.kill().await;
    until(&one, false).await;
    let error = one
        .ask::<()>(cmd("GET").arg(&key), DEADLINE)
        .await
        .unwrap_err();
    assert_eq!(error.trouble, Trouble::Away);
    assert!(!error.to_string().contains(PASSWORD));
    server.start().await;
    assert_eq!(heard.next().await, Heard::Anew);
    until(&one, true).await;
    one.publish("news", b"b", DEADLINE).await.unwrap();
    assert_eq!(heard.next().await, Heard::Message("b".into()));
}

#[tokio::test]
async fn a_redis_that_hangs_delays_one_command_and_no_other() {
    let server = Server::redis().await;
    let redis = client(&server.url());
    until(&redis, true).await;
    server.freeze();
    let short = Duration::from_millis(50);
    let begin = Instant::now();
    let error = redis.ask::<()>(&cmd("PING"), short).await.unwrap_err();
    assert_eq!(error.trouble, Trouble::Slow);
    assert!(begin.elapsed() >= short);
    // What is late for those in a hurry is not for others.
    assert!(redis.is_up());
    let error = redis.ask::<()>(&cmd("PING"), short).await.unwrap_err();
    assert_eq!(error.trouble, Trouble::Away);
    let patient = Duration::from_millis(500);
    let error = redis.ask::<()>(&cmd("PING"), patient).await.unwrap_err();
    assert_eq!(error.trouble, Trouble::Slow);
    let begin = Instant::now();
    for _ in 0..1_000 {
        let error = redis.ask::<()>(&cmd("PING"), DEADLINE).await.unwrap_err();
        assert_eq!(error.trouble, Trouble::Away);
    }
    assert!(begin.elapsed() < Duration::from_secs(1));
    server.thaw();
    until(&redis, true).await;
    redis.ask::<()>(&cmd("PING"), DEADLINE).await.unwrap();
}

#[tokio::test]
async fn what_is_refused_and_what_is_strange_are_told_apart() {
    let server = Server::redis().await;
    let wrong = server.url().replace(PASSWORD, "not-the-password");
    let refused = client(&wrong);
    while refused.troubles()[Trouble::Refused as usize] == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!refused.is_up());
    let redis = client(&server.url());
    until(&redis, true).await;
    let key = redis.key("x");
    redis
        .ask::<()>(cmd("RPUSH").arg(&key).arg("a"), DEADLINE)
        .await
        .unwrap();
    let error = redis.ask::<i64>(cmd("INCR").arg(&key), DEADLINE).await;
    assert_eq!(error.unwrap_err().trouble, Trouble::Strange);
    let other = redis.key("y");
    redis
        .ask::<()>(cmd("SET").arg(&other).arg("abc"), DEADLINE)
        .await
        .unwrap();
    for wrong in [
        redis.ask::<i64>(cmd("INCR").arg(&other), DEADLINE).await,
        redis.ask::<i64>(cmd("GET").arg(&other), DEADLINE).await,
    ] {
        assert_eq!(wrong.unwrap_err().trouble, Trouble::Strange);
    }
    let error = redis.ask::<()>(&cmd("NONSENSE"), DEADLINE).await;
    assert_eq!(error.unwrap_err().trouble, Trouble::Refused);
    assert!(redis.is_up());
}

#[tokio::test]
async fn a_lock_has_one_holder_and_outlives_nobody() {
    let server = Server::redis().await;
    let (one, two) = (client(&server.url()), client(&server.url()));
    until(&one, true).await;
    until(&two, true).await;
    let long = Duration::from_secs(60);
    let lock = one.lock("a", long, DEADLINE).await.unwrap().unwrap();
    assert!(two.lock("a", long, DEADLINE).await.unwrap().is_none());
    assert!(lock.extend(long, DEADLINE).await.unwrap());
    assert!(lock.release(DEADLINE).await.unwrap());
    // Its holder is gone, and it ends by itself.
    let lost = one.lock("a", Duration::from_millis(20), DEADLINE).await;
    let lost = lost.unwrap().unwrap();
    let next = loop {
        if let Some(lock) = two.lock("a", long, DEADLINE).await.unwrap() {
            break lock;
        }
    };
    // Who held it before can neither keep it nor give it away.
    assert!(!lost.extend(long, DEADLINE).await.unwrap());
    assert!(!lost.release(DEADLINE).await.unwrap());
    assert!(next.release(DEADLINE).await.unwrap());
}
