//! What connections cost a relay in memory: idle ones, and ones whose readers have stalled.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::broker::{Broker, Topics};
use crate::candidate::{Candidate, Kind, Upstream, Workshop};
use crate::frames::{self, BROKER, FetchSession};
use crate::probe::Probe;
use crate::relay::Settings;
use crate::report::{Goal, Section, Style};
use crate::samples::Samples;

/// Idle connections wanted; each takes two descriptors in the relay and two here.
const IDLE: usize = 10_000;
/// Descriptors left for everything else: a gateway keeps 1,024 of its own back.
const SPARE: usize = 1200;
const STALLED: usize = 5_000;
/// Answer of the one fetch before idling, in bytes.
const FETCHED: usize = 16 << 10;
/// Answer that a stalled reader leaves lying, in bytes.
const STUCK: usize = 1 << 20;
/// The broker's send buffer while readers stall, in bytes: the kernel's memory is not what is measured.
const BROKER_BUFFER: u32 = 32 << 10;
const FETCH_VERSION: i16 = 17;
/// How long memory must keep still to be believed, and how long it gets for that.
const STILL: Duration = Duration::from_secs(2);
const STILL_MAX: Duration = Duration::from_secs(30);

const IDLE_ROW: &str = "idle";
const STALLED_ROW: &str = "stalled";
const BASE: &str = "rss_base_kib";
const EACH: &str = "rss_kib_per_connection";

/// Measures both kinds for every relay that can be had.
pub fn run(workshop: &Workshop, settings: &Settings) -> anyhow::Result<Section> {
    let kinds =
        [Kind::Haproxy, Kind::Tidegate, Kind::Envoy, Kind::Kroxylicious, Kind::HaproxyTls, Kind::TidegateTls];
    let scale = if settings.quick { 10 } else { 1 };
    let idle = (IDLE / scale).min((descriptors()? - SPARE) / 2);
    let stalled = STALLED / scale;
    let (mut samples, mut skipped) = (Samples::default(), Vec::new());
    for kind in kinds {
        eprintln!("idle: {}", kind.name());
        let results = [
            ("idle", measure_idle(workshop, kind, idle, &mut samples)),
            ("stalled readers", measure_stalled(workshop, kind, stalled, &mut samples)),
        ];
        for (what, result) in results {
            if let Err(error) = result {
                eprintln!("\n*** SKIPPED: {}, {what}: {error:#}\n", kind.name());
                skipped.push(format!("{}, {what}: {error:#}", kind.name()));
            }
        }
    }
    Ok(section(&samples, &kinds, idle, stalled, skipped))
}

fn section(samples: &Samples, kinds: &[Kind], idle: usize, stalled: usize, skipped: Vec<String>) -> Section {
    let mut table = Style::table([
        "relay",
        "RSS before, KiB",
        "KiB per idle connection",
        "goal",
        "KiB per stalled reader",
        "all stalled readers, MiB",
    ]);
    for &kind in kinds {
        let each = samples.summary(IDLE_ROW, kind, EACH);
        let stuck = samples.summary(STALLED_ROW, kind, EACH);
        table.add_row([
            kind.name().to_owned(),
            samples.summary(IDLE_ROW, kind, BASE).map_or("-".into(), |s| format!("{:.0}", s.median)),
            each.map_or("-".into(), |s| format!("{:.2}", s.median)),
            if kind == Kind::Tidegate { Goal::AtMost(5.0).verdict(each) } else { String::new() },
            stuck.map_or("-".into(), |s| format!("{:.1}", s.median)),
            stuck.map_or("-".into(), |s| format!("{:.0}", s.median * stalled as f64 / 1024.0)),
        ]);
    }
    let note = format!(
        "Growth of resident memory over {idle} connections (as many as the descriptors allow, {IDLE} at most), both \
         sockets, kernel memory excluded. An idle connection has done ApiVersions, SASL PLAIN and one Fetch of \
         {FETCHED} bytes. {stalled} stalled readers each asked for {STUCK} bytes and read none; the figure is the \
         greatest seen until memory kept still, and a new connection was served meanwhile."
    );
    Section::new("idle", "Memory per connection", &note, table, samples.clone(), skipped)
}

/// This process's limit of open descriptors.
fn descriptors() -> anyhow::Result<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|l| l.strip_prefix("Max open files")).context("no limit of files")?;
    let soft = line.split_whitespace().next().context("no soft limit")?;
    Ok(soft.parse::<usize>()?.max(SPARE + 2))
}

fn relay(
    workshop: &Workshop,
    kind: Kind,
    connections: usize,
    buffer: Option<u32>,
) -> anyhow::Result<(Broker, Candidate)> {
    let broker = Broker::start(workshop.port()?, Topics { count: 0, partitions: 0 }, buffer)?;
    let (port, addr) = (workshop.relay_port()?, broker.addr);
    // A little more than is opened: the limit is not what is measured.
    let upstream = Upstream { broker: BROKER, addr, port, connections: connections + SPARE / 4 };
    Ok((broker, workshop.start(kind, &upstream)?))
}

fn measure_idle(workshop: &Workshop, kind: Kind, count: usize, samples: &mut Samples) -> anyhow::Result<()> {
    let (_broker, candidate) = relay(workshop, kind, count, None)?;
    let _first = idle_connection(workshop, &candidate)?;
    let base = still(&candidate)?;
    let mut open = Vec::with_capacity(count);
    for n in 0..count {
        open.push(idle_connection(workshop, &candidate).with_context(|| format!("connection {n}"))?);
    }
    let grown = still(&candidate)?.saturating_sub(base);
    samples.push(IDLE_ROW, kind, BASE, 0, base as f64 / 1024.0);
    samples.push(IDLE_ROW, kind, EACH, 0, grown as f64 / 1024.0 / count as f64);
    Ok(())
}

fn idle_connection(workshop: &Workshop, candidate: &Candidate) -> anyhow::Result<Probe> {
    let mut probe = Probe::connect(candidate.addr, workshop.tls_for(candidate.kind))?;
    probe.call(&frames::api_versions_request())?;
    probe.call(&frames::sasl_handshake_request())?;
    probe.call(&frames::sasl_authenticate_request())?;
    probe.call(&frames::fetch_request(FETCH_VERSION, 4, FetchSession::default(), FETCHED))?;
    Ok(probe.forget_answer())
}

fn measure_stalled(
    workshop: &Workshop,
    kind: Kind,
    count: usize,
    samples: &mut Samples,
) -> anyhow::Result<()> {
    let (_broker, candidate) = relay(workshop, kind, count, Some(BROKER_BUFFER))?;
    let _first = idle_connection(workshop, &candidate)?;
    let base = still(&candidate)?;
    let request = frames::fetch_request(FETCH_VERSION, 1, FetchSession::default(), STUCK);
    let mut open = Vec::with_capacity(count);
    for n in 0..count {
        let mut probe = Probe::connect_narrow(candidate.addr, workshop.tls_for(kind))?;
        probe.send(&request).with_context(|| format!("stalled reader {n}"))?;
        open.push(probe);
    }
    let most = still(&candidate)?.saturating_sub(base);
    idle_connection(workshop, &candidate).context("a new connection beside stalled readers")?;
    samples.push(STALLED_ROW, kind, EACH, 0, most as f64 / 1024.0 / count as f64);
    Ok(())
}

/// Waits until resident memory keeps still; the greatest seen, in bytes.
pub(crate) fn still(candidate: &Candidate) -> anyhow::Result<u64> {
    let (start, mut most) = (Instant::now(), candidate.process.rss_bytes()?);
    let mut changed = start;
    while changed.elapsed() < STILL {
        if start.elapsed() > STILL_MAX {
            eprintln!("resident memory still grows after {STILL_MAX:?}: taken as it is");
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
        let now = candidate.process.rss_bytes()?;
        if now > most {
            (most, changed) = (now, Instant::now());
        }
    }
    Ok(most)
}
