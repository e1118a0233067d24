//! `ecert serve`

use actix_web::rt::System;
use tracing_subscriber::EnvFilter;

use crate::app::{self, Ports};
use crate::config::{Config, LogFormat};

/// Serves until SIGTERM or Ctrl-C, then finishes what is under way.
pub(super) fn serve(config: &Config) -> anyhow::Result<()> {
    start_logging(config)?;
    System::new().block_on(async {
        let running = app::start(config, Ports::default())?;
        let url = &running.context.public_url;
        println!("E-Cert is serving at {url}\n");
        println!("  issuer, keys, consent   {url}/.well-known/ecert");
        println!("  health, readiness       {url}/healthz  {url}/readyz");
        println!("  metrics                 {url}/metrics");
        println!("  the API                 docs/API.md");
        println!(
            "  a first admin           ecert admin add --name you --data-dir {}\n",
            config.data_dir.display()
        );
        running.serve().await
    })
}

fn start_logging(config: &Config) -> anyhow::Result<()> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&config.log)?)
        .with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Json => builder.json().init(),
        LogFormat::Text => builder.init(),
    }
    Ok(())
}
