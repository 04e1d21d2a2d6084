//! The command line: one for ai-proxy and for Pingora. The only place that knows `structopt`.

use std::path::PathBuf;

use log::LevelFilter;
use structopt::StructOpt;
use structopt::clap::AppSettings::{
    ColoredHelp, DeriveDisplayOrder, DisableHelpSubcommand, GlobalVersion, VersionlessSubcommands,
};

use crate::chat::Format;
use crate::config::Overrides;
use crate::health_command::Target;
use crate::migrate_command;
use crate::translate_command::Kind;

/// One daemon in front of every LLM provider.
#[derive(Debug, StructOpt)]
#[structopt(
    name = "ai-proxy",
    global_settings = &[ColoredHelp, DeriveDisplayOrder, DisableHelpSubcommand, GlobalVersion, VersionlessSubcommands]
)]
pub struct Flags {
    /// Gateway config [default: $AI_PROXY_CONFIG, else config.yaml if it is there]
    #[structopt(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Pingora's own config
    #[structopt(short = "c", long, global = true, value_name = "FILE")]
    pub conf: Option<PathBuf>,
    /// Address to listen on
    #[structopt(long, global = true, value_name = "ADDRESS")]
    host: Option<String>,
    /// Port to listen on; 0 takes a free one
    #[structopt(long, global = true)]
    port: Option<u16>,
    /// error, warn, info, debug, trace or off
    #[structopt(long, global = true, value_name = "LEVEL")]
    log_level: Option<LevelFilter>,
    /// Run in the background
    #[structopt(short, long, global = true)]
    pub daemon: bool,
    /// Take the listening sockets over from the running process
    #[structopt(short, long, global = true)]
    pub upgrade: bool,
    /// Check both config files and exit
    #[structopt(short, long, global = true)]
    pub test: bool,
    #[structopt(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, StructOpt)]
pub enum Command {
    /// Serve (the default)
    Run,
    /// Check both config files and exit
    Check,
    /// Print the JSON Schema of the gateway config
    Schema,
    /// Serve with a built-in offline provider and show one request in each format
    Demo {
        /// Exit after the requests
        #[structopt(long)]
        once: bool,
    },
    /// Ask a running gateway whether it is well: exit code 0, else 1
    ///
    /// For the health checks of containers. Reads no config file: give the port, or the URL, when the
    /// gateway does not listen on 8317.
    Health {
        /// What to ask [default: http://127.0.0.1:8317/health, with --host and --port]
        #[structopt(long)]
        url: Option<Target>,
        /// Longest that it may take, in seconds
        #[structopt(long, value_name = "SECONDS", default_value = "5")]
        timeout: u64,
    },
    /// Bring the database's tables up to date
    ///
    /// For MySQL and PostgreSQL, before the first start and after every update; SQLite does without.
    /// Exit code: 0 done, 1 failed.
    Migrate {
        /// Only say whether they are up to date: exit code 0, else 1
        #[structopt(long)]
        check: bool,
    },
    /// Make the sums of days again from their usage records
    RebuildUsage {
        /// The first day, in UTC, as 2026-01-31
        #[structopt(value_name = "DAY", parse(try_from_str = migrate_command::day))]
        from: i64,
        /// The last day [default: the same]
        #[structopt(value_name = "LAST", parse(try_from_str = migrate_command::day))]
        until: Option<i64>,
    },
    /// Translate one document from one format into another
    ///
    /// Formats are openai-chat, openai-responses, claude and gemini. A request goes from a client's
    /// format to a provider's; a response or a stream from a provider's to a client's. What cannot be
    /// carried is told on stderr, one JSON object a line. Exit code: 0 translated, 3 translated with
    /// losses, 1 refused.
    Translate(Translate),
}

/// What to translate.
#[derive(Debug, Clone, PartialEq, Eq, StructOpt)]
pub struct Translate {
    /// request, response or stream
    #[structopt(long)]
    pub kind: Kind,
    /// The document's format
    #[structopt(long, value_name = "FORMAT", parse(try_from_str = format))]
    pub from: Format,
    /// The format to translate into
    #[structopt(long, value_name = "FORMAT", parse(try_from_str = format))]
    pub to: Format,
    /// The model that answers [default: the one that the document names]
    #[structopt(long)]
    pub model: Option<String>,
    /// A Gemini request is for a stream (in the other formats the document says so)
    #[structopt(long)]
    pub stream: bool,
    /// The document; `-` is stdin
    #[structopt(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
}

fn format(name: &str) -> Result<Format, String> {
    let names = Format::ALL.map(Format::name);
    Format::named(name).ok_or_else(|| format!("it is one of {}", names.join(", ")))
}

impl Flags {
    /// Reads the command line; prints help or an error and exits when it has to.
    pub fn from_command_line() -> Self {
        Self::from_args()
    }

    /// What the flags say about the config.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            host: self.host.clone(),
            port: self.port,
            log_level: self.log_level,
        }
    }

    /// What to do.
    pub fn command(&self) -> Command {
        match &self.command {
            Some(command) => command.clone(),
            None if self.test => Command::Check,
            None => Command::Run,
        }
    }
}
