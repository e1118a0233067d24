//! `ecert serve`

use std::io::{IsTerminal as _, Write as _};

use actix_web::rt::System;
use tracing_subscriber::filter::{FilterFn, LevelFilter};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

use crate::app::{self, Ports};
use crate::config::{Config, LogFormat};
use crate::edge::otlp::Exporter;
use crate::edge::traces;
use crate::http::apps;

/// Serves until SIGTERM or Ctrl-C, then finishes what is under way.
pub(super) fn serve(config: &Config) -> anyhow::Result<()> {
    let traces = start_logging(config)?;
    let served = System::new().block_on(async {
        let running = app::start(config, Ports::default())?;
        // Whoever read this may be gone already; that is no reason not to serve.
        let _ = std::io::stdout().write_all(welcome(&running.context.public_url, config).as_bytes());
        running.serve().await
    });
    if let Some(traces) = traces {
        traces.stop();
    }
    served
}

fn welcome(url: &str, config: &Config) -> String {
    let data_dir = config.data_dir.display();
    let wallet = if apps::is_built() { "" } else { "  (not built: it says there what is missing)" };
    format!(
        "E-Cert is serving at {url}\n\n  \
         the wallet              {url}/wallet/{wallet}\n  \
         the scanner of a shop   {url}/scanner/{wallet}\n  \
         the console of admins   {url}/console/{wallet}\n  \
         issuer, keys, consent   {url}/.well-known/ecert\n  \
         the API                 {url}/docs  {url}/openapi.json\n  \
         health, readiness       {url}/healthz  {url}/readyz\n  \
         metrics                 {url}/metrics\n  \
         the API                 docs/API.md\n  \
         a first admin           ecert admin bootstrap --name you --data-dir {data_dir}\n\n"
    )
}

/// Logs to stderr and, where an endpoint is set, sends traces. What is logged and what is traced are filtered apart.
fn start_logging(config: &Config) -> anyhow::Result<Option<Exporter>> {
    let lines = fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
    let lines = match config.log_format {
        LogFormat::Json => lines.json().boxed(),
        LogFormat::Text => lines.boxed(),
    };
    let exporter = match &config.otlp_endpoint {
        Some(endpoint) => Some(Exporter::start(endpoint, config.otlp_sample)?),
        None => None,
    };
    let spans = exporter.as_ref().map(|exporter| {
        let layer = tracing_opentelemetry::layer()
            .with_tracer(exporter.tracer())
            // The parent is the tracing span that is entered, also on the threads that use cases run on.
            .with_context_activation(false)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false);
        layer.with_filter(FilterFn::new(traces::is_exported).with_max_level_hint(LevelFilter::DEBUG))
    });
    let lines = lines.with_filter(EnvFilter::try_new(&config.log)?);
    tracing_subscriber::registry().with(lines).with(spans).init();
    Ok(exporter)
}
