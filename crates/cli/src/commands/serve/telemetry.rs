//! Traces for an OpenTelemetry collector (OTLP over HTTP, JSON): a span for every request and every job.
//!
//! `OTEL_EXPORTER_OTLP_HEADERS` and the other variables of the OpenTelemetry specification are understood by the
//! library. Nothing is exported unless an endpoint is named.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use egress::{AddressPolicy, Body, Client, ClientConfig, ProxyConfig, RetryPolicy, Url};
use opentelemetry::{
    KeyValue,
    trace::{SpanKind, TracerProvider as _},
};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SdkTracer, SdkTracerProvider, SpanData, SpanExporter as Exporter},
};
use tokio::runtime::Handle;

use crate::exit::Failure;

/// Longest answer of a collector that is read, in bytes.
const MAX_ANSWER: u64 = 1 << 20;
/// How long a collector may take for one batch.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is exported to, until it is dropped: what waits is sent then.
#[derive(Debug)]
pub(super) struct Telemetry {
    provider: SdkTracerProvider,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // A collector that is gone keeps nobody from ending; nowhere is left to say it.
        let _ = self.provider.shutdown();
    }
}

impl Telemetry {
    /// Exports to the collector at an address: `http://collector:4318`.
    ///
    /// # Errors
    /// When no client can be built.
    pub(super) fn start(endpoint: &Url, runtime: Handle) -> Result<Self, Failure> {
        let failed = |error: &dyn std::error::Error| {
            Failure::new("telemetry-failed", error, "Check telemetry.endpoint and the OTEL_* variables.")
        };
        // An administrator named it: no address is refused.
        let mut config = ClientConfig::new(AddressPolicy::Any, ProxyConfig::from_environment());
        config.retry = RetryPolicy::none();
        config.total_timeout = Some(PATIENCE);
        let client = Client::build(&config).map_err(|error| failed(&error))?;
        let traces = format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/'));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpJson)
            .with_http_client(Sender { client, runtime })
            .with_endpoint(traces)
            .build()
            .map_err(|error| failed(&error))?;
        let resource = Resource::builder()
            .with_service_name("lazaret")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider =
            SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(Named(exporter)).build();
        Ok(Self { provider })
    }

    /// What spans become traces with.
    pub(super) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("lazaret")
    }
}

/// Sends batches the way everything else of Lazaret is sent.
#[derive(Debug)]
struct Sender {
    client: Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string())?;
        let mut question = egress::Request::new("export traces", head.method, url).body(Body::Bytes(body));
        for (name, value) in head.headers {
            if let Some(name) = name {
                question = question.header(name, value);
            }
        }
        let client = self.client.clone();
        // The library asks from a thread of its own.
        let answered = self.runtime.spawn(async move {
            let answer = client.send(question).await?;
            let status = answer.status();
            Ok::<_, egress::EgressError>((status, answer.read_to_limit(MAX_ANSWER).await?))
        });
        let (status, body) = answered.await??;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        Ok(response)
    }
}

/// Gives spans the names and kinds that people look for in traces: `GET /api/portal/v1/images/{id}`, `job index`.
#[derive(Debug)]
struct Named(SpanExporter);

impl Exporter for Named {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        for span in &mut batch {
            let find = |name: &str| {
                let found = span.attributes.iter().find(|pair| pair.key.as_str() == name);
                found.map(|pair| pair.value.as_str().into_owned())
            };
            let named = match span.name.as_ref() {
                "request" => {
                    find("method").zip(find("route")).map(|(method, route)| format!("{method} {route}"))
                }
                "job" => find("kind").map(|kind| format!("job {kind}")),
                _ => None,
            };
            let Some(named) = named else { continue };
            span.span_kind = if span.name == "request" { SpanKind::Server } else { SpanKind::Consumer };
            span.name = named.into();
            for pair in &mut span.attributes {
                let standard = match pair.key.as_str() {
                    "method" => "http.request.method",
                    "route" => "http.route",
                    "id" | "request" => "lazaret.request",
                    "scan" => "lazaret.scan",
                    "job" => "lazaret.job",
                    _ => continue,
                };
                pair.key = standard.into();
            }
        }
        self.0.export(batch).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}
