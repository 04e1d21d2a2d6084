//! A child process whose every line is kept.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::sync::watch;

use super::keys::{SECRET_MARKER, assert_no_secret};
use super::within;

static TRANSCRIPT: Mutex<Vec<String>> = Mutex::new(Vec::new());

pub(super) fn transcript() -> Vec<String> {
    TRANSCRIPT.lock().unwrap().clone()
}

/// A program to be run in a directory of its own, which is its working directory and its home, with
/// nothing in the environment but PATH and what the test sets.
#[derive(Clone)]
pub struct Invocation {
    program: &'static str,
    directory: Arc<TempDir>,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Invocation {
    /// The gateway with these arguments.
    pub fn new<S: Into<String>>(args: impl IntoIterator<Item = S>) -> Self {
        Self {
            program: env!("CARGO_BIN_EXE_ai-proxy"),
            directory: Arc::new(TempDir::new().unwrap()),
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
        }
    }

    /// A program in this folder; [`played_by`](Self::played_by) says which.
    pub(super) fn in_folder<S: Into<String>>(
        folder: TempDir,
        args: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            directory: Arc::new(folder),
            ..Self::new(args)
        }
    }

    /// One more argument.
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// An argument that is there once, however often it is asked for.
    pub fn flag(self, flag: &str) -> Self {
        match self.args.iter().any(|arg| arg == flag) {
            true => self,
            false => self.arg(flag),
        }
    }

    /// A variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file in its directory.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.path(name), content).unwrap();
        self
    }

    /// The path of a file in its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A shell script in the place of the program, which gets its arguments.
    pub(super) fn played_by(mut self, script: &str) -> Self {
        self.program = "sh";
        let shell = ["-c", script, "ai-proxy"].map(str::to_owned);
        self.args.splice(..0, shell);
        self
    }

    /// Runs it to its end.
    pub async fn run(self) -> Finished {
        let process = Process::start(&self);
        process.finished().await
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command
            .args(&self.args)
            .current_dir(self.directory())
            .env_clear()
            .env("HOME", self.directory())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // The second lets a coverage run see into the children.
        for name in ["PATH", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained.
    pub stderr: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pipe {
    Stdout,
    Stderr,
}

#[derive(Default)]
struct Output {
    lines: Vec<(Pipe, String)>,
    closed_pipes: usize,
    exit: Option<ExitStatus>,
}

impl Output {
    /// How the child exited, once all that it printed is here too.
    fn end(&self) -> Option<ExitStatus> {
        self.exit.filter(|_| self.closed_pipes == 2)
    }
}

/// A running child. Dropping it kills it, waits for the end of its output and looks for secrets there.
pub(super) struct Process {
    pid: Pid,
    output: watch::Sender<Output>,
    /// Disconnects when the child and its output have ended.
    ended: Mutex<mpsc::Receiver<()>>,
}

impl Process {
    pub(super) fn start(invocation: &Invocation) -> Self {
        let mut child = invocation.command().spawn().unwrap();
        let pid = Pid::from_raw(child.id().try_into().unwrap());
        let output = watch::Sender::new(Output::default());
        let (running, ended) = mpsc::channel();
        let stdout = child.stdout.take().unwrap();
        let stderr = child.stderr.take().unwrap();
        collect(Pipe::Stdout, stdout, &output, &running);
        collect(Pipe::Stderr, stderr, &output, &running);
        let exit = output.clone();
        spawn(move || {
            let status = child.wait().unwrap();
            exit.send_modify(|output| output.exit = Some(status));
            drop(running);
        });
        Self {
            pid,
            output,
            ended: Mutex::new(ended),
        }
    }

    /// All lines so far, of both pipes as they came.
    pub(super) fn lines(&self) -> Vec<String> {
        let output = self.output.borrow();
        output.lines.iter().map(|(_, line)| line.clone()).collect()
    }

    pub(super) fn signal(&self, signal: Signal) {
        assert!(self.output.borrow().exit.is_none(), "the child has exited");
        kill(self.pid, signal).unwrap();
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    pub(super) async fn wait_exit(&self) -> ExitStatus {
        self.when("to exit", Output::end).await
    }

    /// The first `Some` that `find` makes of a line; `None` when the child ended without it.
    pub(super) async fn find_line<T>(
        &self,
        what: &str,
        find: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.when(what, |output| {
            let found = output.lines.iter().find_map(|(_, line)| find(line));
            (found.is_some() || output.end().is_some()).then_some(found)
        })
        .await
    }

    pub(super) async fn wait_lines(&self, count: usize, is: impl Fn(&str) -> bool) {
        let enough = self.when("to log enough lines", |output| {
            let found = output.lines.iter().filter(|(_, line)| is(line)).count() >= count;
            (found || output.end().is_some()).then_some(found)
        });
        assert!(
            enough.await,
            "the child exited before it had logged {count} lines"
        );
    }

    pub(super) async fn finished(&self) -> Finished {
        let status = self.wait_exit().await;
        let output = self.output.borrow();
        let text = |wanted: Pipe| {
            let lines = output.lines.iter().filter(|(pipe, _)| *pipe == wanted);
            lines.map(|(_, line)| format!("{line}\n")).collect()
        };
        Finished {
            code: status.code(),
            stdout: text(Pipe::Stdout),
            stderr: text(Pipe::Stderr),
        }
    }

    async fn when<T>(&self, what: &str, find: impl Fn(&Output) -> Option<T>) -> T {
        let mut output = self.output.subscribe();
        let what = format!("the child {what}");
        let mut found = None;
        let wait = output.wait_for(|output| {
            found = find(output);
            found.is_some()
        });
        within(&what, wait)
            .await
            .expect("the process holds the sender");
        found.expect("the wait ended with it")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.output.borrow().exit.is_none() {
            let _ = kill(self.pid, Signal::SIGKILL);
        }
        // A daemon that the child left behind may hold its pipes.
        let ended = self.ended.lock().unwrap();
        let _ = ended.recv_timeout(Duration::from_secs(5));
        let lines = self.lines();
        if std::thread::panicking() {
            eprintln!("--- output of the child {}\n{}", self.pid, lines.join("\n"));
        } else {
            for line in lines.iter().filter(|line| line.contains(SECRET_MARKER)) {
                assert_no_secret("the log", line.as_bytes());
            }
        }
    }
}

fn collect(
    pipe: Pipe,
    source: impl Read + Send + 'static,
    output: &watch::Sender<Output>,
    running: &mpsc::Sender<()>,
) {
    let output = output.clone();
    let running = running.clone();
    spawn(move || {
        for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            TRANSCRIPT.lock().unwrap().push(line.clone());
            output.send_modify(|output| output.lines.push((pipe, line)));
        }
        output.send_modify(|output| output.closed_pipes += 1);
        drop(running);
    });
}

/// Threads rather than tasks: `Drop` waits for them, and it cannot await.
#[allow(
    clippy::disallowed_methods,
    reason = "the process of the tests does not fork"
)]
fn spawn(body: impl FnOnce() + Send + 'static) {
    std::thread::spawn(body);
}
