//! Metrics on their way to the collector, and metrics of that way.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

use crate::app::Gateway;
use crate::telemetry::counts::Link;

/// An exporter whose outcomes are noted.
#[derive(Debug)]
pub struct Watched {
    exporter: MetricExporter,
    link: Arc<Link>,
}

impl Watched {
    /// Notes them on `link`.
    pub fn new(exporter: MetricExporter, link: Arc<Link>) -> Self {
        Self { exporter, link }
    }
}

impl PushMetricExporter for Watched {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let result = self.exporter.export(metrics).await;
        self.link.note(&result);
        result
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}

/// Registers what became of what was sent.
pub fn register(meter: &Meter, gateway: &Arc<Gateway>) {
    let counts = gateway.telemetry.counts.clone();
    meter
        .u64_observable_counter("tidegate_telemetry_exports")
        .with_description("Batches sent to the OpenTelemetry collector, by signal and outcome")
        .with_callback(move |o| {
            for (signal, outcome, n) in counts.exports() {
                o.observe(n, &[KeyValue::new("signal", signal), KeyValue::new("outcome", outcome)]);
            }
        })
        .build();
    let counts = gateway.telemetry.counts.clone();
    meter
        .u64_observable_counter("tidegate_telemetry_dropped_spans")
        .with_description("Spans of traced requests that did not reach the collector, by reason")
        .with_callback(move |o| {
            counts.drops().iter().for_each(|(reason, n)| o.observe(*n, &[KeyValue::new("reason", *reason)]));
        })
        .build();
}
