//! What several instances share at once, in a Redis (6 or later).
//!
//! One connection carries commands and messages. [`Redis::run`] makes it and makes it again, for ever;
//! until then, and whenever it is gone, every command fails at once and the caller goes on with what it
//! knows itself. A command that is not answered by its deadline makes the others fail at once too,
//! until a ping has been answered: a Redis that hangs delays one request, not all of them. One with a
//! deadline below half a second does so to its like only: what is late for a request is no trouble for the rest.

mod address;
mod channels;
mod error;
mod lock;
mod wire;

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, Pipeline, ScriptInvocation, cmd};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::rustls::ClientConfig;

pub use address::{InvalidRedisUrl, RedisUrl};
use channels::Channels;
pub use channels::{Heard, Listener};
pub use error::{NotDone, Trouble};
pub use lock::Lock;

/// How long a connection may take to be made and to say hello.
const CONNECT: Duration = Duration::from_secs(2);
/// How often a ping is sent, and how long it may take.
const PING: Duration = Duration::from_secs(1);
/// A command that may take so long and is not answered in time says that Redis hangs.
const PATIENT: Duration = Duration::from_millis(500);
/// The first wait between two tries to connect; doubles up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_millis(50);
/// The longest wait between two tries to connect.
const LONGEST: Duration = Duration::from_secs(2);
/// A line about what cannot be done is written at most so often.
const COMPLAIN: Duration = Duration::from_secs(60);

/// A Redis. Connects when [`run`](Self::run) runs.
#[derive(Debug)]
pub struct Redis {
    url: RedisUrl,
    prefix: Box<str>,
    tls: Arc<ClientConfig>,
    instance: u64,
    link: ArcSwapOption<Link>,
    /// A command was not answered in time, and no ping since.
    suspect: AtomicBool,
    /// One with a short deadline was not, and no ping since.
    late: AtomicBool,
    /// Somebody wants a ping or a subscription at once.
    wake: Notify,
    channels: Arc<Channels>,
    troubles: [AtomicU64; Trouble::ALL.len()],
    said: Mutex<Said>,
}

struct Link(MultiplexedConnection);

/// What the log knows.
#[derive(Debug, Default)]
struct Said {
    /// Why it is away; `None`: it is not, or nothing was said yet.
    away: Option<String>,
    complained: Option<Instant>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Link")
    }
}

impl Redis {
    /// The Redis at `url`, in which every key and channel begins with `prefix`. `tls` is for `rediss://`.
    pub fn new(url: RedisUrl, prefix: &str, tls: Arc<ClientConfig>) -> Self {
        Self {
            url,
            prefix: prefix.into(),
            tls,
            instance: rand::random(),
            link: ArcSwapOption::empty(),
            suspect: AtomicBool::new(false),
            late: AtomicBool::new(false),
            wake: Notify::new(),
            channels: Arc::default(),
            troubles: Default::default(),
            said: Mutex::default(),
        }
    }

    /// Where it is.
    pub fn url(&self) -> &RedisUrl {
        &self.url
    }

    /// A number that no other instance has, to know one's own messages by.
    pub fn instance(&self) -> u64 {
        self.instance
    }

    /// The full name of a key or channel.
    pub fn key(&self, rest: impl Display) -> String {
        format!("{}{rest}", self.prefix)
    }

    /// Whether it is connected and answers.
    pub fn is_up(&self) -> bool {
        self.link.load().is_some() && !self.suspect.load(Ordering::Relaxed)
    }

    /// How often something of a kind was not done, in the order of [`Trouble::ALL`].
    pub fn troubles(&self) -> [u64; Trouble::ALL.len()] {
        std::array::from_fn(|n| self.troubles[n].load(Ordering::Relaxed))
    }

    /// The answer to `command`. Fails at once when Redis is away, and after `deadline` otherwise.
    pub async fn ask<T: FromRedisValue>(
        &self,
        command: &Cmd,
        deadline: Duration,
    ) -> Result<T, NotDone> {
        let mut link = self.link(deadline)?;
        self.within(deadline, command.query_async(&mut link)).await
    }

    /// The answers to several commands, sent together.
    pub async fn ask_all<T: FromRedisValue>(
        &self,
        commands: &Pipeline,
        deadline: Duration,
    ) -> Result<T, NotDone> {
        let mut link = self.link(deadline)?;
        self.within(deadline, commands.query_async(&mut link)).await
    }

    /// The answer of a script.
    pub async fn run_script<T: FromRedisValue>(
        &self,
        call: &ScriptInvocation<'_>,
        deadline: Duration,
    ) -> Result<T, NotDone> {
        let mut link = self.link(deadline)?;
        self.within(deadline, call.invoke_async(&mut link)).await
    }

    /// Tells `message` to everyone who listens on the channel `name`, this instance too.
    pub async fn publish(
        &self,
        name: &str,
        message: &[u8],
        deadline: Duration,
    ) -> Result<(), NotDone> {
        let mut publish = cmd("PUBLISH");
        publish.arg(self.key(name)).arg(message);
        self.ask(&publish, deadline).await
    }

    /// Hears what is said on the channel `name` from now on, over all losses of the connection.
    pub fn listen(&self, name: &str) -> Listener {
        let listener = self.channels.listen(self.key(name));
        self.wake.notify_one();
        listener
    }

    /// Writes to the log, but not often, that `what` failed with something that an operator may mend.
    pub fn complain(&self, what: impl Display, error: &NotDone) {
        if matches!(error.trouble, Trouble::Away | Trouble::Slow) {
            return;
        }
        let now = Instant::now();
        let last = &mut self.said.lock().complained;
        if last.is_none_or(|last| now >= last + COMPLAIN) {
            *last = Some(now);
            log::warn!("redis: {what}: {error}");
        }
    }

    /// Something is there that no instance has put there.
    pub fn found(&self, trouble: Trouble, what: impl Into<String>) -> NotDone {
        self.count(NotDone::new(trouble, what))
    }

    fn link(&self, deadline: Duration) -> Result<MultiplexedConnection, NotDone> {
        let is_late = deadline < PATIENT && self.late.load(Ordering::Relaxed);
        if !is_late
            && !self.suspect.load(Ordering::Relaxed)
            && let Some(link) = &*self.link.load()
        {
            return Ok(link.0.clone());
        }
        Err(self.count(NotDone::not_asked()))
    }

    async fn within<T>(
        &self,
        deadline: Duration,
        asked: impl Future<Output = redis::RedisResult<T>>,
    ) -> Result<T, NotDone> {
        match timeout(deadline, asked).await {
            Ok(answer) => answer.map_err(|error| self.count(error.into())),
            Err(_) => {
                let flag = if deadline < PATIENT {
                    &self.late
                } else {
                    &self.suspect
                };
                flag.store(true, Ordering::Relaxed);
                self.wake.notify_one();
                let message = format!("no answer within {} ms", deadline.as_millis());
                Err(self.count(NotDone::new(Trouble::Slow, message)))
            }
        }
    }

    fn count(&self, error: NotDone) -> NotDone {
        self.troubles[error.trouble as usize].fetch_add(1, Ordering::Relaxed);
        error
    }

    /// Connects, and connects again when the connection is lost. Never ends.
    pub async fn run(&self) {
        let mut wait = SHORTEST;
        loop {
            let channels = Arc::clone(&self.channels);
            let pushes = move |push| {
                channels.take(push);
                Ok::<_, std::convert::Infallible>(())
            };
            let connecting = timeout(CONNECT, wire::connect(&self.url, &self.tls, pushes));
            let lost = match connecting.await {
                Err(_) => NotDone::new(Trouble::Slow, "it does not answer"),
                Ok(Err(error)) => error,
                Ok(Ok((link, bytes))) => {
                    let lost = tokio::select! {
                        lost = self.keep(&link) => lost,
                        () = bytes => NotDone::new(Trouble::Away, "it has closed the connection"),
                    };
                    if self.link.swap(None).is_some() {
                        wait = SHORTEST;
                    }
                    lost
                }
            };
            self.say_away(&self.count(lost));
            // Instances that have lost it together do not all come back together.
            sleep(wait.mul_f64(rand::random_range(0.5..1.0))).await;
            wait = (wait * 2).min(LONGEST);
        }
    }

    /// Subscribes, lets commands through, and pings until a ping fails.
    async fn keep(&self, link: &MultiplexedConnection) -> NotDone {
        let mut subscribed = Vec::new();
        loop {
            let wanted: Vec<String> = self
                .channels
                .names()
                .into_iter()
                .filter(|name| !subscribed.contains(name))
                .collect();
            if let Err(error) = check(link, &wanted).await {
                return error;
            }
            self.suspect.store(false, Ordering::Relaxed);
            self.late.store(false, Ordering::Relaxed);
            if self.link.load().is_none() {
                self.link.store(Some(Arc::new(Link(link.clone()))));
                self.say_back();
            }
            self.channels.begin(&wanted);
            subscribed.extend(wanted);
            let _ = timeout(PING, self.wake.notified()).await;
        }
    }

    fn say_away(&self, error: &NotDone) {
        let reason = error.to_string();
        let mut said = self.said.lock();
        if said.away.as_ref() != Some(&reason) {
            log::warn!(
                "redis: {} is away, this instance goes on alone: {reason}",
                self.url
            );
            said.away = Some(reason);
        }
    }

    fn say_back(&self) {
        self.said.lock().away = None;
        log::info!("redis: connected to {}", self.url);
    }
}

/// Whether it answers; listens to `channels` too.
async fn check(link: &MultiplexedConnection, channels: &[String]) -> Result<(), NotDone> {
    let mut link = link.clone();
    let asked = async {
        for channel in channels {
            link.subscribe(channel).await?;
        }
        cmd("PING").query_async::<()>(&mut link).await
    };
    match timeout(PING, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(NotDone::new(Trouble::Slow, "it does not answer")),
    }
}
