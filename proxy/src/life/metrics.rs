//! The metrics of a gateway's life.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

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
        .u64_observable_gauge("tidegate_file_refused")
        .with_description("1 from a SIGHUP on that found mistakes in the file until one that finds none")
        .with_callback(move |o| o.observe(g.reloads.refused().is_some().into(), &[]))
        .build();
    meter
        .u64_observable_gauge("tidegate_build_info")
        .with_description("1, with the version that runs")
        .with_callback(|o| o.observe(1, &[KeyValue::new("version", env!("CARGO_PKG_VERSION"))]))
        .build();
    process(meter);
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

/// The two of Prometheus's metrics of processes that others alarm on.
fn process(meter: &Meter) {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    meter
        .u64_observable_gauge("process_start_time_seconds")
        .with_description("When the process began, in Unix time")
        .with_callback(move |o| o.observe(started, &[]))
        .build();
    meter
        .u64_observable_gauge("process_resident_memory_bytes")
        .with_description("Memory that the process holds")
        .with_callback(|o| resident().into_iter().for_each(|bytes| o.observe(bytes, &[])))
        .build();
}

/// The process's resident memory, bytes; none where the kernel doesn't say (proc(5), `VmRSS`).
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?;
    Some(kib.parse::<u64>().ok()? * 1024)
}
