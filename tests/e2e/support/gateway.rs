//! The gateway as operators run it: the real binary as a child process.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::process::{Invocation, Process};

const CONFIG: &str = "config.yaml";
const PINGORA: &str = "pingora.yaml";

/// A running gateway. Dropping it kills it and fails the test when it logged a secret; a failing test
/// prints its log.
pub struct Gateway {
    invocation: Invocation,
    process: Process,
    url: String,
    addr: SocketAddr,
}

impl Gateway {
    /// Starts with this `config.yaml`; it listens on 127.0.0.1 and a free port unless the file says
    /// otherwise.
    pub async fn start(yaml: &str) -> Self {
        Self::builder(yaml).start().await
    }

    /// The same with more files, variables or arguments.
    pub fn builder(yaml: &str) -> Builder {
        let args = ["run", "--config", CONFIG, "--conf", PINGORA];
        let invocation = Invocation::new(args).file(CONFIG, with_listener(yaml));
        Builder {
            invocation,
            pingora: String::new(),
        }
    }

    /// One without a `config.yaml`.
    pub fn without_config() -> Builder {
        Builder {
            invocation: Invocation::new(["run", "--conf", PINGORA]),
            pingora: String::new(),
        }
    }

    /// One with these arguments alone, which say where its files are.
    pub fn with_arguments<S: Into<String>>(args: impl IntoIterator<Item = S>) -> Builder {
        Builder {
            invocation: Invocation::new(args),
            pingora: String::new(),
        }
    }

    /// Runs with this `config.yaml`, as it is, which is expected to fail; its exit code and its stderr.
    pub async fn expect_failure(yaml: &str) -> (i32, String) {
        let args = ["run", "--config", CONFIG, "--conf", PINGORA];
        let invocation = Invocation::new(args).file(CONFIG, yaml);
        write_pingora(&invocation, "");
        let process = Process::start(&invocation);
        if let Some(line) = process.find_line("to fail", listening).await {
            panic!("started in spite of its configuration: {line:?}");
        }
        let finished = process.finished().await;
        let code = finished.code.expect("an exit code");
        assert_ne!(code, 0, "succeeded without listening: {finished:?}");
        (code, finished.stderr)
    }

    /// A subcommand in an empty directory: `Gateway::command(["check", "--config", "config.yaml"])
    /// .file("config.yaml", yaml).run().await`.
    pub fn command<S: Into<String>>(args: impl IntoIterator<Item = S>) -> Invocation {
        Invocation::new(args)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`, or `https://…`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens for operators.
    pub async fn admin(&self) -> SocketAddr {
        let line = self.wait_log(|line| admin_on(line).is_some()).await;
        admin_on(&line).expect("the line was found by it")
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// Its configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.invocation.path(CONFIG)
    }

    /// Its working directory.
    pub fn directory(&self) -> &Path {
        self.invocation.directory()
    }

    /// Puts another configuration in the place of the file, in one step.
    pub fn write_config(&self, yaml: &str) {
        let draft = self.invocation.path("config.yaml.draft");
        fs::write(&draft, with_listener(yaml)).unwrap();
        fs::rename(draft, self.config_path()).unwrap();
    }

    /// Every line so far, of stdout and stderr.
    pub fn log(&self) -> Vec<String> {
        self.process.lines()
    }

    /// The first line that `is` accepts, now or when it comes.
    pub async fn wait_log(&self, is: impl Fn(&str) -> bool) -> String {
        let find = |line: &str| is(line).then(|| line.to_owned());
        let found = self.process.find_line("to log a line", find).await;
        found.expect("the gateway exited without logging the line")
    }

    /// Resolves when `count` lines have been logged that `is` accepts.
    pub async fn wait_lines(&self, count: usize, is: impl Fn(&str) -> bool) {
        self.process.wait_lines(count, is).await;
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// How it exits; its log is complete then.
    pub async fn wait_exit(&self) -> ExitStatus {
        self.process.wait_exit().await
    }

    /// Starts a second process with `-u` on the same files. It waits a few seconds for the sockets of
    /// this one, which hands them over on SIGQUIT; after that, [`ready`](Self::ready).
    pub fn start_upgrade(&self) -> Self {
        let invocation = self.invocation.clone().flag("-u");
        Self {
            process: Process::start(&invocation),
            invocation,
            url: self.url.clone(),
            addr: self.addr,
        }
    }

    /// Another process on the same files, after this one has ended.
    pub async fn start_again(&self) -> Self {
        let process = Process::start(&self.invocation);
        let (url, addr) = wait_ready(&process).await;
        Self {
            invocation: self.invocation.clone(),
            process,
            url,
            addr,
        }
    }

    /// Resolves when it listens.
    pub async fn ready(&self) {
        wait_ready(&self.process).await;
    }
}

/// A gateway to be.
pub struct Builder {
    invocation: Invocation,
    pingora: String,
}

impl Builder {
    /// A variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.invocation = self.invocation.env(name, value);
        self
    }

    /// One more argument.
    pub fn arg(mut self, arg: &str) -> Self {
        self.invocation = self.invocation.arg(arg);
        self
    }

    /// A file in its working directory, such as `.env`.
    pub fn file(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.invocation = self.invocation.file(name, content);
        self
    }

    /// More lines of `pingora.yaml`, such as `grace_period_seconds: 1`.
    pub fn pingora(mut self, yaml: &str) -> Self {
        self.pingora = yaml.to_owned();
        self
    }

    /// Starts it and waits until it listens.
    pub async fn start(self) -> Gateway {
        write_pingora(&self.invocation, &self.pingora);
        let process = Process::start(&self.invocation);
        let (url, addr) = wait_ready(&process).await;
        Gateway {
            invocation: self.invocation,
            process,
            url,
            addr,
        }
    }
}

async fn wait_ready(process: &Process) -> (String, SocketAddr) {
    let found = process.find_line("to listen", listening).await;
    found.expect("the gateway exited before it listened")
}

fn write_pingora(invocation: &Invocation, more: &str) {
    let pid_file = invocation.path("ai-proxy.pid");
    let upgrade_sock = invocation.path("upgrade.sock");
    let yaml = format!(
        "version: 1\nthreads: 2\npid_file: {}\nupgrade_sock: {}\n{more}\n",
        pid_file.display(),
        upgrade_sock.display(),
    );
    fs::write(invocation.path(PINGORA), yaml).unwrap();
}

/// Tests run beside each other, so none may take the default ports.
fn with_listener(yaml: &str) -> String {
    let given = |key: &str| yaml.lines().any(|line| line.starts_with(key));
    let mut lines = String::new();
    if !given("host:") {
        lines += "host: 127.0.0.1\n";
    }
    if !given("port:") {
        lines += "port: 0\n";
    }
    if !given("admin:") {
        lines += "admin: {port: 0}\n";
    }
    lines + yaml
}

/// The address in a line with `admin on http://127.0.0.1:8318`.
fn admin_on(line: &str) -> Option<SocketAddr> {
    let (_, address) = line.split_once("admin on http://")?;
    address.trim_end_matches(['"', '}']).parse().ok()
}

/// The URL and the address in a line with `listening on http://127.0.0.1:8317`.
fn listening(line: &str) -> Option<(String, SocketAddr)> {
    let (_, url) = line.split_once("listening on ")?;
    let (scheme, rest) = url.split_once("://")?;
    let is_address = |c: char| c.is_ascii_hexdigit() || "[].:".contains(c);
    let end = rest.find(|c| !is_address(c)).unwrap_or(rest.len());
    let mut addr: SocketAddr = rest[..end].trim_end_matches(['.', ':']).parse().ok()?;
    if addr.ip().is_unspecified() {
        addr.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    Some((format!("{scheme}://{addr}"), addr))
}

#[test]
fn the_readiness_line_is_understood() {
    let address = |line| listening(line).map(|(url, _)| url);
    for (line, url) in [
        ("listening on http://127.0.0.1:81", "http://127.0.0.1:81"),
        (
            "[INFO] listening on http://127.0.0.1:81.",
            "http://127.0.0.1:81",
        ),
        (
            r#"{"m":"listening on https://0.0.0.0:81"}"#,
            "https://127.0.0.1:81",
        ),
        ("listening on http://[::1]:81, h2c", "http://[::1]:81"),
    ] {
        assert_eq!(address(line).as_deref(), Some(url));
    }
    assert_eq!(address("listening on nothing"), None);
}

#[test]
fn a_listener_is_added_unless_given() {
    assert_eq!(
        with_listener("api-keys: []\n"),
        "host: 127.0.0.1\nport: 0\nadmin: {port: 0}\napi-keys: []\n"
    );
    assert_eq!(
        with_listener("port: 9\nadmin:\n  host: x\n"),
        "host: 127.0.0.1\nport: 9\nadmin:\n  host: x\n"
    );
}

const PRETENDER: &str = r#"
echo "arguments $*"; cat config.yaml pingora.yaml; env
echo "listening on http://127.0.0.1:4321" >&2
exec sleep 600
"#;

fn pretender(script: &str) -> Builder {
    let mut builder = Gateway::builder("api-keys: []\n");
    builder.invocation = builder.invocation.played_by(script);
    builder
}

#[tokio::test]
async fn a_gateway_is_started_read_signalled_and_upgraded() {
    let builder = pretender(PRETENDER).env("COLOUR", "blue");
    let gateway = builder.pingora("grace_period_seconds: 1").start().await;
    assert_eq!(gateway.url(), "http://127.0.0.1:4321");
    assert_eq!(gateway.addr().port(), 4321);
    for wanted in [
        "arguments run --config config.yaml --conf pingora.yaml",
        "port: 0",
        "threads: 2",
        "grace_period_seconds: 1",
        "COLOUR=blue",
    ] {
        gateway.wait_log(|line| line == wanted).await;
    }
    assert!(!gateway.log().iter().any(|line| line.starts_with("CARGO")));

    gateway.write_config("cooldown: {max: 1}\n");
    let next = gateway.start_upgrade();
    next.ready().await;
    next.wait_log(|line| line.starts_with("arguments") && line.ends_with(" -u"))
        .await;
    next.wait_log(|line| line == "cooldown: {max: 1}").await;
    assert_eq!(next.addr(), gateway.addr());

    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.wait_exit().await.code(), None);
    assert!(super::transcript().contains(&"COLOUR=blue".to_owned()));
}

#[tokio::test]
#[should_panic = "exited before it listened"]
async fn a_gateway_that_exits_is_not_waited_for() {
    pretender("echo no >&2; exit 2").start().await;
}

#[tokio::test]
async fn a_command_returns_its_exit_code_and_both_outputs() {
    let command = Gateway::command(["check", "a file"]).file("x.yaml", "x: 1");
    let script = r#"cat x.yaml; echo "$2" >&2; exit 3"#;
    let finished = command.played_by(script).run().await;
    assert_eq!(finished.code, Some(3));
    assert_eq!(finished.stdout, "x: 1\n");
    assert_eq!(finished.stderr, "a file\n");
}
