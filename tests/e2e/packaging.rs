//! What ships around the binary: image, compose files, systemd unit. No container is started: the files are
//! read, and the real binary runs with exactly the words that stand in them.

mod files;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::chat::{answer, config, text};
use crate::cli::{Daemon, free_port, is_zombie};
use crate::support::client::{Key, get, post_json};
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::upstream::Upstream;
use crate::support::{DeadPort, within};
use files::{below, beside, image, read, root, services, stages, texts, unit, words, yaml};

const BINARY: &str = "/usr/local/bin/ai-proxy";
const ETC: &str = "/etc/ai-proxy/";
const COMPOSE: [&str; 2] = ["docker/compose.yaml", "docker/compose.scale.yaml"];

/// The arguments of a command line that runs the gateway.
fn arguments(command: &[String]) -> Vec<String> {
    assert_eq!(command[0], BINARY, "{command:?}");
    command[1..].to_vec()
}

/// The image's tag of the version that is built here.
fn own_image() -> String {
    format!("ai-proxy:{}", env!("CARGO_PKG_VERSION"))
}

#[test]
fn every_yaml_file_can_be_read() {
    let mut files: Vec<String> = below("docker");
    files.extend(below("conf"));
    files.push("pingora.yaml".to_owned());
    files.retain(|path| path.ends_with(".yaml") || path.ends_with(".yml"));
    assert!(files.len() >= 7, "{files:?}");
    for path in files {
        assert!(yaml(&path).is_object(), "{path}");
    }
}

#[test]
fn images_have_a_version() {
    let mut images = Vec::new();
    for stage in stages() {
        let (word, image) = &stage[0];
        assert_eq!(word, "FROM");
        images.push(image.split(' ').next().unwrap().to_owned());
    }
    for path in COMPOSE {
        for (name, service) in services(path) {
            let image = service["image"].as_str();
            images.push(image.unwrap_or_else(|| panic!("{path}: {name}")).to_owned());
            if !service["build"].is_null() {
                assert_eq!(images.last(), Some(&own_image()));
            }
        }
    }
    assert!(images.len() >= 9, "{images:?}");
    for image in images {
        let (_, tag) = image.split_once(':').unwrap_or((&image, ""));
        let numbers = tag.trim_start_matches('v').split(['.', '-']);
        let numbers = numbers.take_while(|part| part.parse::<u32>().is_ok());
        assert!(
            numbers.count() >= 2,
            "{image}: the tag says no exact version"
        );
    }
    let minimum = env!("CARGO_PKG_RUST_VERSION");
    let builder = &stages()[0][0].1;
    assert!(
        builder.starts_with(&format!("rust:{minimum}.")),
        "{builder}"
    );
    for path in below("docker") {
        let ours = read(&path);
        for (_, rest) in ours
            .match_indices("ai-proxy:")
            .map(|(at, _)| ours.split_at(at))
        {
            let tag = rest["ai-proxy:".len()..].chars();
            let tag: String = tag
                .take_while(|c| c.is_ascii_digit() || *c == '.')
                .collect();
            let is_version = tag.is_empty() || tag == env!("CARGO_PKG_VERSION");
            assert!(is_version, "{path}: ai-proxy:{tag}");
        }
    }
}

#[test]
fn the_image_runs_as_a_user_without_rights_and_writes_to_one_place() {
    let user = image("USER");
    for id in user.split(':') {
        assert!(id.parse::<u32>().is_ok_and(|id| id >= 1000), "{user}");
    }
    assert_eq!(image("VOLUME"), "/data");
    assert!(
        stages()
            .last()
            .unwrap()
            .iter()
            .any(|(word, rest)| word == "COPY"
                && rest.contains(&format!("--chown={user} "))
                && rest.ends_with(" /data")),
        "/data belongs to somebody else"
    );
    assert_eq!(image("ENV"), "TMPDIR=/data");
    assert_eq!(image("STOPSIGNAL"), "SIGTERM");
    assert_eq!(image("EXPOSE"), "8317 8318");
    let no_run = stages()
        .last()
        .unwrap()
        .iter()
        .all(|(word, _)| word != "RUN");
    assert!(no_run, "the image that ships is only copied together");
}

#[test]
fn the_services_may_do_nothing_but_serve() {
    for path in COMPOSE {
        let (_, gateway) = services(path)
            .into_iter()
            .find(|(name, _)| name == "gateway")
            .unwrap();
        assert_eq!(gateway["read_only"], true, "{path}");
        assert_eq!(texts(&gateway, "cap_drop"), ["ALL"], "{path}");
        assert_eq!(
            texts(&gateway, "security_opt"),
            ["no-new-privileges:true"],
            "{path}"
        );
        assert!(gateway["privileged"].is_null() && gateway["user"].is_null());
        let health = texts(&gateway["healthcheck"], "test");
        let asked = image("HEALTHCHECK");
        let asked = words(asked.split_once(" CMD ").unwrap().1);
        assert_eq!(health[0], "CMD", "{path}: no shell is needed");
        assert_eq!(health[1..], asked[..], "{path}");
        for port in texts(&gateway, "ports") {
            assert!(port.starts_with("127.0.0.1:"), "{path}: {port} is for all");
        }
        let grace = gateway["stop_grace_period"].as_str().unwrap();
        let grace: u64 = grace.strip_suffix('s').unwrap().parse().unwrap();
        assert!(grace > 940, "{path}: less than a drain may take");
    }
}

#[test]
fn every_path_that_is_named_is_there() {
    for path in COMPOSE {
        let volumes = yaml(path)["volumes"].clone();
        for (name, service) in services(path) {
            for volume in texts(&service, "volumes") {
                let source = volume.split(':').next().unwrap();
                if !source.starts_with('.') {
                    let volumes = volumes.as_object().unwrap();
                    assert!(
                        volumes.contains_key(source),
                        "{path}: {name}: no volume {source}"
                    );
                    continue;
                }
                assert!(volume.ends_with(":ro"), "{path}: {name}: {volume}");
                let file = beside(source);
                assert!(
                    root().join(&file).exists(),
                    "{path}: {name}: {source} is not there"
                );
            }
            if let Some(dockerfile) = service["build"]["dockerfile"].as_str() {
                let context = beside(service["build"]["context"].as_str().unwrap());
                assert!(root().join(context).join(dockerfile).is_file());
            }
            let needs = &service["depends_on"];
            let names = needs.as_object().map_or_else(
                || texts(&service, "depends_on"),
                |map| map.keys().cloned().collect(),
            );
            let known = services(path);
            for needed in names {
                assert!(known.iter().any(|(name, _)| *name == needed), "{needed}");
            }
        }
    }
}

/// The port of a gateway's admin listener, which nothing but Prometheus asks.
const ADMIN: u64 = 8318;

#[test]
fn what_stands_around_the_gateways_finds_them() {
    let exposed: Vec<String> = image("EXPOSE").split(' ').map(str::to_owned).collect();
    let scale = services(COMPOSE[1]);
    let (_, gateway) = scale.iter().find(|(name, _)| name == "gateway").unwrap();
    assert_eq!(texts(gateway, "expose"), exposed);
    let replicas = gateway["deploy"]["replicas"].as_u64().unwrap();
    let balancer = read("docker/haproxy.cfg");
    let servers = format!(
        "server-template gateway {replicas} gateway:{} check",
        exposed[0]
    );
    assert!(
        balancer.contains(&servers),
        "the balancer has no {servers:?}"
    );
    assert!(balancer.contains("http-check send meth GET uri /health/ready"));
    let prometheus = yaml("docker/prometheus.yml");
    let found = &prometheus["scrape_configs"][0]["dns_sd_configs"][0];
    assert_eq!(found["names"][0], "gateway");
    assert_eq!(found["port"], ADMIN);
    assert_eq!(exposed[1], ADMIN.to_string());
    let sources = yaml("docker/grafana/datasources.yaml");
    let url = sources["datasources"][0]["url"].as_str().unwrap();
    let host = url.split("://").nth(1).unwrap().split(':').next().unwrap();
    assert!(scale.iter().any(|(name, _)| name == host), "{url}");
}

#[test]
fn the_tables_are_there_before_the_gateways_are() {
    let scale = services(COMPOSE[1]);
    let service = |wanted: &str| {
        let found = scale.iter().find(|(name, _)| name == wanted);
        found.unwrap_or_else(|| panic!("no {wanted}")).1.clone()
    };
    let (gateway, migrate) = (service("gateway"), service("migrate"));
    let command = texts(&migrate, "command");
    assert_eq!(command[0], "migrate");
    assert_eq!(command[1..], texts(&gateway, "command")[1..]);
    for key in ["image", "environment"] {
        assert_eq!(migrate[key], gateway[key], "{key}");
    }
    let after = |service: &Value, other: &str| service["depends_on"][other]["condition"].clone();
    assert_eq!(after(&gateway, "migrate"), "service_completed_successfully");
    assert_eq!(after(&migrate, "mysql"), "service_healthy");
    let database = yaml("docker/config/scale.yaml")["database-url"].clone();
    assert_eq!(database, "${DATABASE_URL}");
    let spool = texts(&gateway, "volumes").into_iter();
    assert_eq!(spool.filter(|volume| volume == "spool:/data").count(), 1);
}

/// What the build copies from the repository.
fn copied() -> Vec<String> {
    let stages = stages();
    let copies = stages[0].iter().filter(|(word, _)| word == "COPY");
    copies
        .flat_map(|(_, rest)| {
            let mut parts: Vec<String> = rest.split(' ').map(str::to_owned).collect();
            parts.pop();
            parts
        })
        .collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

#[test]
fn what_the_build_copies_is_a_whole_workspace() {
    let place = tempfile::tempdir().unwrap();
    let ignored = read(".dockerignore");
    for name in copied() {
        copy(&root().join(&name), &place.path().join(&name));
        assert!(
            ignored.lines().any(|line| line == format!("!{name}")),
            ".dockerignore keeps {name} away"
        );
    }
    let metadata = Command::new(env!("CARGO"))
        // Dependencies need not be downloaded for this; what is checked is that every target has its file.
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(place.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&metadata.stderr).into_owned();
    assert!(metadata.status.success(), "{complaint}");
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let own = packages.iter().find(|it| it["name"] == "ai-proxy").unwrap();
    let targets = own["targets"].as_array().unwrap();
    for kind in ["lib", "bin"] {
        let target = targets.iter().find(|it| it["kind"][0] == kind).unwrap();
        assert!(Path::new(target["src_path"].as_str().unwrap()).is_file());
    }
}

/// Words that name a variable of ours, in the files of a folder.
fn variables(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in below(folder) {
        let text = read(&path);
        let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        for word in text.split(|c| !is_part(c)) {
            if word.starts_with("AI_PROXY_") || word == "RUST_LOG" {
                found.push((path.clone(), word.to_owned()));
            }
        }
    }
    found
}

#[test]
fn every_variable_is_one_that_somebody_reads() {
    let mut readers = String::new();
    for path in below("src")
        .iter()
        .chain(&below("docker/config"))
        .filter(|path| path.ends_with(".rs") || path.ends_with(".yaml"))
    {
        readers += &read(path);
    }
    let is_read = |name: &str| {
        readers.contains(&format!("\"{name}\"")) || readers.contains(&format!("${{{name}}}"))
    };
    assert!(is_read("AI_PROXY_PORT") && !is_read("AI_PROXY_NOTHING"));
    for (path, name) in variables("docker").into_iter().chain(variables("conf")) {
        assert!(is_read(&name), "{path}: nobody reads {name}");
    }
    for path in COMPOSE {
        for (name, service) in services(path) {
            if name == "gateway" {
                for variable in service["environment"].as_object().unwrap().keys() {
                    assert!(is_read(variable), "{path}: nobody reads {variable}");
                }
            }
        }
    }
}

/// Starts the gateway as a container does, asks it as the health check does, and stops it.
async fn serves_and_stops(command: Vec<String>) {
    let place = tempfile::tempdir().unwrap();
    let mounted = |arg: &String| match arg.strip_prefix(ETC) {
        Some(name) => {
            // A container has a network of its own; here the port may be taken.
            let text = read(&format!("docker/config/{name}"));
            let text = text.replace(&format!("port: {ADMIN}"), "port: 0");
            let file = place.path().join(name);
            fs::write(&file, text).unwrap();
            file.display().to_string()
        }
        None => arg.clone(),
    };
    let args: Vec<String> = command.iter().map(mounted).collect();
    let gateway = Gateway::with_arguments(args)
        .env("AI_PROXY_CLIENT_KEY", CLIENT_KEY)
        .env("ANTHROPIC_API_KEY", UPSTREAM_KEY_A)
        .env("OPENAI_API_KEY", UPSTREAM_KEY_B)
        .env("DATABASE_URL", "mysql://any:any@127.0.0.1:1/any")
        .env("AI_PROXY_PORT", "0")
        .start()
        .await;
    let port = gateway.addr().port().to_string();
    let asked = image("HEALTHCHECK");
    let asked = words(asked.split_once(" CMD ").unwrap().1);
    let healthy = Gateway::command(arguments(&asked)).env("AI_PROXY_PORT", &port);
    let done = healthy.run().await;
    assert_eq!((done.code, &*done.stderr), (Some(0), ""), "{done:?}");
    let open = get(gateway.addr(), "/v1/models", Key::None).await;
    assert_eq!(open.status, 401, "anybody may ask");
    let signal: Signal = image("STOPSIGNAL").parse().unwrap();
    gateway.signal(signal);
    assert_eq!(gateway.wait_exit().await.code(), Some(0));
}

#[tokio::test]
async fn the_image_starts_with_its_own_words() {
    let mut command = words(&image("ENTRYPOINT"));
    command.extend(words(&image("CMD")));
    serves_and_stops(arguments(&command)).await;
}

#[tokio::test]
async fn the_gateways_of_the_compose_files_start_with_theirs() {
    for path in COMPOSE {
        let (_, gateway) = services(path)
            .into_iter()
            .find(|(name, _)| name == "gateway")
            .unwrap();
        let mut command = words(&image("ENTRYPOINT"));
        match gateway["command"].is_null() {
            true => command.extend(words(&image("CMD"))),
            false => command.extend(texts(&gateway, "command")),
        }
        serves_and_stops(arguments(&command)).await;
    }
}

#[tokio::test]
async fn a_health_check_tells_well_from_unwell() {
    let upstream = Upstream::always(answer("x")).await;
    let gateway = Gateway::start(&config(&[("a", &upstream.url(), "")])).await;
    let port = gateway.addr().port().to_string();
    let health = async |args: &[&str]| {
        let command = Gateway::command(["health"].iter().chain(args).copied());
        // It reads no config: one that cannot be used changes nothing.
        command.file("config.yaml", "nonsense: true\n").run().await
    };
    let url = gateway.url();
    for args in [
        &["--port", &port][..],
        &["--url", url],
        &["--url", &format!("{url}/health/ready")],
    ] {
        let done = health(args).await;
        assert_eq!((done.code, &*done.stderr), (Some(0), ""), "{args:?}");
    }
    let done = health(&["--url", &format!("{url}/v1/models")]).await;
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("HTTP/1.1 401"), "{done:?}");

    let dead = DeadPort::take();
    let done = health(&["--url", &dead.url()]).await;
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("refused"), "{done:?}");

    // Takes connections, as the kernel does it for a process that hangs, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!(
        "http://{}",
        silent.local_addr().map(|it| (silent, it)).unwrap().1
    );
    let done = health(&["--url", &silent, "--timeout", "1"]).await;
    assert_eq!(done.code, Some(1), "{done:?}");

    for url in ["ftp://127.0.0.1:1", "127.0.0.1:1"] {
        let done = health(&["--url", url]).await;
        assert_eq!(done.code, Some(1));
        assert!(
            done.stderr.contains("it is an http:// or https:// URL"),
            "{done:?}"
        );
    }
}

/// The unit's command, with the paths of `place` in the place of the system's.
fn of_the_unit(line: &str, place: &Path) -> Vec<String> {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let here = |arg: String| match arg.strip_prefix(ETC) {
        Some(name) => place.join(name).display().to_string(),
        None => arg,
    };
    arguments(&words).into_iter().map(here).collect()
}

/// The process in the pid file, as soon as it is another one than `before`.
async fn main_process(place: &Path, before: Option<Pid>) -> Pid {
    let pid = async {
        loop {
            let text = fs::read_to_string(place.join("ai-proxy.pid")).unwrap_or_default();
            match text.trim().parse().map(Pid::from_raw) {
                Ok(pid) if Some(pid) != before => break pid,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    within("the pid file", pid).await
}

async fn ended(pid: Pid) {
    let ended = async {
        while kill(pid, None).is_ok() && !is_zombie(pid) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("a process to end", ended).await;
}

#[tokio::test]
async fn the_units_commands_start_a_daemon_and_upgrade_it() {
    let upstream = Upstream::always(answer("x")).await;
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let port = free_port();
    let settings = config(&[("a", &upstream.url(), "")]);
    let yaml = format!("host: 127.0.0.1\nport: {port}\n{settings}");
    fs::write(place.join("config.yaml"), yaml).unwrap();
    // The shipped file, with its runtime directory and its log here.
    let runtime = unit("RuntimeDirectory");
    let pingora = read("pingora.yaml").replace(
        &format!("/run/{}/", runtime[0]),
        &format!("{}/", place.display()),
    );
    let log = place.join("log").display().to_string();
    let pingora = format!("{pingora}\nerror_log: {log}\n");
    assert!(pingora.contains(&format!("pid_file: {}/ai-proxy.pid", place.display())));
    fs::write(place.join("pingora.yaml"), pingora).unwrap();
    assert_eq!(
        unit("PIDFile"),
        [format!("/run/{}/ai-proxy.pid", runtime[0])]
    );

    let run = async |line: &str| {
        let done = Gateway::command(of_the_unit(line, place)).run().await;
        assert_eq!(done.code, Some(0), "{line}: {done:?}");
    };
    let asked = async || {
        let question = crate::chat::question();
        let address = ([127, 0, 0, 1], port).into();
        text(&post_json(address, crate::chat::PATH, CLIENT_KEY, &question).await)
    };
    run(&unit("ExecStartPre")[0]).await;
    run(&unit("ExecStart")[0]).await;
    let first = Daemon(main_process(place, None).await);
    assert_eq!(asked().await, "x");

    let reload = unit("ExecReload");
    let [check, hand_over, successor] = &reload[..] else {
        panic!("{reload:?}")
    };
    run(check).await;
    assert_eq!(hand_over, "/bin/kill -QUIT $MAINPID");
    kill(first.0, Signal::SIGQUIT).unwrap();
    run(successor).await;
    let second = Daemon(main_process(place, Some(first.0)).await);
    ended(first.0).await;
    assert_eq!(asked().await, "x");
    assert_eq!(
        main_process(place, None).await,
        second.0,
        "the file that systemd reads still names the successor"
    );
    kill(second.0, Signal::SIGTERM).unwrap();
    ended(second.0).await;
}

#[test]
fn systemd_takes_the_unit() {
    let unit = read("conf/ai-proxy.service");
    for line in [
        "Type=forking",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "ProtectSystem=strict",
        "KillMode=control-group",
    ] {
        assert!(unit.lines().any(|it| it == line), "no {line}");
    }
    // What its commands are is tested above; here the programs only have to be there.
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("ai-proxy.service");
    let unit = unit.replace(BINARY, env!("CARGO_BIN_EXE_ai-proxy"));
    fs::write(&file, unit).unwrap();
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&file)
        .output();
    match verified {
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(done.status.success(), "{said}");
            let ours: Vec<&str> = said
                .lines()
                .filter(|line| line.contains("ai-proxy.service"))
                .collect();
            assert!(ours.is_empty(), "{ours:?}");
        }
        Err(error) => println!("not verified, systemd is not installed: {error}"),
    }
}
