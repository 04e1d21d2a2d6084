//! The command line: one for ai-proxy and for Pingora. The only place that knows `structopt`.

use std::path::PathBuf;

use log::LevelFilter;
use structopt::StructOpt;
use structopt::clap::AppSettings::{
    ColoredHelp, DeriveDisplayOrder, DisableHelpSubcommand, GlobalVersion, VersionlessSubcommands,
};

use crate::config::Overrides;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, StructOpt)]
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
        match self.command {
            Some(command) => command,
            None if self.test => Command::Check,
            None => Command::Run,
        }
    }
}
