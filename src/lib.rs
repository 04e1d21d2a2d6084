//! ai-proxy: one daemon in front of every LLM provider.

pub mod account;
pub mod chat;
pub mod cli;
pub mod config;
pub mod demo;
pub mod lifecycle;
pub mod live;
pub mod logging;
pub mod proxy;
pub mod routing;
pub mod secret;
pub mod server;
pub mod upstream;
pub mod wire;
