//! What a relay adds to a Metadata answer for a large cluster: 10,000 topics of 10 partitions.

use std::net::SocketAddr;

use crate::broker::{Broker, Topics};
use crate::candidate::{Kind, Upstream, Workshop, start_all};
use crate::frames::{self, BROKER};
use crate::probe::Probe;
use crate::relay::Settings;
use crate::report::{Goal, Section, Style, value_cell};
use crate::samples::{DIRECT, Samples, Subject};
use crate::stats::{Random, quantile};

const TOPICS: Topics = Topics { count: 10_000, partitions: 10 };
/// Requests of one way in one round.
const REQUESTS: usize = 20;
const ROW: &str = "metadata";
const P50: &str = "p50_ms";

/// Asks direct and through each relay, in interleaved rounds.
pub fn run(workshop: &Workshop, settings: &Settings) -> anyhow::Result<Section> {
    let broker = Broker::start(workshop.port()?, TOPICS, None)?;
    let kinds = [Kind::Haproxy, Kind::Tidegate];
    let (candidates, skipped) = start_all(workshop, &kinds, |_| {
        Ok(Upstream { broker: BROKER, addr: broker.addr, port: workshop.relay_port()?, connections: 100 })
    })?;
    let mut ways: Vec<(Subject, SocketAddr)> = vec![(DIRECT, broker.addr)];
    ways.extend(candidates.iter().map(|c| (c.kind.into(), c.addr)));
    let (mut samples, mut random) = (Samples::default(), Random(settings.seed));
    let mut size = 0;
    for round in 0..settings.rounds {
        random.shuffle(&mut ways);
        for &(way, addr) in &ways {
            let (bytes, p50) = ask(addr)?;
            size = bytes;
            samples.push(ROW, way, P50, round, p50);
        }
    }
    Ok(section(&samples, size, skipped))
}

fn section(samples: &Samples, size: usize, skipped: Vec<String>) -> Section {
    let mut table = Style::table(["way", "p50 ms", "added to direct, ms", "goal"]);
    for way in [DIRECT, Kind::Haproxy.into(), Kind::Tidegate.into()] {
        let added = samples.difference(ROW, P50, way, DIRECT);
        let ours = way == Kind::Tidegate.into();
        table.add_row([
            way.name().to_owned(),
            value_cell(samples.summary(ROW, way, P50), 2),
            if way == DIRECT { String::new() } else { value_cell(added, 2) },
            if ours { Goal::AtMost(5.0).verdict(added) } else { String::new() },
        ]);
    }
    let note = format!(
        "Metadata v12 for {} topics of {} partitions, an answer of {size} bytes, {REQUESTS} requests a round one \
         after the other: time until the whole answer is here.",
        TOPICS.count, TOPICS.partitions
    );
    Section::new("metadata", "Metadata of a large cluster", &note, table, samples.clone(), skipped)
}

/// Size of the answer in bytes, and the median time in ms.
fn ask(addr: SocketAddr) -> anyhow::Result<(usize, f64)> {
    let mut probe = Probe::connect(addr, None)?;
    probe.call(&frames::api_versions_request())?;
    // The first answer finds cold buffers on all sides.
    let size = probe.call(&frames::metadata_request(2))?.len();
    let mut times = Vec::with_capacity(REQUESTS);
    for n in 0..REQUESTS {
        times.push(probe.time(&frames::metadata_request(3 + n as i32))?.as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok((size, quantile(&times, 0.5)))
}
