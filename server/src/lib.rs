//! E-Cert's server. Requests run straight down: [`routes`] → [`http`] → [`flow`] → [`store`], [`billing`], [`edge`].
//! docs/ARCHITECTURE.md is the map.

pub mod app;
pub mod cli;
pub mod config;
pub mod routes;

pub mod openapi;

pub mod http;
pub mod jobs;

pub mod flow;

pub mod billing;
pub mod delivery;
pub mod edge;
pub mod store;

#[cfg(feature = "bench-without-face")]
mod failpoint;
pub mod progress;
pub mod roles;
pub mod stop;
