//! The metrics of a gateway's life.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use crate::app::Gateway;
use crate::life::{headroom, ready};

/// Registers them; values are read when somebody asks.
pub fn register(meter: &Meter, gateway: &Arc<Gateway>) {
    let g = gateway.clone();
    meter
        .u64_observable_gauge("tidegate_draining")
        .with_description("1 once the gateway is about to end")
        .with_callback(move |o| o.observe(g.drain.begun().is_some().into(), &[]))
        .build();
    let g = gateway.clone();
    meter
        .u64_observable_gauge("tidegate_ready")
        .with_description("1 while /readyz says so: endpoints bound, cluster and brokers reached, no drain")
        .with_callback(move |o| o.observe(ready::of(&g).is_empty().into(), &[]))
        .build();
    let g = gateway.clone();
    meter
        .u64_observable_counter("tidegate_drained_connections")
        .with_description("Connections that ended since the drain began, by themselves or cut")
        .with_callback(move |o| {
            let (ended, cut) = g.drain.counts();
            o.observe(ended, &[KeyValue::new("how", "ended")]);
            o.observe(cut, &[KeyValue::new("how", "cut")]);
        })
        .build();
    let g = gateway.clone();
    meter
        .u64_observable_counter("tidegate_reloads")
        .with_description("What became of changed files: the configuration's and certificates'")
        .with_callback(move |o| {
            for (outcome, n) in g.reloads.counts() {
                o.observe(n, &[KeyValue::new("outcome", outcome)]);
            }
        })
        .build();
    let g = gateway.clone();
    meter
        .i64_observable_gauge("tidegate_certificate_expiry_timestamp_seconds")
        .with_description("When the first of the certificates in a file ends, in Unix time")
        .with_callback(move |o| {
            g.expiries.all().into_iter().for_each(|(file, at)| o.observe(at, &[KeyValue::new("file", file)]));
        })
        .build();
    let g = gateway.clone();
    meter
        .u64_observable_gauge("tidegate_limit_used")
        .with_description("What is used of each limit")
        .with_callback(move |o| {
            headroom::of(&g).iter().for_each(|l| o.observe(l.used, &[KeyValue::new("limit", l.limit)]));
        })
        .build();
    let g = gateway.clone();
    meter
        .u64_observable_gauge("tidegate_limit_max")
        .with_description("Each limit")
        .with_callback(move |o| {
            headroom::of(&g).iter().for_each(|l| o.observe(l.max, &[KeyValue::new("limit", l.limit)]));
        })
        .build();
}
