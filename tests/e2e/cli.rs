//! The command line: what is printed, which exit code, where settings come from.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::chat::{answer, config, text};
use crate::support::client::{get, post_json};
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A};
use crate::support::upstream::Upstream;
use crate::support::within;

const NOWHERE: &str = "http://127.0.0.1:9";

fn valid() -> String {
    config(&[("a", NOWHERE, "")])
}

#[tokio::test]
async fn a_check_counts_what_a_valid_config_has() {
    for args in [
        &["check"][..],
        &["-t"],
        &["--test"],
        &["-c", "pingora.yaml", "-t"],
    ] {
        let check = Gateway::command(args.iter().copied()).file("config.yaml", valid());
        let done = check
            .file("pingora.yaml", "version: 1\nthreads: 1\n")
            .run()
            .await;
        assert_eq!(done.code, Some(0), "{done:?}");
        assert_eq!(done.stdout, "ok: 1 accounts, 1 client keys\n");
    }
}

#[tokio::test]
async fn a_check_lists_every_error_of_both_files() {
    let yaml = "port: many\nlog-levle: info\nopenai-compatibility: [{name: x}]\n";
    let check = Gateway::command(["check", "-c", "pingora.yaml"])
        .file("config.yaml", yaml)
        .file("pingora.yaml", "threads: some\n");
    let done = check.run().await;
    assert_eq!((done.code, &*done.stdout), (Some(2), ""));
    for wanted in [
        "pingora.yaml: ",
        "port: must be a whole number",
        "log-levle: ",
        "did you mean `log-level`?",
        "openai-compatibility[0]",
    ] {
        assert!(
            done.stderr.contains(wanted),
            "no {wanted:?} in {}",
            done.stderr
        );
    }
}

#[tokio::test]
async fn the_schema_is_a_json_schema() {
    let done = Gateway::command(["schema"]).run().await;
    assert_eq!(done.code, Some(0));
    let schema: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert!(
        schema["$schema"]
            .as_str()
            .unwrap()
            .contains("json-schema.org")
    );
    let properties = schema["properties"].as_object().unwrap();
    assert!(properties.contains_key("api-keys") && properties.contains_key("routes"));
}

#[tokio::test]
async fn a_document_is_translated_without_a_config() {
    let request = r#"{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"Hi"}]}"#;
    let translate = |more: &[&str], body: &str| {
        let args = [
            "translate",
            "--kind",
            "request",
            "--from",
            "openai-chat",
            "--to",
            "claude",
        ];
        let args = args.iter().chain(more).copied();
        Gateway::command(args).file("request.json", body)
    };
    let done = translate(&["request.json"], request).run().await;
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    let body: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(body["messages"][0]["role"], "user");

    let lossy = request.replace("{\"model\"", "{\"seed\":7,\"model\"");
    let done = translate(&["request.json"], &lossy).run().await;
    assert_eq!(done.code, Some(3), "{done:?}");
    assert_eq!(done.stderr, "{\"path\":\"seed\",\"change\":\"dropped\"}\n");

    let done = translate(&["request.json"], "{").run().await;
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert!(done.stderr.starts_with("{\"error\":"), "{done:?}");

    let done = translate(&["nowhere.json"], request).run().await;
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("nowhere.json: "), "{done:?}");

    for (kind, to) in [("request", "cohere"), ("answer", "claude")] {
        let args = ["translate", "--kind", kind, "--from", "gemini", "--to", to];
        let done = Gateway::command(args).run().await;
        assert!(
            done.code.is_some_and(|code| code != 0) && done.stderr.contains("it is "),
            "{done:?}"
        );
    }
}

#[tokio::test]
async fn help_and_version_are_printed_and_bad_flags_refused() {
    let version = Gateway::command(["--version"]).run().await;
    assert_eq!(version.code, Some(0));
    assert_eq!(
        version.stdout.trim(),
        concat!("ai-proxy ", env!("CARGO_PKG_VERSION"))
    );
    let help = Gateway::command(["--help"]).run().await;
    assert!(help.code == Some(0) && help.stdout.contains("--upgrade"));
    for args in [
        &["--prot", "1"][..],
        &["serve"],
        &["--port", "x"],
        &["--log-level", "loud"],
    ] {
        let done = Gateway::command(args.iter().copied()).run().await;
        assert!(done.code.is_some_and(|code| code != 0), "{done:?}");
        assert!(done.stderr.contains("error"), "{done:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_named_has_to_be_there() {
    for args in [
        &["--config", "nowhere.yaml"][..],
        &["check", "--config", "nowhere.yaml"],
        &["--conf", "nowhere.yaml"],
        &["check", "--conf", "nowhere.yaml"],
    ] {
        let command = Gateway::command(args.iter().copied());
        let done = command.file("config.yaml", valid()).run().await;
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.stderr.contains("nowhere.yaml: "), "{done:?}");
    }
    let named = Gateway::command(["run"]).env("AI_PROXY_CONFIG", "nowhere.yaml");
    assert_eq!(named.run().await.code, Some(2));
}

#[tokio::test]
async fn without_a_config_and_a_key_it_names_the_three_ways_to_start() {
    let done = Gateway::command(["run"]).run().await;
    assert_eq!(done.code, Some(2));
    for way in ["config.yaml", "OPENAI_API_KEY", "ai-proxy demo"] {
        assert!(done.stderr.contains(way), "{done:?}");
    }
}

#[tokio::test]
async fn a_key_in_the_environment_is_enough() {
    let bare = Gateway::without_config().env("OPENAI_API_KEY", UPSTREAM_KEY_A);
    let gateway = bare.env("PORT", "0").start().await;
    assert!(gateway.addr().ip().is_loopback());
    gateway
        .wait_log(|line| line.contains("no api-keys are configured: listening on 127.0.0.1"))
        .await;
    let ready = get(gateway.addr(), "/health/ready", CLIENT_KEY).await;
    assert_eq!(ready.status, 200);
    let models = get(gateway.addr(), "/v1/models", CLIENT_KEY).await;
    assert_eq!(models.status, 200);
    assert_eq!(models.json()["data"], serde_json::json!([]));
}

#[tokio::test]
async fn a_flag_goes_before_the_environment_before_dot_env_before_the_file() {
    let host = |n: u8| format!("127.0.0.{n}");
    let yaml = format!("host: {}\nlog-level: error\n{}", host(2), valid());
    let from_dot_env =
        Gateway::builder(&yaml).file(".env", "HOST=127.0.0.3\nAI_PROXY_LOG_LEVEL=info\n");
    let from_env = Gateway::builder(&yaml)
        .file(
            ".env",
            "AI_PROXY_HOST=127.0.0.3\nAI_PROXY_LOG_LEVEL=error\n",
        )
        .env("AI_PROXY_HOST", &host(4))
        .env("AI_PROXY_LOG_LEVEL", "info");
    let from_flag = Gateway::builder(&yaml)
        .file(".env", "AI_PROXY_HOST=127.0.0.3\n")
        .env("AI_PROXY_HOST", &host(4))
        .env("AI_PROXY_LOG_LEVEL", "error")
        .arg("--host=127.0.0.5")
        .arg("--log-level=info");
    for (builder, n) in [(from_dot_env, 3), (from_env, 4), (from_flag, 5)] {
        let gateway = builder.start().await;
        assert_eq!(gateway.addr().ip().to_string(), host(n));
    }
    let port = free_port();
    let yaml = yaml.replace("host: ", &format!("port: {port}\nhost: "));
    let quiet = Gateway::builder(&yaml)
        .env("RUST_LOG", "info")
        .start()
        .await;
    assert_eq!(quiet.addr().to_string(), format!("{}:{port}", host(2)));
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn a_port_has_the_same_order_of_places() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().port().to_string();
    let yaml = format!("host: 127.0.0.1\nport: {taken}\n{}", valid());
    for builder in [
        Gateway::builder(&yaml).file(".env", "PORT=0"),
        Gateway::builder(&yaml)
            .file(".env", format!("PORT={taken}"))
            .env("PORT", "0"),
        Gateway::builder(&yaml)
            .env("PORT", &taken)
            .env("AI_PROXY_PORT", "0"),
        Gateway::builder(&yaml)
            .env("AI_PROXY_PORT", &taken)
            .arg("--port=0"),
    ] {
        let gateway = builder.start().await;
        assert_ne!(gateway.addr().port().to_string(), taken);
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_clear_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let yaml = format!("host: 127.0.0.1\nport: {}\n{}", address.port(), valid());
    let (code, stderr) = Gateway::expect_failure(&yaml).await;
    assert_eq!(code, 1);
    assert!(
        stderr.contains(&format!("cannot listen on {address}: ")),
        "{stderr}"
    );
}

#[tokio::test]
async fn a_gateway_without_client_keys_is_for_this_machine_unless_told_otherwise() {
    let yaml = valid().replace(&format!("api-keys: [{CLIENT_KEY}]\n"), "");
    let open = format!("host: 0.0.0.0\n{yaml}");
    let gateway = Gateway::builder(&open).start().await;
    let line = gateway
        .wait_log(|line| line.contains("listening on http://"))
        .await;
    assert!(line.contains("http://127.0.0.1:"), "{line}");
    gateway
        .wait_log(|line| line.contains("WARN") && line.contains("anyone who can connect"))
        .await;
    for wide in [
        format!("allow-anonymous: true\n{open}"),
        format!("host: 0.0.0.0\n{}", valid()),
    ] {
        let gateway = Gateway::builder(&wide).start().await;
        gateway
            .wait_log(|line| line.contains("listening on http://0.0.0.0:"))
            .await;
        assert!(
            !gateway
                .log()
                .iter()
                .any(|line| line.contains("anyone who can connect"))
        );
    }
}

#[tokio::test]
async fn the_demo_shows_all_four_formats_and_leaves_nothing_behind() {
    let demo = Gateway::command(["demo", "--once", "--port", "0"]);
    let temporary = tempfile::TempDir::new().unwrap();
    let done = demo
        .env("TMPDIR", temporary.path().to_str().unwrap())
        .run()
        .await;
    assert_eq!(done.code, Some(0), "{done:?}");
    for path in [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/messages",
        ":generateContent",
    ] {
        let shown = done.stdout.contains(path)
            || path == ":generateContent" && done.stdout.contains("GenerateContent");
        assert!(shown, "no {path} in {}", done.stdout);
    }
    let access = done.stderr.lines().filter(|line| line.contains(" access "));
    assert_eq!(access.count(), 4, "{}", done.stderr);
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn extra_roots_leave_no_file_behind() {
    let authority = crate::support::certs::Authority::new();
    let temporary = tempfile::TempDir::new().unwrap();
    let yaml = format!("upstream-ca: {}\n{}", authority.ca_pem().display(), valid());
    let builder = Gateway::builder(&yaml).env("TMPDIR", temporary.path().to_str().unwrap());
    let gateway = builder.start().await;
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.wait_exit().await.code(), Some(0));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}

/// Ends a daemon that a failing test leaves behind.
pub struct Daemon(pub Pid);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
    }
}

#[tokio::test]
async fn a_daemon_outlives_its_parent_serves_reloads_and_ends() {
    let (old, new) = (
        Upstream::always(answer("old")).await,
        Upstream::always(answer("new")).await,
    );
    let port = free_port();
    let yaml = |upstream: &Upstream| {
        format!(
            "host: 127.0.0.1\nport: {port}\n{}",
            config(&[("a", &upstream.url(), "")])
        )
    };
    let command = Gateway::command(["-d", "-c", "pingora.yaml"]).file("config.yaml", yaml(&old));
    let place = command.path("");
    let _keep = command.clone();
    let file = |name: &str| place.join(name).display().to_string();
    let pingora = format!(
        "version: 1\nthreads: 2\npid_file: {}\nerror_log: {}\nupgrade_sock: {}\n",
        file("gateway.pid"),
        file("gateway.log"),
        file("upgrade.sock"),
    );
    let parent = command.file("pingora.yaml", pingora).run().await;
    assert_eq!(parent.code, Some(0), "{parent:?}");
    let pid = async {
        loop {
            let text = fs::read_to_string(place.join("gateway.pid")).unwrap_or_default();
            match text.trim().parse() {
                Ok(pid) => break Pid::from_raw(pid),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let daemon = Daemon(within("the pid file", pid).await);
    let address = ([127, 0, 0, 1], port).into();
    let ask = async || {
        let question = crate::chat::question();
        text(&post_json(address, crate::chat::PATH, CLIENT_KEY, &question).await)
    };
    assert_eq!(ask().await, "old");
    fs::write(place.join("config.yaml"), yaml(&new)).unwrap();
    kill(daemon.0, Signal::SIGHUP).unwrap();
    let reloaded = async { while ask().await != "new" {} };
    within("the daemon to reload", reloaded).await;
    kill(daemon.0, Signal::SIGTERM).unwrap();
    let ended = async {
        while kill(daemon.0, None).is_ok() && !is_zombie(daemon.0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within("the daemon to end", ended).await;
    let log = fs::read_to_string(place.join("gateway.log")).unwrap();
    for said in [
        "listening on http://127.0.0.1",
        "status=200",
        "config reloaded",
        "SIGTERM: draining",
        " done",
    ] {
        assert!(log.contains(said), "no {said:?} in {log}");
    }
    assert!(!log.contains("canary-secret"), "{log}");
}

/// Whether nobody has asked yet how the process ended; its parent is not this test.
pub fn is_zombie(pid: Pid) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state
        .rsplit(')')
        .next()
        .is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

#[tokio::test]
async fn the_example_config_is_valid() {
    let example = include_str!("../../config.example.yaml");
    let mut check = Gateway::command(["check"]).file("config.yaml", example);
    for line in example.lines() {
        for variable in line.split("${").skip(1) {
            let name = variable.split('}').next().unwrap();
            let value = match name {
                "AI_PROXY_SECRET_KEY" => "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
                _ => "sk-any",
            };
            check = check.env(name, value);
        }
    }
    let done = check.run().await;
    assert_eq!(done.code, Some(0), "{done:?}");
}
