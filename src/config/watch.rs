//! Following the config file while the gateway runs.
//!
//! Why the directory and not the file? Editors and Kubernetes replace files, and a watch on the
//! replaced one goes deaf. Why is the file read every few seconds as well? Because not every change
//! raises an event in its directory: the target of a symbolic link may be elsewhere, a container may
//! have only this file mounted, a network file system may have no events at all. Reading one small
//! file costs nothing, and the digest tells whether it is news. Files that the config takes from
//! (certificates, keys) are only read, every few seconds.

use std::ffi::OsStr;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::Config;
use super::environment::Environment;
use super::error::Errors;
use super::files::Files;
use super::load::{Source, load_from};
use super::resolve::Overrides;

/// A change is complete when the file has stayed the same for so long…
const SETTLED: Duration = Duration::from_millis(100);
/// …or when it has kept changing for so long.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the file is read although nothing was reported.
const CHECK: Duration = Duration::from_secs(5);
/// The same when nothing will ever be reported.
const CHECK_WITHOUT_EVENTS: Duration = Duration::from_secs(1);

/// Calls `on_change` with every new state of the config at `path` until `shutdown`. `seen` is what
/// the config in use was made from ([`Config::files`]), so that a change between loading and
/// watching is not lost.
///
/// A state is news when the bytes of the file, or of one that it takes something from (a certificate,
/// a key), differ from the last ones, or when one of them disappears or comes back. Must run after
/// the daemon has forked: the watcher has a thread.
pub async fn watch(
    path: &Path,
    seen: &Files,
    environment: &dyn Environment,
    overrides: &Overrides,
    on_change: impl Fn(Result<Config, Errors>) + Send,
    shutdown: impl Future<Output = ()> + Send,
) {
    let (mut events, watcher) = events(path);
    let check = if watcher.is_some() {
        CHECK
    } else {
        CHECK_WITHOUT_EVENTS
    };
    let source = Source::File(path.to_owned());
    let follow = async {
        let mut seen = seen.clone();
        loop {
            if seen.now(environment) != seen && settled(&seen, environment).await {
                let (state, files) = load_from(&source, environment, overrides);
                seen = files;
                on_change(state);
            }
            // Without a watcher the channel is closed, and only the clock is left.
            tokio::select! {
                () = sleep(check) => {}
                Some(()) = events.recv() => {}
            }
        }
    };
    tokio::select! {
        () = follow => {}
        () = shutdown => {}
    }
}

/// Whether the files differ from those `seen` once they are the same twice in a row. A half-written
/// file may be a valid config, an empty one always is, and a certificate and its key are two files.
async fn settled(seen: &Files, environment: &dyn Environment) -> bool {
    let end = Instant::now() + PATIENCE;
    let mut before = seen.now(environment);
    loop {
        sleep(SETTLED).await;
        let now = seen.now(environment);
        if now == before || Instant::now() >= end {
            return now != *seen;
        }
        before = now;
    }
}

/// A message for each event that may be about the file at `path`, as long as the watcher lives; no
/// watcher when the system has none to give.
fn events(path: &Path) -> (mpsc::Receiver<()>, Option<RecommendedWatcher>) {
    // One waiting message is enough to say that something has happened.
    let (sender, receiver) = mpsc::channel(1);
    let name = path.file_name().map(OsStr::to_owned);
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let concerns = match &event {
            Ok(event) => concerns(event, name.as_deref()),
            // Events were lost.
            Err(_) => true,
        };
        if concerns {
            let _ = sender.try_send(());
        }
    });
    let watcher = watcher.and_then(|mut watcher| {
        watcher.watch(&directory(path), RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    match watcher {
        Ok(watcher) => (receiver, Some(watcher)),
        Err(error) => {
            log::warn!(
                "config: changes of {} are looked for once a second: {error}",
                path.display()
            );
            (receiver, None)
        }
    }
}

/// Whether `event` may have changed the file called `name`.
fn concerns(event: &Event, name: Option<&OsStr>) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
        // Our own reading is one of these.
        EventKind::Access(_) => return false,
        _ => {}
    }
    event.need_rescan()
        || event.paths.iter().any(|path| {
            let changed = path.file_name();
            // Kubernetes swaps the link `..data` that the file is reached through.
            changed == name
                || changed.is_some_and(|name| name.as_encoded_bytes().starts_with(b".."))
        })
}

fn directory(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io};

    use tokio::sync::{mpsc::UnboundedReceiver, oneshot};
    use tokio::time::timeout;

    use super::*;

    struct Bare;

    impl Environment for Bare {
        fn variable(&self, _: &str) -> Option<String> {
            None
        }

        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            fs::read(path)
        }

        fn locate(&self, path: &Path) -> PathBuf {
            path.to_owned()
        }
    }

    /// A watch on a config file in a directory of its own.
    struct Watched {
        directory: tempfile::TempDir,
        states: UnboundedReceiver<Result<Config, Errors>>,
        /// Dropped, it stops the watch.
        _stop: oneshot::Sender<()>,
    }

    impl Watched {
        /// Starts with a file that sets port 1, made by `prepare` in the directory.
        fn start(prepare: impl FnOnce(&Path)) -> Self {
            let directory = tempfile::tempdir().unwrap();
            prepare(directory.path());
            let (sender, states) = mpsc::unbounded_channel();
            let (stop, stopped) = oneshot::channel::<()>();
            let path = directory.path().join("config.yaml");
            tokio::spawn(async move {
                watch(
                    &path,
                    &Files::one(&path, b"port: 1"),
                    &Bare,
                    &Overrides::default(),
                    move |state| sender.send(state).unwrap_or_default(),
                    async move { stopped.await.unwrap_or_default() },
                )
                .await;
            });
            Self {
                directory,
                states,
                _stop: stop,
            }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn write(&self, text: &str) {
            fs::write(self.path("config.yaml"), text).unwrap();
        }

        /// `port 2`, or the errors.
        async fn state(&mut self) -> String {
            let state = timeout(Duration::from_secs(30), self.states.recv()).await;
            match state.unwrap().unwrap() {
                Ok(config) => format!("port {}", config.listen.address.port()),
                Err(errors) => errors.to_string(),
            }
        }

        /// Waits for `wanted`, whatever comes before.
        async fn reaches(&mut self, wanted: &str) {
            while self.state().await != wanted {}
        }
    }

    fn plain_file(directory: &Path) {
        fs::write(directory.join("config.yaml"), "port: 1").unwrap();
    }

    #[tokio::test]
    async fn a_change_before_the_watch_began_is_found() {
        let mut watched = Watched::start(|directory| {
            fs::write(directory.join("config.yaml"), "port: 2").unwrap();
        });
        assert_eq!(watched.state().await, "port 2");
    }

    #[tokio::test]
    async fn a_rewritten_file_is_loaded_again() {
        let mut watched = Watched::start(plain_file);
        watched.write("port: 2");
        watched.reaches("port 2").await;
        watched.write("port: 3");
        watched.reaches("port 3").await;
    }

    #[tokio::test]
    async fn the_same_bytes_are_no_news() {
        let mut watched = Watched::start(plain_file);
        watched.write("port: 1");
        watched.write("port: 2");
        let mut first = watched.state().await;
        // A rewrite is empty for a moment, and an empty file is a config.
        while first == "port 8317" {
            first = watched.state().await;
        }
        assert_eq!(first, "port 2");
    }

    #[tokio::test]
    async fn a_file_renamed_over_it_is_loaded() {
        let mut watched = Watched::start(plain_file);
        fs::write(watched.path("config.yaml.new"), "port: 2").unwrap();
        fs::rename(watched.path("config.yaml.new"), watched.path("config.yaml")).unwrap();
        assert_eq!(watched.state().await, "port 2");
    }

    #[tokio::test]
    async fn a_file_that_it_takes_from_is_followed_also_when_it_was_missing() {
        let mut watched = Watched::start(plain_file);
        let key = watched.path("client.key");
        watched.write(&format!("port: 2\napi-keys: ['file:{}']", key.display()));
        let missing = watched.state().await;
        assert!(missing.starts_with("api-keys[0]: "), "{missing}");
        fs::write(&key, "sk-one").unwrap();
        watched.reaches("port 2").await;
        // Somebody writes another key; nothing else tells that the config is another one.
        fs::write(&key, "sk-two").unwrap();
        assert_eq!(watched.state().await, "port 2");
    }

    #[tokio::test]
    async fn a_removed_file_is_an_error_until_it_comes_back() {
        let mut watched = Watched::start(plain_file);
        fs::remove_file(watched.path("config.yaml")).unwrap();
        let error = watched.state().await;
        assert!(error.contains("config.yaml: cannot be read"), "{error}");
        watched.write("port: 1");
        watched.reaches("port 1").await;
    }

    #[tokio::test]
    async fn a_broken_file_is_reported_and_its_repair_is_loaded() {
        let mut watched = Watched::start(plain_file);
        watched.write("port: one");
        let error = "port: must be a whole number from 0 to 65535, not text";
        watched.reaches(error).await;
        watched.write("port: 1");
        watched.reaches("port 1").await;
    }

    #[tokio::test]
    async fn the_last_of_many_rewrites_is_loaded() {
        let mut watched = Watched::start(plain_file);
        for port in 2..=200 {
            watched.write(&format!("port: {port}"));
        }
        watched.reaches("port 200").await;
    }

    #[tokio::test]
    async fn a_swapped_directory_link_is_followed() {
        use std::os::unix::fs::symlink;

        let mut watched = Watched::start(|directory| {
            for (version, text) in [("..1", "port: 1"), ("..2", "port: 2")] {
                fs::create_dir(directory.join(version)).unwrap();
                fs::write(directory.join(version).join("config.yaml"), text).unwrap();
            }
            symlink("..1", directory.join("..data")).unwrap();
            symlink("..data/config.yaml", directory.join("config.yaml")).unwrap();
        });
        symlink("..2", watched.path("..data.new")).unwrap();
        fs::rename(watched.path("..data.new"), watched.path("..data")).unwrap();
        assert_eq!(watched.state().await, "port 2");
    }

    #[tokio::test]
    async fn without_events_the_file_is_still_followed() {
        let mut watched = Watched::start(|_| {});
        // The watch may have begun on the directory; the file itself appears through a link that
        // raises no event when its target changes.
        let elsewhere = tempfile::tempdir().unwrap();
        let target = elsewhere.path().join("real.yaml");
        fs::write(&target, "port: 2").unwrap();
        std::os::unix::fs::symlink(&target, watched.path("config.yaml")).unwrap();
        watched.reaches("port 2").await;
        fs::write(&target, "port: 3").unwrap();
        watched.reaches("port 3").await;
    }

    #[tokio::test]
    async fn it_ends_at_shutdown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.yaml");
        let (overrides, seen) = (Overrides::default(), Files::default());
        let ended = watch(&path, &seen, &Bare, &overrides, |_| {}, async {});
        timeout(Duration::from_secs(30), ended).await.unwrap();
    }

    #[test]
    fn reading_the_file_is_no_reason_to_read_it_again() {
        use notify::event::{AccessKind, ModifyKind};

        let event = |kind| Event::new(kind).add_path("/etc/ai-proxy/config.yaml".into());
        let name = Some(OsStr::new("config.yaml"));
        let open = EventKind::Access(AccessKind::Open(AccessMode::Any));
        assert!(!concerns(&event(open), name));
        assert!(concerns(&event(EventKind::Modify(ModifyKind::Any)), name));
        let other = Event::new(EventKind::Any).add_path("/etc/ai-proxy/log".into());
        assert!(!concerns(&other, name));
    }
}
