//! What the gateway tells an OpenTelemetry collector: its metrics, and traces of single requests (decision 0009).
//!
//! ```text
//! request ──> Sampling (dice) ──> Trace ──try──> queue ──> spans::Exporter ──┐
//! /metrics' instruments ──> PeriodicReader (a thread of the SDK's) ──────────┴─> collector::Client ──> OTLP/HTTP
//! ```
//!
//! Nothing here is ever waited for by the data path: what the collector doesn't take is dropped and counted.

pub mod collector;
pub mod connection;
pub mod counts;
pub mod metrics;
pub mod sampling;
pub mod spans;
pub mod trace;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use config::{Config, Otlp};
use opentelemetry::KeyValue;
use opentelemetry_otlp::{MetricExporter, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::PeriodicReader;
use opentelemetry_sdk::resource::{EnvResourceDetector, ResourceDetector};
use opentelemetry_sdk::trace::SpanExporter as _;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::telemetry::collector::Client;
use crate::telemetry::counts::{Counts, Link, Signal};
use crate::telemetry::spans::Queue;

/// How long one batch of spans may be tried for, all tries together.
const TRIED_FOR: Duration = Duration::from_secs(10);
/// How long the last metrics and spans of a gateway that ends may take.
const LAST_WORDS: Duration = Duration::from_secs(4);

/// What the data path has of it.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// Where traces go; none if there is no collector.
    pub traces: Option<Queue>,
    /// What became of what was sent.
    pub counts: Arc<Counts>,
}

/// What sends it.
pub struct Exports {
    /// Asks for the metrics from time to time; given away once.
    pub reader: Option<PeriodicReader<metrics::Watched>>,
    /// Whose metrics these are.
    pub resource: Resource,
    spans: Option<spans::Exporter>,
}

/// Makes both ends, from inside the runtime. Nothing is sent yet.
///
/// # Errors
/// Certificates that can't be used.
pub fn open(config: &Config) -> anyhow::Result<(Telemetry, Exports)> {
    let (counts, resource) = (Arc::<Counts>::default(), resource(config));
    let Some(otlp) = &config.otlp else {
        return Ok((Telemetry { traces: None, counts }, Exports { reader: None, resource, spans: None }));
    };
    let client = Client::new(otlp).context("telemetry.otlp.ca")?;
    let reader = otlp.metrics.then(|| reader(otlp, &client, &counts)).transpose()?;
    let (queue, received) = spans::queue(counts.clone());
    let exporter = span_exporter(otlp, &client, &counts, &resource)?;
    let spans = spans::Exporter::new(exporter, received, counts.clone());
    Ok((Telemetry { traces: Some(queue), counts }, Exports { reader, resource, spans: Some(spans) }))
}

impl Exports {
    /// Sends until `stop`, and then what is left.
    pub async fn run(self, metrics: Arc<Metrics>, stop: CancellationToken) {
        let spans = async {
            if let Some(spans) = self.spans {
                spans.run(&stop, LAST_WORDS).await;
            }
        };
        let metrics = async {
            stop.cancelled().await;
            // The SDK's own thread sends once more; to wait for it takes a thread, too.
            let last = spawn_blocking(move || metrics.end());
            let _ = tokio::time::timeout(LAST_WORDS, last).await;
        };
        tokio::join!(spans, metrics);
    }
}

/// Who sends. `OTEL_RESOURCE_ATTRIBUTES` adds to it, and wins: whoever runs a fleet names things by rules of their own.
fn resource(config: &Config) -> Resource {
    let own = [
        KeyValue::new("service.name", "tidegate"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", config.gateway.id.clone()),
        KeyValue::new("cloud.availability_zone", config.gateway.zone.to_string()),
    ];
    let environment: [Box<dyn ResourceDetector>; 1] = [Box::new(EnvResourceDetector::new())];
    Resource::builder_empty().with_attributes(own).with_detectors(&environment).build()
}

fn reader(
    otlp: &Otlp,
    client: &Client,
    counts: &Arc<Counts>,
) -> anyhow::Result<PeriodicReader<metrics::Watched>> {
    let link = Arc::new(Link::new(Signal::Metrics, &otlp.endpoint, counts.clone()));
    let exporter = MetricExporter::builder()
        .with_http()
        .with_http_client(client.on(&link))
        .with_endpoint(format!("{}/v1/metrics", otlp.endpoint))
        // The next ones hold all that these did.
        .with_retry_policy(RetryPolicy::disabled())
        .build()
        .context("telemetry.otlp: metrics")?;
    Ok(PeriodicReader::builder(metrics::Watched::new(exporter, link)).with_interval(otlp.interval).build())
}

fn span_exporter(
    otlp: &Otlp,
    client: &Client,
    counts: &Arc<Counts>,
    resource: &Resource,
) -> anyhow::Result<(SpanExporter, Arc<Link>)> {
    let link = Arc::new(Link::new(Signal::Traces, &otlp.endpoint, counts.clone()));
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client.on(&link))
        .with_endpoint(format!("{}/v1/traces", otlp.endpoint))
        .with_timeout(TRIED_FOR)
        .build()
        .context("telemetry.otlp: traces")?;
    exporter.set_resource(resource);
    Ok((exporter, link))
}
