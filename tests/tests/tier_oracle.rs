//! Whatever is asked about a log whose history is in the tier, the answer is the one that brokers gave while they had it all.
//!
//! The truth is read from the brokers before any gateway runs; then the gateways move and trim, and thousands of random questions follow.
//! `SEED=...` repeats a run; `QUESTIONS=...` sets how many at most.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use kafka::types::TopicId;
use serde_json::{Value, json};
use tidegate_tests::gateway::{Fleet, Site};
use tidegate_tests::java::Producer;
use tidegate_tests::random::Random;
use tidegate_tests::s3::{Maker, Server};
use tidegate_tests::truth::{Asker, Expected, Fetched, Listed, Log, Part, Question, Verdict};
use tidegate_tests::{Cluster, Java, wait};

const ZONES: [&str; 2] = ["az1", "az2"];
const TOPIC: &str = "orders.o";
const PARTITIONS: i32 = 2;
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// Times that the leaders change while the history is written.
const ROUNDS: usize = 4;
const TIER_LIMIT: Duration = Duration::from_secs(120);

/// At most so many questions, and at most for so long.
const QUESTIONS: usize = if cfg!(feature = "slow") { 1_000_000 } else { 100_000 };
const ASKING: Duration = Duration::from_secs(if cfg!(feature = "slow") { 1800 } else { 60 });
const THREADS: usize = 6;
/// "Ask again" so often in a row is no answer.
const PATIENCE: usize = 8;

const TIERING: &str = "tiering:\n  topics:\n    - {match: \"orders.*\", hot: {bytes: 2MiB}, trim: true}\n  segment: {bytes: 1MiB, age: 1s}\n";
const HOT_BYTES: usize = 2 << 20;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// What a question was about, and its answer while brokers had everything.
type Lists = BTreeMap<(i16, i32, i64, i8), Listed>;
type Epochs = BTreeMap<(i16, i32, i32, i32), (i16, i32, i64)>;

struct Stage {
    cluster: Cluster,
    _server: Server,
    fleet: Fleet,
    id: TopicId,
    logs: Vec<Log>,
    leaders: Vec<i32>,
    /// The brokers' own start of each partition after trimming.
    starts: Vec<i64>,
    lists: Lists,
    epochs: Epochs,
}

fn stage() -> &'static Stage {
    static STAGE: LazyLock<Stage> = LazyLock::new(|| build().unwrap());
    &STAGE
}

fn build() -> Result<Stage> {
    let cluster = Cluster::builder().brokers(2).racks(ZONES).start()?;
    let java = Java::resident()?;
    let admin = java.admin(&cluster.bootstrap());
    let configs = json!({"segment.bytes": "1048576"});
    admin.create_topic_with(json!({"topic": TOPIC, "assignment": [[1, 2], [2, 1]], "configs": configs}))?;
    write_history(&cluster)?;
    let id = TopicId(admin.topic_id(TOPIC)?);
    let leaders: Vec<i32> = admin.describe_topic(TOPIC)?.iter().map(|p| p.leader).collect();
    let mut logs = Vec::new();
    for (partition, leader) in (0..).zip(&leaders) {
        let mut asker = Asker::connect(&broker_address(&cluster, *leader)?)?;
        let epoch = current_epoch(&mut asker, partition)?;
        logs.push(Log::read(&mut asker, id, partition, epoch)?);
    }
    let (lists, epochs) = ask_brokers(&cluster, &leaders, &logs)?;
    judge_the_judge(&cluster, id, &leaders, &logs)?;
    let server = Server::start(Maker::S3Proxy)?;
    let sections = Server::yaml(&server.bucket()?) + TIERING;
    let fleet = Fleet::start_env(&cluster, &ZONES, &sections, &Server::env())?;
    let starts = (0..PARTITIONS).map(|p| wait_trimmed(&cluster, &fleet, &leaders, p, &logs[p as usize]));
    let starts = starts.collect::<Result<_>>()?;
    Ok(Stage { cluster, _server: server, fleet, id, logs, leaders, starts, lists, epochs })
}

fn broker_address(cluster: &Cluster, id: i32) -> Result<String> {
    let broker = cluster.brokers().iter().find(|b| b.id() == id).context("no such broker")?;
    Ok(broker.address())
}

/// Transactions committed and aborted, overlapping, one over several segments and leaders; every codec; timestamps out of order; one transaction
/// left open near the end.
fn write_history(cluster: &Cluster) -> Result<()> {
    let java = Java::resident()?;
    let admin = java.admin(&cluster.bootstrap());
    let mut random = Random::from_env();
    let open = |extra: Value| {
        let mut props =
            json!({"bootstrap.servers": cluster.bootstrap(), "linger.ms": 5, "batch.size": 16_000});
        extra.as_object().unwrap().iter().for_each(|(k, v)| props[k] = v.clone());
        java.producer(props)
    };
    let transactional = |id: &str| open(json!({"transactional.id": id, "transaction.timeout.ms": 900_000}));
    let codecs: Vec<Producer> =
        CODECS.iter().map(|c| open(json!({"compression.type": c}))).collect::<Result<_>>()?;
    let (a, b, long, left) =
        (transactional("a")?, transactional("b")?, transactional("long")?, transactional("left")?);
    for round in 0..ROUNDS {
        if round != 2 {
            long.begin()?;
        }
        send(&long, 20, 1500, &mut random)?;
        for codec in &codecs {
            send(codec, 60, 2000, &mut random)?;
        }
        a.begin()?;
        send(&a, 60, 2500, &mut random)?;
        b.begin()?;
        send(&b, 40, 2500, &mut random)?;
        send(&codecs[0], 250, 3000, &mut random)?;
        finish(&a, round % 2 == 0)?;
        send(&b, 40, 2500, &mut random)?;
        send(&long, 20, 1500, &mut random)?;
        finish(&b, round % 2 == 1)?;
        // The first runs over two rounds, so over two leaders and several segments.
        match round {
            0 | 1 => {}
            _ => finish(&long, round == 2)?,
        }
        if round == 0 {
            finish(&long, false)?;
            long.begin()?;
        }
        for p in 0..PARTITIONS {
            let replicas = if (round + p as usize).is_multiple_of(2) { [2, 1] } else { [1, 2] };
            admin.reassign(TOPIC, p, &replicas)?;
        }
        if round == 1 {
            send(&long, 10, 1500, &mut random)?;
        } else if round == 0 {
            send(&long, 10, 1500, &mut random)?;
            finish(&long, true)?;
        }
    }
    left.begin()?;
    send(&left, 20, 1000, &mut random)?;
    send(&codecs[3], 100, 1000, &mut random)
}

fn finish(producer: &Producer, abort: bool) -> Result<()> {
    if abort { producer.abort() } else { producer.commit() }
}

/// To each partition, with timestamps of the last six hours in no order.
fn send(producer: &Producer, count: usize, size: usize, random: &mut Random) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
    for partition in 0..PARTITIONS {
        let times: Vec<u64> = (0..17).map(|_| now - random.below(6 * 3600 * 1000) as u64).collect();
        let args = json!({"topic": TOPIC, "partition": partition, "count": count, "size": size, "timestamps": times});
        for ack in producer.send(args)? {
            ack?;
        }
    }
    Ok(())
}

/// The epoch that the leader doesn't object to.
fn current_epoch(leader: &mut Asker, partition: i32) -> Result<i32> {
    for epoch in 0..100 {
        if leader.epoch_end(4, TOPIC, (partition, epoch), 0)?.0 == 0 {
            return Ok(epoch);
        }
    }
    anyhow::bail!("no epoch up to 100 is the leader's")
}

/// What to ask of a partition by time: sentinels, times on and beside those of batches, and some at random.
fn times(log: &Log, random: &mut Random) -> Vec<i64> {
    let stamp = |b: &tidegate_tests::truth::Batch, at: usize| {
        i64::from_be_bytes(log.bytes[b.at + at..b.at + at + 8].try_into().unwrap())
    };
    let mut out = vec![LATEST, EARLIEST, MAX_TIMESTAMP, 0, i64::MAX];
    for _ in 0..40 {
        let batch = &log.batches[random.below(log.batches.len())];
        // The base and the newest timestamp.
        let at = if random.below(2) == 0 { 27 } else { 35 };
        out.push(stamp(batch, at) + random.below(3) as i64 - 1);
    }
    let newest = log.batches.iter().map(|b| stamp(b, 35)).max().unwrap();
    out.extend([newest, newest + 1, newest - 1]);
    out
}

fn ask_brokers(cluster: &Cluster, leaders: &[i32], logs: &[Log]) -> Result<(Lists, Epochs)> {
    let mut random = Random::from_env();
    let (mut lists, mut epochs) = (Lists::new(), Epochs::new());
    for (partition, (leader, log)) in (0..).zip(leaders.iter().zip(logs)) {
        let mut asker = Asker::connect(&broker_address(cluster, *leader)?)?;
        for (n, time) in times(log, &mut random).into_iter().enumerate() {
            for isolation in [0, 1] {
                let version = if time == MAX_TIMESTAMP { 7 + (n % 5) as i16 } else { 2 + (n % 10) as i16 };
                let said = asker.list(version, TOPIC, partition, time, isolation)?;
                lists.insert((version, partition, time, isolation), said);
            }
        }
        for epoch in -1..=log.epoch + 2 {
            for current in [-1, log.epoch, log.epoch - 1, log.epoch + 1] {
                let version = 2 + (epoch + current).rem_euclid(3) as i16;
                let said = asker.epoch_end(version, TOPIC, (partition, current), epoch)?;
                epochs.insert((version, partition, current, epoch), said);
            }
        }
    }
    Ok((lists, epochs))
}

/// The judge finds nothing wrong with what brokers themselves say.
fn judge_the_judge(cluster: &Cluster, id: TopicId, leaders: &[i32], logs: &[Log]) -> Result<()> {
    let mut random = Random::from_env();
    for _ in 0..2000 {
        let q = question(id, logs, &[0, 0], &mut random, true);
        let leader = leaders[q.parts[0].partition as usize];
        let mut asker = Asker::connect(&broker_address(cluster, leader)?)?;
        let said = asker.fetch(&q)?.remove(0);
        let part = q.parts[0];
        let verdict = logs[part.partition as usize].judge(&q, &part, &said, true);
        ensure!(verdict.with_context(|| format!("{q:?}"))? == Verdict::Right, "the broker itself: {q:?}");
    }
    Ok(())
}

/// Waits until all that may go into the tier is there and brokers have dropped all but the hot end; the brokers' own start then.
fn wait_trimmed(cluster: &Cluster, fleet: &Fleet, leaders: &[i32], p: i32, log: &Log) -> Result<i64> {
    let leader = leaders[p as usize];
    let site = &fleet.sites()[0];
    wait::until_true(&format!("{TOPIC}-{p} to be in the tier"), TIER_LIMIT, || {
        let mut asker = Asker::connect(&site.broker_address(leader).unwrap())?;
        Ok(asker.list(11, TOPIC, p, EARLIEST_PENDING_UPLOAD, 0)?.2 == log.last_stable)
    })?;
    let kept = log.bytes.len().saturating_sub(HOT_BYTES + (3 << 19));
    wait::until("brokers to drop what the tier holds", TIER_LIMIT, || {
        let start = Asker::connect(&broker_address(cluster, leader)?)?.list(7, TOPIC, p, EARLIEST, 0)?.2;
        Ok(Some(start).filter(|s| log.batches.get(log.place(*s)).is_some_and(|b| b.at >= kept)))
    })
}

fn pick<T: Copy>(of: &[T], random: &mut Random) -> T {
    of[random.below(of.len())]
}

fn offset(log: &Log, start: i64, random: &mut Random) -> i64 {
    let near = |at: i64, random: &mut Random| at + random.below(7) as i64 - 3;
    match random.below(20) {
        0 => near(log.high_watermark, random),
        1 => near(log.last_stable, random),
        2 => near(start, random),
        3 => near(0, random),
        4 => log.high_watermark + 1 + random.below(1 << 20) as i64,
        5..=9 => {
            let batch = &log.batches[random.below(log.batches.len())];
            near(batch.base, random)
        }
        _ => random.below(log.high_watermark as usize) as i64,
    }
}

/// A question like nobody would ask. `alone`: about one partition.
fn question(id: TopicId, logs: &[Log], starts: &[i64], random: &mut Random, alone: bool) -> Question {
    let mut order = vec![0, 1];
    if random.below(2) == 0 {
        order.reverse();
    }
    if alone || random.below(10) < 7 {
        order.truncate(1);
    }
    let part = |p: &i32, random: &mut Random| {
        let log = &logs[*p as usize];
        let epoch = match random.below(100) {
            0 => log.epoch - 1,
            1 => log.epoch + 1,
            2..=49 => log.epoch,
            _ => -1,
        };
        let offset = offset(log, starts[*p as usize], random);
        Part {
            partition: *p,
            offset,
            epoch,
            max_bytes: pick(&[0, 1, 100, 5000, 40_000, 200_000, 1 << 20], random),
        }
    };
    Question {
        version: 4 + random.below(15) as i16,
        isolation: random.below(2) as i8,
        max_bytes: pick(&[1, 1000, 50_000, 300_000, 2 << 20], random),
        parts: order.iter().map(|p| part(p, random)).collect(),
        topic: TOPIC.to_owned(),
        id,
    }
}

/// What was asked and answered, by kind.
#[derive(Clone, Debug, Default)]
struct Tally(BTreeMap<&'static str, usize>);

impl Tally {
    fn note(&mut self, kind: &'static str) {
        *self.0.entry(kind).or_default() += 1;
    }

    fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(kind, n)| *self.0.entry(kind).or_default() += n);
    }

    fn of(&self, kind: &str) -> usize {
        self.0.get(kind).copied().unwrap_or(0)
    }
}

impl Stage {
    fn endpoints(&self) -> Vec<String> {
        let of = |site: &Site| [1, 2].map(|b| site.broker_address(b).unwrap());
        self.fleet.sites().iter().flat_map(of).collect()
    }

    fn log(&self, part: &Part) -> &Log {
        &self.logs[part.partition as usize]
    }

    /// Asks until every partition has been answered once, as a client would.
    fn ask(&self, asker: &mut Asker, q: &Question, tally: &mut Tally) -> Result<()> {
        let mut open: Vec<bool> = q.parts.iter().map(|_| true).collect();
        for _ in 0..PATIENCE {
            let said = asker.fetch(q)?;
            let mut first = true;
            let mut bytes = 0;
            for (i, (part, said)) in q.parts.iter().zip(&said).enumerate() {
                let verdict =
                    self.log(part).judge(q, part, said, first).with_context(|| format!("{part:?}"))?;
                if verdict == Verdict::Right {
                    open[i] = false;
                    self.judge_start(q, part, said)?;
                } else {
                    tally.note(if said.elsewhere >= 0 { "hint" } else { "ask again" });
                }
                first &= said.records.is_empty();
                bytes += said.records.len();
            }
            let most = q.parts.iter().map(|p| self.log(p).largest()).max().unwrap();
            ensure!(
                bytes <= (q.max_bytes as usize).max(most),
                "{bytes} bytes in all where {} were asked for",
                q.max_bytes
            );
            if open.iter().all(|o| !o) {
                return Ok(());
            }
        }
        anyhow::bail!("no answer in {PATIENCE} tries")
    }

    /// The log begins at 0, wherever its records are.
    fn judge_start(&self, q: &Question, part: &Part, said: &Fetched) -> Result<()> {
        if q.version < 5 || said.records.is_empty() {
            return Ok(());
        }
        let (said, start) = (said.log_start, self.starts[part.partition as usize]);
        // An answer that passes from a broker names that broker's own start, which clients only use to say how far back they may go.
        ensure!(said == 0 || (part.offset >= start && said == start), "log start {said}");
        Ok(())
    }

    fn note(&self, q: &Question, tally: &mut Tally) {
        tally.note("asked");
        for part in &q.parts {
            tally.note(match self.log(part).expected(q, part) {
                Expected::Error(1) => "out of range",
                Expected::Error(74) => "fenced",
                Expected::Error(_) => "unknown epoch",
                Expected::Nothing => "nothing",
                Expected::From(_) if part.offset < self.starts[part.partition as usize] => "cold",
                Expected::From(_) => "hot",
            });
        }
    }

    fn ask_many(&self, address: &str, mut random: Random, questions: usize) -> Result<Tally> {
        let mut asker = Asker::connect(address)?;
        let (mut tally, begun) = (Tally::default(), Instant::now());
        for _ in 0..questions {
            if begun.elapsed() > ASKING {
                break;
            }
            let q = question(self.id, &self.logs, &self.starts, &mut random, false);
            self.note(&q, &mut tally);
            self.ask(&mut asker, &q, &mut tally).with_context(|| format!("at {address}: {q:?}"))?;
        }
        Ok(tally)
    }
}

#[test]
fn every_fetch_is_answered_as_by_a_broker_that_had_dropped_nothing() {
    let stage = stage();
    let mut random = Random::from_env();
    let most = std::env::var("QUESTIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(QUESTIONS);
    let all = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for (n, address) in stage.endpoints().iter().cycle().take(THREADS).cloned().enumerate() {
            let (random, all) = (random.fork(), &all);
            scope.spawn(move || {
                let tally = stage.ask_many(&address, random, most / THREADS);
                all.lock().unwrap().add(&tally.unwrap_or_else(|e| panic!("thread {n}: {e:#}")));
            });
        }
    });
    let all = all.into_inner().unwrap();
    eprintln!("{all:?}; brokers begin at {:?}", stage.starts);
    assert!(all.of("asked") >= 5000, "{all:?}: too few questions to prove anything");
    for kind in ["cold", "hot", "nothing", "out of range", "fenced", "unknown epoch"] {
        assert!(all.of(kind) > 20, "{kind}: {all:?}");
    }
    assert!(all.of("ask again") * 10 < all.of("asked"), "{all:?}: too many answers without an answer");
}

#[test]
fn times_and_sentinels_are_answered_as_before_brokers_dropped_anything() {
    let stage = stage();
    for site in stage.fleet.sites() {
        for ((version, partition, time, isolation), truth) in &stage.lists {
            let leader = stage.leaders[*partition as usize];
            let mut asker = Asker::connect(&site.broker_address(leader).unwrap()).unwrap();
            let said = asker.list(*version, TOPIC, *partition, *time, *isolation).unwrap();
            assert_eq!(
                said, *truth,
                "v{version} partition {partition} time {time} isolation {isolation} at {}",
                site.id
            );
        }
    }
}

#[test]
fn the_newer_sentinels_say_where_the_tier_ends_and_what_brokers_still_have() {
    let stage = stage();
    for (p, log) in (0..).zip(&stage.logs) {
        let leader = stage.leaders[p as usize];
        let mut asker = Asker::connect(&stage.fleet.sites()[0].broker_address(leader).unwrap()).unwrap();
        let mut ask = |version, time| asker.list(version, TOPIC, p, time, 0).unwrap().2;
        assert_eq!(ask(8, EARLIEST_LOCAL), stage.starts[p as usize]);
        assert_eq!(ask(9, LATEST_TIERED), log.last_stable - 1);
        assert_eq!(ask(11, EARLIEST_PENDING_UPLOAD), log.last_stable);
        assert!(stage.starts[p as usize] > log.high_watermark / 3, "the brokers had something to drop");
        let mut direct = Asker::connect(&broker_address(&stage.cluster, leader).unwrap()).unwrap();
        assert_eq!(direct.list(7, TOPIC, p, EARLIEST, 0).unwrap().2, stage.starts[p as usize]);
    }
}

#[test]
fn every_epoch_ends_where_it_ended_before_brokers_forgot_it() {
    let stage = stage();
    for log in &stage.logs {
        assert!(log.epochs().len() >= 3, "the leaders changed while this was written: {:?}", log.epochs());
    }
    for site in stage.fleet.sites() {
        for ((version, partition, current, epoch), truth) in &stage.epochs {
            let leader = stage.leaders[*partition as usize];
            let mut asker = Asker::connect(&site.broker_address(leader).unwrap()).unwrap();
            let said = asker.epoch_end(*version, TOPIC, (*partition, *current), *epoch).unwrap();
            assert_eq!(said, *truth, "v{version} partition {partition} epoch {epoch}, believed {current}");
        }
    }
}
