//! Every metric of the gateway, by OpenTelemetry, under the names that dashboards and alerts build on.
//!
//! Labels are bounded: zones, API names, enums. Never a client id, an address, a topic or an offset.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use config::{Rule, Zone};
use dashmap::DashMap;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, MeterProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Encoder, Registry, TextEncoder};

use crate::app::Gateway;
use crate::telemetry::Exports;

/// From where a Fetch was served, and why from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// By the leader, which is in the client's zone.
    InZoneLeader,
    /// By a follower in the client's zone, at its own endpoint.
    InZoneFollower,
    /// By a replica in the client's zone, the gateway fetching.
    InZoneOnBehalf,
    /// Not with data: the client was pointed to the replica in its zone.
    Hinted,
    /// From another zone: no in-sync replica in the client's zone can serve.
    CrossZoneNoReplica,
    /// From another zone, the gateway fetching.
    CrossZoneOnBehalf,
    /// Wherever the client asked: `zones.reads: as_is`.
    CrossZoneAsIs,
    /// By a replica in this gateway's zone, or the nearest there is: no gateway lives in the client's.
    CrossZoneNoGateway,
    /// From the tier, at least in part.
    Tier,
}

impl Served {
    const ALL: [Self; 9] = [
        Self::InZoneLeader,
        Self::InZoneFollower,
        Self::InZoneOnBehalf,
        Self::Hinted,
        Self::CrossZoneNoReplica,
        Self::CrossZoneOnBehalf,
        Self::CrossZoneAsIs,
        Self::CrossZoneNoGateway,
        Self::Tier,
    ];

    /// The labels `from` and `reason`.
    pub fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::InZoneLeader => ("in_zone", "leader"),
            Self::InZoneFollower => ("in_zone", "follower"),
            Self::InZoneOnBehalf => ("in_zone", "on_behalf"),
            Self::Hinted => ("in_zone", "hinted"),
            Self::CrossZoneNoReplica => ("cross_zone", "no_replica"),
            Self::CrossZoneOnBehalf => ("cross_zone", "on_behalf"),
            Self::CrossZoneAsIs => ("cross_zone", "as_is"),
            Self::CrossZoneNoGateway => ("cross_zone", "no_gateway"),
            Self::Tier => ("tier", "trimmed"),
        }
    }
}

/// Upper bounds of the buckets of `tidegate_gateway_seconds`.
const SECONDS: [f64; 10] = [5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2, 1e-1];

/// Counters of the data path.
#[derive(Debug, Default)]
pub struct Counters {
    served: [AtomicU64; 9],
    hidden: AtomicU64,
    renewed: AtomicU64,
    seconds: OnceLock<Histogram<f64>>,
}

impl Counters {
    /// Counts a Fetch.
    pub fn served(&self, served: Served) {
        self.served[served as usize].fetch_add(1, Relaxed);
    }

    /// Notes how long bytes of this API were in our hands, from read to written.
    pub fn took(&self, key: i16, took: Duration) {
        if let Some(seconds) = self.seconds.get() {
            let api = KeyValue::new("api", crate::ledger::api_label(key));
            seconds.record(took.as_secs_f64(), &[api]);
        }
    }

    /// Counts an error of a follower that its client did not get to see.
    pub fn hidden(&self) {
        self.hidden.fetch_add(1, Relaxed);
    }

    /// Counts a broker that was shown again who a client is.
    pub fn renewed(&self) {
        self.renewed.fetch_add(1, Relaxed);
    }

    /// Fetches by `from` and `reason`.
    pub fn served_counts(&self) -> Vec<(&'static str, &'static str, u64)> {
        let count = |s: Served| (s.labels().0, s.labels().1, self.served[s as usize].load(Relaxed));
        Served::ALL.into_iter().map(count).collect()
    }
}

/// Connected clients by zone and by the rule that said so.
#[derive(Debug, Default)]
pub struct Clients(DashMap<(Zone, Rule), u64>);

impl Clients {
    /// A client came (`from` is none), went (`to` is none), or turned out to be elsewhere.
    pub fn moved(&self, from: Option<(Zone, Rule)>, to: Option<(Zone, Rule)>) {
        if let Some(key) = from {
            self.0.entry(key).and_modify(|n| *n = n.saturating_sub(1));
        }
        if let Some(key) = to {
            *self.0.entry(key).or_default() += 1;
        }
    }

    /// Counts by zone and rule.
    pub fn counts(&self) -> Vec<(Zone, Rule, u64)> {
        self.0.iter().map(|e| (e.key().0.clone(), e.key().1, *e.value())).collect()
    }
}

/// The registry behind `/metrics`.
pub struct Metrics {
    registry: Registry,
    provider: SdkMeterProvider,
}

impl Metrics {
    /// Registers every metric; values are read from the gateway when somebody asks: a scrape, or the reader of `exports`.
    ///
    /// # Errors
    /// The exporter refuses its configuration, which is a bug.
    pub fn new(gateway: &Arc<Gateway>, exports: &mut Exports) -> anyhow::Result<Self> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .build()?;
        let mut provider =
            SdkMeterProvider::builder().with_resource(exports.resource.clone()).with_reader(exporter);
        if let Some(reader) = exports.reader.take() {
            provider = provider.with_reader(reader);
        }
        let provider = provider.build();
        register(&provider, gateway);
        Ok(Self { registry, provider })
    }

    /// Has the metrics sent once more, and no more after that. Blocks for some seconds at most.
    pub fn end(&self) {
        // What comes of it is noted on the way.
        let _ended = self.provider.shutdown();
    }

    /// The Prometheus text.
    ///
    /// # Errors
    /// As the encoder's.
    pub fn text(&self) -> anyhow::Result<String> {
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut out)?;
        Ok(String::from_utf8(out)?)
    }
}

fn register(provider: &SdkMeterProvider, gateway: &Arc<Gateway>) {
    let meter = provider.meter("tidegate");
    let label = KeyValue::new::<&'static str, String>;
    let seconds = meter
        .f64_histogram("tidegate_gateway_seconds")
        .with_description("Time bytes spend in the gateway, from read to written; one read in 64 is timed")
        .with_boundaries(SECONDS.to_vec())
        .build();
    // Set once: a gateway has one set of metrics.
    let _ = gateway.counters.seconds.set(seconds);
    let g = gateway.clone();
    meter
        .u64_observable_counter("tidegate_relayed_bytes")
        .with_description("Kafka bytes relayed, by leg, API and zones")
        .with_callback(move |o| {
            for e in g.ledger.entries() {
                let labels = [
                    label("direction", e.direction.into()),
                    label("api", e.api.into()),
                    label("client_zone", e.client_zone.to_string()),
                    label("gateway_zone", e.gateway_zone.to_string()),
                    label("broker_zone", e.broker_zone.to_string()),
                ];
                o.observe(e.bytes, &labels);
            }
        })
        .build();
    let g = gateway.clone();
    meter
        .u64_observable_counter("tidegate_fetch_served")
        .with_description("Consumer fetches by where they were served and why there")
        .with_callback(move |o| {
            for (from, reason, n) in g.counters.served_counts() {
                o.observe(n, &[label("from", from.into()), label("reason", reason.into())]);
            }
        })
        .build();
    let g = gateway.clone();
    meter
        .u64_observable_counter("tidegate_follower_errors_hidden")
        .with_description("Errors of followers that clients did not get to see")
        .with_callback(move |o| o.observe(g.counters.hidden.load(Relaxed), &[]))
        .build();
    let g = gateway.clone();
    meter
        .u64_observable_counter("tidegate_identities_renewed")
        .with_description(
            "Connections on which the gateway has shown a broker again who their client is (KIP-368)",
        )
        .with_callback(move |o| o.observe(g.counters.renewed.load(Relaxed), &[]))
        .build();
    let g = gateway.clone();
    meter
        .u64_observable_counter("tidegate_rejected")
        .with_description("Connections ended, answers curtailed and waits for room in memory, by reason")
        .with_callback(move |o| {
            for (reason, n) in g.rejects.counts() {
                o.observe(n, &[label("reason", reason.label().into())]);
            }
        })
        .build();
    crate::tier::metrics::register(&meter, gateway);
    crate::life::metrics::register(&meter, gateway);
    crate::fleet::metrics::register(&meter, gateway);
    crate::telemetry::metrics::register(&meter, gateway);
    let g = gateway.clone();
    meter
        .u64_observable_gauge("tidegate_clients")
        .with_description("Connected clients by zone and by the rule that said so")
        .with_callback(move |o| {
            for (zone, rule, n) in g.clients.counts() {
                o.observe(n, &[label("zone", zone.to_string()), label("how", rule.to_string())]);
            }
        })
        .build();
    let g = gateway.clone();
    meter
        .u64_observable_gauge("tidegate_connections")
        .with_description("Open client connections")
        .with_callback(move |o| o.observe(g.connections.open(), &[]))
        .build();
    let g = gateway.clone();
    meter
        .u64_observable_gauge("tidegate_brokers")
        .with_description("Brokers by zone and state")
        .with_callback(move |o| {
            for (zone, state, n) in g.broker_counts() {
                o.observe(n, &[label("zone", zone), label("state", state.into())]);
            }
        })
        .build();
}
