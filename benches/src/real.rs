//! Real Kafka and its own clients: CPU per GB, throughput and added latency, direct and through each relay.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tests::java::{Admin, Java};

use crate::candidate::{Candidate, Kind, Upstream, Workshop, start_all};
use crate::relay::Settings;
use crate::report::Section;
use crate::samples::{DIRECT, Samples, Subject};
use crate::stats::Random;
use crate::usage;

mod broker;
mod latency;
pub(crate) mod perf;
mod table;

use broker::{Led, RealBroker};
use perf::{Produce, RECORD};

const KINDS: [Kind; 7] = [
    Kind::Haproxy,
    Kind::HaproxyShipped,
    Kind::HaproxySplice,
    Kind::Envoy,
    Kind::Kroxylicious,
    Kind::Tidegate,
    Kind::TidegateOne,
];
const PRODUCE: &str = "produce";
const CONSUME: &str = "consume";
const PACED: &str = "produce at half load";
const CPU: &str = "cpu_s_per_gb";
const SPEED: &str = "mb_per_s";
const ADDED: &str = "p50_added_us";
/// Topic that all consumers read.
const CONSUMED: &str = "consumed";
/// Topic of the latency probes.
const PROBED: &str = "probed";
/// Partitions of every topic under load.
const PARTITIONS: i32 = 3;
/// How long the paced load runs.
const PACED_FOR: Duration = Duration::from_secs(6);

/// Runs all of it.
pub fn run(workshop: &Workshop, settings: &Settings) -> anyhow::Result<Section> {
    let kinds: Vec<_> =
        KINDS.into_iter().filter(|k| settings.ways.is_empty() || settings.ways.contains(k)).collect();
    let led = ports(workshop)?;
    let broker = RealBroker::start(workshop, &led.map(|(_, led)| led))?;
    let (candidates, skipped) = start_all(workshop, &kinds, |kind| {
        let led = led.iter().find(|(k, _)| *k == kind).map(|(_, led)| *led).context("no listener")?;
        let rewrites = matches!(kind, Kind::Kroxylicious | Kind::Tidegate | Kind::TidegateOne);
        let addr = if rewrites { broker.direct() } else { (Ipv4Addr::LOCALHOST, led.listen).into() };
        Ok(Upstream { broker: RealBroker::ID, addr, port: led.advertise, connections: 4000 })
    })?;
    let bed = Bed {
        admin: Java::resident()?.admin(&broker.direct().to_string()),
        topics: AtomicUsize::new(0),
        records: settings.records.unwrap_or(if settings.quick { 100_000 } else { 500_000 }),
        broker,
        candidates,
    };
    let samples = bed.rounds(settings)?;
    Ok(table::section(&samples, bed.records, skipped))
}

/// A listener and a relay's port for each kind.
fn ports(workshop: &Workshop) -> anyhow::Result<[(Kind, Led); KINDS.len()]> {
    let mut led = KINDS.map(|kind| (kind, Led { listen: 0, advertise: 0 }));
    for (_, led) in &mut led {
        *led = Led { listen: workshop.port()?, advertise: workshop.relay_port()? };
    }
    Ok(led)
}

/// Everything that runs.
struct Bed {
    admin: Admin,
    records: u64,
    topics: AtomicUsize,
    broker: RealBroker,
    candidates: Vec<Candidate>,
}

/// One way to the broker.
#[derive(Clone, Copy)]
struct Way {
    subject: Subject,
    addr: SocketAddr,
    /// The relay's process.
    pid: Option<u32>,
}

impl Bed {
    fn ways(&self) -> Vec<Way> {
        let mut ways = vec![Way { subject: DIRECT, addr: self.broker.direct(), pid: None }];
        ways.extend(self.candidates.iter().map(|c| Way {
            subject: c.kind.into(),
            addr: c.addr,
            pid: Some(c.process.pid()),
        }));
        ways
    }

    fn rounds(&self, settings: &Settings) -> anyhow::Result<Samples> {
        let (mut samples, mut random) = (Samples::default(), Random(settings.seed));
        self.admin.create_topic(CONSUMED, PARTITIONS, 1)?;
        perf::produce(self.broker.dist(), self.load(CONSUMED, self.broker.direct(), None))?;
        self.admin.create_topic(PROBED, 1, 1)?;
        if !settings.quick {
            // Java's compilers, in the broker and in Kroxylicious, get one round to warm up.
            self.throughput(&mut Samples::default(), &mut random, 0)?;
        }
        for round in 0..settings.rounds {
            eprintln!("kafka: round {}/{}", round + 1, settings.rounds);
            self.throughput(&mut samples, &mut random, round)?;
            let full = samples.summary(PRODUCE, DIRECT, SPEED).context("no direct throughput")?;
            self.half_load(&mut samples, &mut random, round, full.median / 2.0)?;
        }
        Ok(samples)
    }

    /// As fast as it goes, both ways.
    fn throughput(&self, samples: &mut Samples, random: &mut Random, round: usize) -> anyhow::Result<()> {
        let mut ways = self.ways();
        random.shuffle(&mut ways);
        let dist = self.broker.dist();
        for way in ways {
            let meter = Meter { way, gigabytes: (self.records * RECORD as u64) as f64 / 1e9, round };
            self.with_topic(|topic| {
                meter.read(samples, PRODUCE, || perf::produce(dist, self.load(topic, way.addr, None)))
            })?;
            meter.read(samples, CONSUME, || {
                perf::consume(dist, way.addr, CONSUMED, self.records).map(|speed| (speed, f64::NAN))
            })?;
        }
        Ok(())
    }

    /// At `rate` MB/s, with probes directly and through the relay in turn.
    fn half_load(
        &self,
        samples: &mut Samples,
        random: &mut Random,
        round: usize,
        rate: f64,
    ) -> anyhow::Result<()> {
        let mut ways = self.ways();
        random.shuffle(&mut ways);
        let rate = (rate * 1e6 / RECORD as f64) as u64;
        for way in ways {
            let records = rate * PACED_FOR.as_secs();
            let medians = self.with_topic(|topic| {
                let load = Produce { to: way.addr, topic, records, rate: Some(rate) };
                let done = AtomicBool::new(false);
                let (told, medians) = std::thread::scope(|scope| {
                    let probes =
                        scope.spawn(|| latency::alternate(self.broker.direct(), way.addr, PROBED, &done));
                    let told = perf::produce(self.broker.dist(), load);
                    done.store(true, Ordering::Relaxed);
                    (told, probes.join())
                });
                samples.push(PACED, way.subject, SPEED, round, told?.0);
                medians.map_err(|_| anyhow::anyhow!("the probes panicked"))?
            })?;
            samples.push(PACED, way.subject, "p50_direct_us", round, medians.direct);
            samples.push(PACED, way.subject, ADDED, round, medians.through - medians.direct);
            samples.push(PACED, way.subject, "p99_added_us", round, medians.through_p99 - medians.direct_p99);
        }
        Ok(())
    }

    /// A topic of its own for each load, gone afterwards: the disk holds one at a time.
    fn with_topic<T>(&self, work: impl FnOnce(&str) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let topic = format!("produced-{}", self.topics.fetch_add(1, Ordering::Relaxed));
        self.admin.create_topic(&topic, PARTITIONS, 1)?;
        let result = work(&topic);
        self.admin.delete_topic(&topic)?;
        result
    }

    fn load<'a>(&self, topic: &'a str, to: SocketAddr, rate: Option<u64>) -> Produce<'a> {
        Produce { to, topic, records: self.records, rate }
    }
}

/// Reads one run off the relay's process.
struct Meter {
    way: Way,
    gigabytes: f64,
    round: usize,
}

impl Meter {
    fn read(
        &self,
        samples: &mut Samples,
        row: &str,
        work: impl FnOnce() -> anyhow::Result<(f64, f64)>,
    ) -> anyhow::Result<()> {
        let cpu = |pid: Option<u32>| pid.map_or(Ok(Duration::ZERO), usage::cpu);
        let before = cpu(self.way.pid)?;
        let (speed, p99) = work().with_context(|| format!("{row}, {}", self.way.subject.name()))?;
        let used = cpu(self.way.pid)? - before;
        samples.push(row, self.way.subject, SPEED, self.round, speed);
        if self.way.pid.is_some() {
            samples.push(row, self.way.subject, CPU, self.round, used.as_secs_f64() / self.gigabytes);
        }
        if p99.is_finite() {
            samples.push(row, self.way.subject, "p99_ms", self.round, p99);
        }
        Ok(())
    }
}
