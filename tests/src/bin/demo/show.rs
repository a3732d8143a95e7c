//! The demo from its first line to its last.

use anyhow::{Result, ensure};

use super::Args;
use super::account::Account;
use super::flows::{Flow, Flows, Leg};
use super::history::{self, Ground};
use super::places::{self, Place};
use super::price::Price;
use super::report::Report;
use super::screen::{Ink, Screen};
use super::signals::Stop;
use super::stage::{self, Stage};
use super::traffic::{Progress, RECORDS, Traffic, megabytes};
use super::{live, needs, next};

/// How a phase looks at the bytes.
type Look = fn(&Progress, &[Place]) -> Result<Flows>;

/// Runs it.
pub(crate) fn run(args: &Args) -> Result<()> {
    needs::check()?;
    let stop = Stop::watch()?;
    stage::refuse_a_second()?;
    let mut screen = Screen::new();
    screen.say(&intro(&screen))?;
    let stage = Stage::set(&mut screen, &stop)?;
    let ground = Ground { places: &stage.places, bucket: &stage.bucket, bytes: args.history.0 };
    ground.prepare()?;
    let (report, remark) = phases(&stage.places, args.price_per_gb, &mut screen, &stop)?;
    screen.say(&format!("\n{}\n\n{}\n", report.bytes(), report.bill()))?;
    screen.say(&screen.ink(Ink::Bold, &report.headline()))?;
    screen.say(&history::title(&screen))?;
    let account = ground.run(&mut screen, &stop)?;
    screen.say(&format!("\n{}\n", account.table()))?;
    screen.say(&screen.ink(Ink::Bold, &account.headline()))?;
    screen.say(&format!("\n{remark}\n{}\n", Account::remark()))?;
    let folder = places::folder()?;
    let last = match args.keep {
        true => next::kept(&stage.places, &folder)?,
        false => next::gone(&stage.places, &folder),
    };
    if args.keep {
        stage.keep()?
    } else {
        drop(stage)
    }
    screen.say(&last)
}

fn intro(screen: &Screen) -> String {
    let title =
        screen.ink(Ink::Bold, "Tidegate: reads that stay in their zone, history that leaves the brokers");
    format!(
        "{title}
Three zones on this machine, in each a Kafka broker, a gateway and a consumer
group; a producer in az1. The same clients run twice: at the brokers' addresses,
then at the gateways'. Nothing else differs. After that a topic's history moves
to an object store, and is read again.
"
    )
}

/// Both phases, and a remark on how they were measured.
fn phases(places: &[Place], price: Price, screen: &mut Screen, stop: &Stop) -> Result<(Report, String)> {
    let brokers: Vec<_> = places.iter().map(|p| (p.zone.as_str(), p.broker.as_str())).collect();
    let gateways: Vec<_> = places.iter().map(|p| (p.zone.as_str(), p.gateway.as_str())).collect();
    screen.say(&title(screen, 1, "direct: clients at the brokers' addresses"))?;
    let (_, direct) = phase("direct", &brokers, Flows::of_clients, places, screen, stop)?;
    screen.say(&title(screen, 2, "through Tidegate: each client at the gateway of its zone"))?;
    let look: Look = |_, places| Flows::of_gateways(places);
    let (last, through) = phase("through", &gateways, look, places, screen, stop)?;
    let remark = remark(&last, &through, price);
    Ok((Report { direct, through, price }, remark))
}

fn title(screen: &Screen, number: u8, text: &str) -> String {
    screen.ink(Ink::Bold, &format!("\n{number}  {text}"))
}

/// Runs the clients and shows how they get on, until everything is written and read.
fn phase(
    topic: &str,
    zones: &[(&str, &str)],
    look: Look,
    places: &[Place],
    screen: &mut Screen,
    stop: &Stop,
) -> Result<(Progress, Flows)> {
    let traffic = Traffic::start(topic, zones, &places::folder()?.join("clients.log"))?;
    loop {
        let progress = traffic.next(stop)?;
        let flows = look(&progress, places)?;
        screen.show(&live::block(screen, &progress, &flows, places), &live::line(&progress, &flows))?;
        if progress.done {
            traffic.end()?;
            ensure_complete(&progress)?;
            return Ok((progress, flows));
        }
    }
}

/// Savings count for nothing if a record is missing.
fn ensure_complete(progress: &Progress) -> Result<()> {
    for group in &progress.consumers {
        let complete = group.records == RECORDS && group.misplaced == 0;
        ensure!(complete, "the group in {} lost, repeated or reordered records: {group:?}", group.zone);
    }
    Ok(())
}

/// How the numbers came about, and how far two independent counts of the same bytes are apart.
fn remark(last: &Progress, through: &Flows, price: Price) -> String {
    let sum = |counters: &super::traffic::BytesByNode| counters.values().sum::<u64>();
    let counted = sum(&last.producer) + last.consumers.iter().map(|c| sum(&c.bytes)).sum::<u64>();
    let ledger = through.bytes(|flow: &Flow| flow.leg == Leg::ClientGateway);
    let apart = (ledger as f64 - counted as f64).abs() / counted as f64 * 100.0;
    format!(
        "How it was measured
  Each group read all {RECORDS} records ({} MB) of both runs, once and in order.
  Bytes are Kafka's requests and answers, without TCP/IP headers. Reading is all
  but writing: fetches, groups, metadata.
  Direct: the clients' own network counters, per broker. Kafka's default, where
  reads go to a partition's leader.
  Through Tidegate: the gateways' ledgers. On client ↔ gateway they agree with
  the clients' counters to {apart:.3} %.
  Not counted: replication between brokers, the same in both; the gateways' CPU.
  Writing crosses in both: a record has to reach its partition's leader.
  Price: {}
  (another: make demo PRICE_PER_GB=0.02).",
        megabytes(RECORDS),
        price.describe()
    )
}
