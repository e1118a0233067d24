//! Traces: a span a request with its stages below it, for OpenTelemetry. Off unless an endpoint is set ([`super::otlp`]).
//!
//! Invariant: only spans of [`TARGET`] leave the process, and all of them are made here. They say route pattern, method,
//! status, request id and stage, never what a path, a header or a body holds. Log lines never leave as span events.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{TraceContextExt as _, TraceId};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Metadata, Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The target of the spans that may leave the process.
pub const TARGET: &str = "ecert_server::trace";

/// Routes that no trace is made of: probes come every few seconds and tell nothing, and `-` is where there is nothing (or
/// /metrics).
const UNTRACED: [&str; 3] = ["/healthz", "/readyz", "-"];

/// What leaves the process: spans made here, no events.
pub fn is_exported(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == TARGET
}

/// A request, as a span of kind `server`.
pub struct RequestSpan {
    span: Span,
    trace_id: Option<String>,
}

impl RequestSpan {
    /// Begins the span of a request to the route pattern `route`. `incoming` are the caller's W3C `traceparent` and
    /// `tracestate`: their trace is continued. Log lines within carry the request's id, and the trace's when traces are on.
    pub fn begin(request_id: &str, method: &'static str, route: &str, incoming: [Option<&str>; 2]) -> Self {
        if UNTRACED.contains(&route) {
            return Self { span: tracing::info_span!("request", request_id), trace_id: None };
        }
        let span = tracing::info_span!(
            target: TARGET, "request", request_id,
            trace_id = field::Empty, otel.name = field::Empty, otel.kind = field::Empty,
        );
        let carrier: HashMap<String, String> = ["traceparent", "tracestate"]
            .into_iter()
            .zip(incoming)
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        let parent =
            TraceContextPropagator::new().extract_with_context(&opentelemetry::Context::new(), &carrier);
        if span.set_parent(parent).is_err() {
            return Self { span, trace_id: None };
        }
        span.record("otel.name", format!("{method} {route}"));
        span.record("otel.kind", "server");
        span.set_attribute("http.request.method", method);
        span.set_attribute("http.route", route.to_owned());
        let trace_id = trace_id(&span);
        if let Some(id) = &trace_id {
            span.record("trace_id", id);
        }
        Self { span, trace_id }
    }

    /// The span, to do the request's work in.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// Ends the span with the answer's status, and the API's word for it when it was a refusal or a malfunction. Answers
    /// the trace's id when traces are on.
    pub fn end(self, status: u16, code: Option<&'static str>) -> Option<String> {
        self.trace_id.as_ref()?;
        self.span.set_attribute("http.response.status_code", i64::from(status));
        if let Some(code) = code {
            self.span.set_attribute("ecert.problem.code", code);
        }
        // A refusal is an answer: only what is broken here is an error of the server (HTTP semantic conventions).
        if status >= 500 {
            self.span.set_attribute("error.type", code.map_or_else(|| status.to_string(), str::to_owned));
            self.span.set_status(opentelemetry::trace::Status::error(""));
        }
        self.trace_id
    }
}

fn trace_id(span: &Span) -> Option<String> {
    let id = span.context().span().span_context().trace_id();
    (id != TraceId::INVALID).then(|| id.to_string())
}

/// A stage of the request that is being worked on; nothing where there is none, as in a job.
pub fn stage(name: &'static str) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    tracing::debug_span!(target: TARGET, "stage", otel.name = name)
}
