//! `ecert serve`

use std::io::{IsTerminal as _, Write as _};

use actix_web::rt::System;
use tracing_subscriber::EnvFilter;

use crate::app::{self, Ports};
use crate::config::{Config, LogFormat};

/// Serves until SIGTERM or Ctrl-C, then finishes what is under way.
pub(super) fn serve(config: &Config) -> anyhow::Result<()> {
    start_logging(config)?;
    System::new().block_on(async {
        let running = app::start(config, Ports::default())?;
        // Whoever read this may be gone already; that is no reason not to serve.
        let _ = std::io::stdout().write_all(welcome(&running.context.public_url, config).as_bytes());
        running.serve().await
    })
}

fn welcome(url: &str, config: &Config) -> String {
    let data_dir = config.data_dir.display();
    format!(
        "E-Cert is serving at {url}\n\n  \
         issuer, keys, consent   {url}/.well-known/ecert\n  \
         health, readiness       {url}/healthz  {url}/readyz\n  \
         metrics                 {url}/metrics\n  \
         the API                 docs/API.md\n  \
         a first admin           ecert admin add --name you --data-dir {data_dir}\n\n"
    )
}

fn start_logging(config: &Config) -> anyhow::Result<()> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&config.log)?)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Json => builder.json().init(),
        LogFormat::Text => builder.init(),
    }
    Ok(())
}
