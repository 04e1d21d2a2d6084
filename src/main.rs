//! Flags in, exit code out: 0 done, 1 failed to run, 2 bad config, 3 translated with losses.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ai_proxy::cli::{Command, Flags, Translate};
use ai_proxy::config::{self, Environment, Errors, ProcessEnvironment, Source};
use ai_proxy::health_command::{self, Target};
use ai_proxy::server::{self, Demo, Launch, StartError};
use ai_proxy::state::sql::DatabaseUrl;
use ai_proxy::translate_command::{self, Job};
use ai_proxy::{demo, logging, migrate_command};

/// A request makes some hundred small allocations, most of them Pingora's: see `docs/adr/0007-allocator.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BAD_CONFIG: u8 = 2;
const WITH_LOSSES: u8 = 3;

fn main() -> ExitCode {
    let flags = Flags::from_command_line();
    let environment: Arc<dyn Environment> = match ProcessEnvironment::try_new(Path::new(".")) {
        Ok(environment) => Arc::new(environment),
        Err(errors) => return bad_config(&errors),
    };
    match flags.command() {
        Command::Schema => {
            println!("{}", config::schema());
            ExitCode::SUCCESS
        }
        Command::Check => check(&flags, &*environment),
        Command::Run => {
            let source = Source::find(flags.config.clone(), &*environment);
            launch(&flags, source, environment, None)
        }
        Command::Migrate { check } => with_database(&flags, &*environment, |url| {
            let done = match check {
                true => migrate_command::check(url),
                false => migrate_command::migrate(url),
            };
            done.map(|line| vec![line])
        }),
        Command::RebuildUsage { from, until } => with_database(&flags, &*environment, |url| {
            migrate_command::rebuild_usage(url, from..=until.unwrap_or(from))
        }),
        Command::Translate(asked) => {
            translate(&asked).unwrap_or_else(|error| failed(&error.to_string()))
        }
        Command::Health { url, timeout } => {
            let target = url.map_or_else(|| Target::local(&flags.overrides(), &*environment), Ok);
            match target {
                Ok(target) => health(&target, Duration::from_secs(timeout)),
                Err(error) => failed(&error),
            }
        }
        Command::Demo { once } => match prepare_demo(once) {
            Ok((source, demo)) => launch(&flags, source, environment, Some(demo)),
            Err(error) => failed(&format!("cannot prepare the demo: {error}")),
        },
    }
}

fn launch(
    flags: &Flags,
    source: Source,
    environment: Arc<dyn Environment>,
    demo: Option<Demo>,
) -> ExitCode {
    let overrides = flags.overrides();
    let config = match config::load(&source, &*environment, &overrides) {
        Ok(config) => config,
        Err(errors) => return bad_config(&errors),
    };
    logging::configure(config.log.level, config.log.format);
    let launched = server::run(Launch {
        config,
        source,
        environment,
        overrides,
        conf: flags.conf.clone(),
        daemon: flags.daemon,
        upgrade: flags.upgrade,
        demo,
    });
    match launched {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ StartError::Conf(..)) => {
            eprintln!("{error}");
            ExitCode::from(BAD_CONFIG)
        }
        Err(error) => failed(&error.to_string()),
    }
}

/// Does something with the config's database and says what.
fn with_database(
    flags: &Flags,
    environment: &dyn Environment,
    done: impl FnOnce(&DatabaseUrl) -> Result<Vec<String>, String>,
) -> ExitCode {
    let source = Source::find(flags.config.clone(), environment);
    let config = match config::load(&source, environment, &flags.overrides()) {
        Ok(config) => config,
        Err(errors) => return bad_config(&errors),
    };
    match done(&config.stores.database) {
        Ok(lines) => {
            for line in lines {
                println!("{line}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

/// Reports the errors of both files.
fn check(flags: &Flags, environment: &dyn Environment) -> ExitCode {
    let source = Source::find(flags.config.clone(), environment);
    let conf = server::conf(flags.conf.as_deref());
    if let Err(error) = &conf {
        eprintln!("{error}");
    }
    match config::load(&source, environment, &flags.overrides()) {
        Ok(config) if conf.is_ok() => {
            println!(
                "ok: {} accounts, {} client keys",
                config.accounts.len(),
                config.clients.len()
            );
            ExitCode::SUCCESS
        }
        Ok(_) => ExitCode::from(BAD_CONFIG),
        Err(errors) => bad_config(&errors),
    }
}

/// Translates one document: it goes to stdout, losses or the error to stderr.
fn translate(asked: &Translate) -> io::Result<ExitCode> {
    let mut input = Vec::new();
    if asked.file == Path::new("-") {
        io::stdin().read_to_end(&mut input)?;
    } else {
        input = std::fs::read(&asked.file).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", asked.file.display()))
        })?;
    }
    let job = Job {
        kind: asked.kind,
        from: asked.from,
        to: asked.to,
        model: asked.model.as_deref(),
        stream: asked.stream,
    };
    match translate_command::run(job, &input) {
        Ok(done) => {
            io::stdout().write_all(&done.document)?;
            io::stderr().write_all(&translate_command::loss_lines(&done.losses))?;
            Ok(match done.losses.notes() {
                [] => ExitCode::SUCCESS,
                _ => ExitCode::from(WITH_LOSSES),
            })
        }
        Err(error) => {
            io::stderr().write_all(&error)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Whether the gateway is well, as an exit code.
fn health(target: &Target, limit: Duration) -> ExitCode {
    match health_command::ask(target, limit) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string()),
    }
}

/// The demo's config, and the socket of its provider.
fn prepare_demo(once: bool) -> io::Result<(Source, Demo)> {
    let provider = TcpListener::bind("127.0.0.1:0")?;
    provider.set_nonblocking(true)?;
    let source = Source::Text(demo::config_yaml(provider.local_addr()?));
    Ok((source, Demo { provider, once }))
}

fn bad_config(errors: &Errors) -> ExitCode {
    eprintln!("{errors}");
    ExitCode::from(BAD_CONFIG)
}

fn failed(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::FAILURE
}
