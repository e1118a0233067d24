//! Sending spans to an OpenTelemetry collector: OTLP over HTTP, protobuf.
//!
//! A dead collector costs a bounded queue, a post that gives up soon, and one log line a minute. Spans that find the queue
//! full, or the collector dead, are lost; nothing waits for them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanData,
};

/// Spans that wait to be sent: about 2 MiB.
const QUEUE: usize = 2048;
/// How often they are sent, when a batch is not full before.
const EVERY: Duration = Duration::from_secs(2);
/// How long one post may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the end of the process may wait for the last spans.
const FLUSH: Duration = Duration::from_secs(5);
/// How often a dead collector is told of in the log.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// The sender of spans.
pub struct Exporter {
    provider: SdkTracerProvider,
}

impl Exporter {
    /// Sends to the collector at `endpoint` (`http://HOST:PORT`). A trace that begins here is sent with the probability
    /// `sample` (0 to 1); one that a caller began is sent when the caller's is.
    pub fn start(endpoint: &str, sample: f64) -> anyhow::Result<Exporter> {
        if !endpoint.starts_with("http://") {
            bail!(
                "--otlp-endpoint must be http://HOST:PORT, not `{endpoint}`: run a collector on this machine, and let it \
                 speak TLS to where traces are kept"
            );
        }
        if !(0.0..=1.0).contains(&sample) {
            bail!("--otlp-sample must be between 0 and 1, not {sample}");
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Post::new())
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(PATIENCE)
            .build()
            .context("spans can't be sent")?;
        let bounds = BatchConfigBuilder::default().with_max_queue_size(QUEUE).with_scheduled_delay(EVERY);
        let processor = BatchSpanProcessor::builder(Complaining::about(exporter))
            .with_batch_config(bounds.build())
            .build();
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(sample))))
            .with_resource(resource())
            .with_span_processor(processor)
            .build();
        Ok(Exporter { provider })
    }

    /// What makes spans.
    pub fn tracer(&self) -> SdkTracer {
        self.provider.tracer("ecert")
    }

    /// Sends what still waits, within a bounded time.
    pub fn stop(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH) {
            tracing::warn!(%error, "the last spans may be lost");
        }
    }
}

/// Which service, which version, which process. `OTEL_RESOURCE_ATTRIBUTES` may add to it.
fn resource() -> Resource {
    let instance = format!("{:032x}", rand::random::<u128>());
    Resource::builder()
        .with_service_name("ecert")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", instance))
        .build()
}

/// An exporter that says that it fails, but not each time.
#[derive(Debug)]
struct Complaining {
    exporter: SpanExporter,
    lost: AtomicU64,
    complained: Mutex<Option<Instant>>,
}

impl Complaining {
    fn about(exporter: SpanExporter) -> Self {
        Self { exporter, lost: AtomicU64::new(0), complained: Mutex::new(None) }
    }

    fn complain(&self, error: &dyn std::fmt::Display) {
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if complained.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY) {
            *complained = Some(Instant::now());
            let lost = self.lost.swap(0, Ordering::Relaxed);
            tracing::warn!(%error, lost, "the collector does not take spans; they are lost, and nothing else is");
        }
    }
}

impl opentelemetry_sdk::trace::SpanExporter for Complaining {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let sent = self.exporter.export(batch).await;
        if let Err(error) = &sent {
            self.lost.fetch_add(spans, Ordering::Relaxed);
            self.complain(error);
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Posts from the exporter's own thread, which may block.
#[derive(Debug)]
struct Post(ureq::Agent);

impl Post {
    fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            // Not through a proxy that the environment names: the collector is near.
            .proxy(None)
            .http_status_as_error(false);
        Self(config.build().into())
    }
}

#[async_trait::async_trait]
impl HttpClient for Post {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let answer = self.0.run(Request::from_parts(head, body.to_vec()))?;
        let (head, mut body) = answer.into_parts();
        Ok(Response::from_parts(head, body.read_to_vec()?.into()))
    }
}
