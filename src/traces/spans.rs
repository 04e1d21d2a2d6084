//! Spans, made when something begins and ended with what it came to.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tokio_rustls::rustls::ClientConfig;

use super::export::{Exporting, Queue, exporter};
use super::{CannotTrace, Ended, Tried};

/// Makes traces.
#[derive(Debug)]
pub struct Traces {
    tracer: SdkTracer,
    propagator: TraceContextPropagator,
}

/// The spans of one request.
#[derive(Debug)]
pub struct RequestTrace {
    request: Context,
    attempt: Option<Context>,
}

/// Traces that go to the collector at `endpoint`, and what sends them there, which has to be run.
pub fn start(endpoint: &str, tls: &ClientConfig) -> Result<(Traces, Exporting), CannotTrace> {
    let resource = Resource::builder()
        .with_service_name(env!("CARGO_PKG_NAME"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let exporter = exporter(endpoint, tls, &resource)?;
    let (queue, exporting) = Queue::new(exporter);
    // A caller that does not sample its request does not want ours; without a caller all are.
    let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(sampler)
        .with_span_processor(queue)
        .build();
    let traces = Traces {
        tracer: provider.tracer(env!("CARGO_PKG_NAME")),
        propagator: TraceContextPropagator::new(),
    };
    Ok((traces, exporting))
}

impl Traces {
    /// A request begins, as a child of what its headers name.
    pub fn begin(&self, method: &str, route: &str, headers: &HeaderMap) -> RequestTrace {
        let parent = self
            .propagator
            .extract_with_context(&Context::new(), &Headers(headers));
        let attributes = [
            text("http.request.method", method),
            text("http.route", route),
        ];
        let builder = self
            .tracer
            .span_builder(format!("{method} {route}"))
            .with_kind(SpanKind::Server)
            .with_attributes(attributes);
        let span = builder.start_with_context(&self.tracer, &parent);
        RequestTrace {
            request: Context::new().with_span(span),
            attempt: None,
        }
    }
}

impl RequestTrace {
    /// What it asks for is known.
    pub fn asks(&self, operation: Option<&'static str>, model: &str, id: &str) {
        let span = self.request.span();
        if !span.is_recording() {
            return;
        }
        if let Some(operation) = operation {
            span.set_attribute(text("gen_ai.operation.name", operation));
        }
        if !model.is_empty() {
            span.set_attribute(text("gen_ai.request.model", model));
        }
        span.set_attribute(text("aiproxy.request.id", id));
    }

    /// A try begins.
    pub fn tries(&mut self, traces: &Traces, tried: Tried<'_>) {
        self.tried(Ended::default());
        let operation = tried.operation.unwrap_or("request");
        let mut attributes = vec![
            text("gen_ai.provider.name", tried.provider),
            text("aiproxy.account", tried.account),
            text("server.address", tried.host),
            KeyValue::new("server.port", i64::from(tried.port)),
        ];
        if let Some(operation) = tried.operation {
            attributes.push(text("gen_ai.operation.name", operation));
        }
        if !tried.model.is_empty() {
            attributes.push(text("gen_ai.request.model", tried.model));
        }
        if tried.before > 0 {
            let before = i64::from(tried.before);
            attributes.push(KeyValue::new("http.request.resend_count", before));
        }
        let name = match tried.model {
            "" => operation.to_owned(),
            model => format!("{operation} {model}"),
        };
        let builder = traces
            .tracer
            .span_builder(name)
            .with_kind(SpanKind::Client)
            .with_attributes(attributes);
        let span = builder.start_with_context(&traces.tracer, &self.request);
        self.attempt = Some(Context::new().with_span(span));
    }

    /// Writes who asks into the header of the try.
    pub fn inject(&self, traces: &Traces, headers: &mut HeaderMap) {
        if let Some(attempt) = &self.attempt {
            traces
                .propagator
                .inject_context(attempt, &mut HeadersMut(headers));
        }
    }

    /// The try has ended.
    pub fn tried(&mut self, ended: Ended<'_>) {
        if let Some(attempt) = self.attempt.take() {
            end(&attempt, ended);
        }
    }

    /// The request has ended.
    pub fn finish(mut self, ended: Ended<'_>) {
        self.tried(ended);
        end(&self.request, ended);
    }
}

fn end(context: &Context, ended: Ended<'_>) {
    let span = context.span();
    if span.is_recording() {
        let number = |name: &'static str, number: Option<u64>| {
            let number = i64::try_from(number?).ok()?;
            Some(KeyValue::new(name, number))
        };
        let known = [
            number("http.response.status_code", ended.status.map(u64::from)),
            number("gen_ai.usage.input_tokens", ended.input_tokens),
            number("gen_ai.usage.output_tokens", ended.output_tokens),
            ended
                .answered_by
                .map(|model| text("gen_ai.response.model", model)),
            ended.error.map(|error| text("error.type", error)),
        ];
        for attribute in known.into_iter().flatten() {
            span.set_attribute(attribute);
        }
        if ended.error.is_some() {
            span.set_status(Status::error(""));
        }
    }
    span.end();
}

fn text(name: &'static str, value: &str) -> KeyValue {
    KeyValue::new(name, value.to_owned())
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if value.is_empty() {
            return;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}
