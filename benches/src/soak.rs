//! Many connections that come and go for a long time: memory and descriptors end where they began.
//!
//! Two gateways at once, one plain and one with TLS. Connections authenticate, fetch, produce, and leave: in good order, in the middle of an answer, or
//! with an answer unread. The fake broker runs in a process of its own, because descriptors are counted per process.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tests::process::Process;
use tests::random::Random;

use crate::broker::{Broker, Topics};
use crate::candidate::{Candidate, Kind, Upstream, Workshop};
use crate::frames::{self, BROKER, FetchSession};
use crate::idle::still;
use crate::probe::Probe;
use crate::relay::Settings;
use crate::report::{Goal, Section, Style};
use crate::samples::Samples;
use crate::tls::ClientTls;

/// Connections at once, over both gateways.
const CONNECTIONS: usize = 10_000;
/// Threads of the load.
const THREADS: usize = 8;
/// Between two things that a thread does.
const PACE: Duration = Duration::from_millis(4);
const FETCH_VERSION: i16 = 17;
/// An answer that is not read to its end, in bytes.
const UNREAD: usize = 1 << 20;
/// Between two looks at the gateways.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How long the number of descriptors must keep still to be believed, and how long it gets for that.
const GONE: Duration = Duration::from_secs(10);
const GONE_MAX: Duration = Duration::from_secs(60);
const KINDS: [Kind; 2] = [Kind::Tidegate, Kind::TidegateTls];
const ROW: &str = "soak";

/// What a gateway holds at a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    rss: u64,
    descriptors: usize,
}

/// What the load did.
#[derive(Debug, Default)]
struct Done {
    opened: AtomicU64,
    left: AtomicU64,
    asked: AtomicU64,
    failed: AtomicU64,
}

/// Runs it for this long.
pub fn run(workshop: &Workshop, settings: &Settings, length: Duration) -> anyhow::Result<Section> {
    let port = workshop.port()?;
    let broker = broker_process(workshop, port)?;
    let count = if settings.quick { CONNECTIONS / 20 } else { CONNECTIONS };
    let start = |kind| {
        let (addr, port) = (([127, 0, 0, 1], port).into(), workshop.relay_port()?);
        workshop.start(kind, &Upstream { broker: BROKER, addr, port, connections: count })
    };
    let gateways = [start(KINDS[0])?, start(KINDS[1])?];
    let done = Done::default();
    // What the allocator, TLS and tables keep once so many were there is no leak: the second time counts.
    load(workshop, &gateways, count, settings.seed, Duration::ZERO, &done)?;
    let began = ended(&gateways)?;
    let most = load(workshop, &gateways, count, settings.seed + 1, length, &done)?;
    let ended = ended(&gateways)?;
    drop(broker);
    let failed = done.failed.load(Relaxed);
    let note = format!(
        "{count} connections at once, half of them with TLS, for {} min: {} were opened, {} left, {} requests were answered, {failed} failed. \"Began\" is after as \
         many had been there once and gone.",
        length.as_secs() / 60,
        done.opened.load(Relaxed),
        done.left.load(Relaxed),
        done.asked.load(Relaxed),
    );
    let section = section(began, most, ended, &note);
    ensure!(failed == 0, "{failed} requests or connections failed; see above");
    Ok(section)
}

fn section(began: [Held; 2], most: [Held; 2], ended: [Held; 2], note: &str) -> Section {
    let mut samples = Samples::default();
    let mut table = Style::table([
        "gateway",
        "RSS began, MiB",
        "most",
        "ended",
        "growth",
        "descriptors began",
        "most",
        "ended",
        "more",
    ]);
    for (n, kind) in KINDS.into_iter().enumerate() {
        let mib = |held: Held| held.rss as f64 / f64::from(1 << 20);
        let growth = mib(ended[n]) / mib(began[n]);
        let more = ended[n].descriptors as f64 - began[n].descriptors as f64;
        samples.push(ROW, kind, "rss_growth", 0, growth);
        samples.push(ROW, kind, "descriptors_more", 0, more);
        table.add_row([
            kind.name().to_owned(),
            format!("{:.1}", mib(began[n])),
            format!("{:.1}", mib(most[n])),
            format!("{:.1}", mib(ended[n])),
            format!("{growth:.2}x, {}", Goal::AtMost(1.1).verdict(samples.summary(ROW, kind, "rss_growth"))),
            began[n].descriptors.to_string(),
            most[n].descriptors.to_string(),
            ended[n].descriptors.to_string(),
            Goal::AtMost(0.0).verdict(samples.summary(ROW, kind, "descriptors_more")),
        ]);
    }
    Section::new("soak", "Soak", note, table, samples, Vec::new())
}

/// This program again, as a broker.
fn broker_process(workshop: &Workshop, port: u16) -> anyhow::Result<Process> {
    let mut again = Command::new(std::env::current_exe()?);
    let log = workshop.folder.join("soak-broker.log");
    Process::spawn_piped(again.arg("--broker").arg(port.to_string()), &log).context("the fake broker")
}

/// What that does: a fake broker on `port` until standard input ends.
pub fn serve(port: u16) -> anyhow::Result<()> {
    let _broker = Broker::start(port, Topics { count: 0, partitions: 0 }, None)?;
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

/// Opens `count` connections, works on them for `length`, and closes them all; the most that was held.
fn load(
    workshop: &Workshop,
    gateways: &[Candidate; 2],
    count: usize,
    seed: u64,
    length: Duration,
    done: &Done,
) -> anyhow::Result<[Held; 2]> {
    let (over, full) = (AtomicBool::new(false), AtomicU64::new(0));
    let ways = gateways.each_ref().map(|g| (g.addr, workshop.tls_for(g.kind)));
    thread::scope(|scope| {
        for n in 0..THREADS {
            let random = Random::new(seed.wrapping_mul(100) + n as u64);
            let mut worker = Worker { ways: ways.clone(), random, open: Vec::new() };
            let (over, full) = (&over, &full);
            scope.spawn(move || worker.work(count / THREADS, over, full, done));
        }
        let most = watch(gateways, length, &full, done);
        over.store(true, Relaxed);
        most
    })
}

/// Looks at the gateways until all threads have opened all they should, and `length` longer.
fn watch(
    gateways: &[Candidate; 2],
    length: Duration,
    full: &AtomicU64,
    done: &Done,
) -> anyhow::Result<[Held; 2]> {
    let (mut most, mut begun, mut looked) = ([Held::default(); 2], None, Instant::now());
    loop {
        if full.load(Relaxed) == THREADS as u64 {
            begun.get_or_insert_with(Instant::now);
        }
        for (most, gateway) in most.iter_mut().zip(gateways) {
            let now = held(gateway)?;
            *most = Held { rss: most.rss.max(now.rss), descriptors: most.descriptors.max(now.descriptors) };
        }
        if begun.is_some_and(|begun| begun.elapsed() >= length) {
            return Ok(most);
        }
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            let now = [held(&gateways[0])?, held(&gateways[1])?];
            eprintln!("soak: {:?} of {length:?}: {now:?}, {done:?}", begun.map(|b| b.elapsed()));
        }
        thread::sleep(Duration::from_secs(1));
    }
}

fn held(gateway: &Candidate) -> anyhow::Result<Held> {
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", gateway.process.pid()))?.count();
    Ok(Held { rss: gateway.process.rss_bytes()?, descriptors })
}

/// What both hold once everybody is gone and memory keeps still.
fn ended(gateways: &[Candidate; 2]) -> anyhow::Result<[Held; 2]> {
    let mut ended = [Held::default(); 2];
    for (ended, gateway) in ended.iter_mut().zip(gateways) {
        // Connections that were left in the middle end when the gateway's next write fails.
        let (since, mut fell, mut least) = (Instant::now(), Instant::now(), usize::MAX);
        while fell.elapsed() < GONE && since.elapsed() < GONE_MAX {
            let now = held(gateway)?.descriptors;
            if now < least {
                (least, fell) = (now, Instant::now());
            }
            thread::sleep(Duration::from_millis(500));
        }
        still(gateway)?;
        *ended = held(gateway)?;
        ended.descriptors = ended.descriptors.min(least);
    }
    Ok(ended)
}

/// A thread of the load, with its connections.
struct Worker {
    ways: [(SocketAddr, Option<ClientTls>); 2],
    random: Random,
    open: Vec<Probe>,
}

impl Worker {
    fn work(&mut self, count: usize, over: &AtomicBool, full: &AtomicU64, done: &Done) {
        while self.open.len() < count && !over.load(Relaxed) {
            self.try_one(Self::come, done);
        }
        full.fetch_add(1, Relaxed);
        while !over.load(Relaxed) {
            let what = match self.random.below(20) {
                0..=2 if self.open.len() < count => Self::come,
                0..=2 => Self::leave,
                3 => Self::leave_in_the_middle,
                4 => Self::produce,
                _ => Self::fetch,
            };
            self.try_one(what, done);
            thread::sleep(PACE);
        }
        done.left.fetch_add(self.open.len() as u64, Relaxed);
        self.open.clear();
    }

    fn try_one(&mut self, what: fn(&mut Self, &Done) -> anyhow::Result<()>, done: &Done) {
        if let Err(error) = what(self, done) {
            eprintln!("soak: {error:#}");
            done.failed.fetch_add(1, Relaxed);
        }
    }

    fn come(&mut self, done: &Done) -> anyhow::Result<()> {
        let (addr, tls) = self.ways[self.random.below(2)].clone();
        let mut probe = Probe::connect(addr, tls)?;
        probe.call(&frames::api_versions_request())?;
        probe.call(&frames::sasl_handshake_request())?;
        probe.call(&frames::sasl_authenticate_request())?;
        self.open.push(probe);
        done.opened.fetch_add(1, Relaxed);
        done.asked.fetch_add(3, Relaxed);
        Ok(())
    }

    fn leave(&mut self, done: &Done) -> anyhow::Result<()> {
        self.take();
        done.left.fetch_add(1, Relaxed);
        Ok(())
    }

    /// With most of an answer unread.
    fn leave_in_the_middle(&mut self, done: &Done) -> anyhow::Result<()> {
        let Some(mut probe) = self.take() else { return Ok(()) };
        done.left.fetch_add(1, Relaxed);
        probe.send(&frames::fetch_request(FETCH_VERSION, 9, FetchSession::default(), UNREAD))
    }

    fn fetch(&mut self, done: &Done) -> anyhow::Result<()> {
        let size = [1 << 10, 1 << 10, 16 << 10, 200 << 10][self.random.below(4)];
        self.ask(&frames::fetch_request(FETCH_VERSION, 4, FetchSession::default(), size), done)
    }

    fn produce(&mut self, done: &Done) -> anyhow::Result<()> {
        self.ask(&frames::produce_request(4 << 10), done)
    }

    /// On any of the connections; one on which it fails is not used again.
    fn ask(&mut self, request: &[u8], done: &Done) -> anyhow::Result<()> {
        let Some(mut probe) = self.take() else { return Ok(()) };
        probe.call(request)?;
        self.open.push(probe.forget_answer());
        done.asked.fetch_add(1, Relaxed);
        Ok(())
    }

    fn take(&mut self) -> Option<Probe> {
        if self.open.is_empty() {
            return None;
        }
        let n = self.random.below(self.open.len());
        Some(self.open.swap_remove(n))
    }
}
