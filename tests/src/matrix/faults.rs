//! Clients at work while a gateway dies, a broker dies, and all gateways are restarted one after the other.

use anyhow::{Result, ensure};

use super::client::{Client, side_by_side};
use super::pair::Pair;
use super::stage::{LIMIT, Stage, ZONES};
use super::verdict::Verdict;
use crate::clients::placement;
use crate::{Gateway, wait};

/// The zone of all clients here, whose gateway dies.
const ZONE: usize = 0;
/// The broker that dies: it leads a partition of every topic, and follows in the others.
const BROKER: i32 = 2;
/// A broker to which nothing happens.
const WITNESS: i32 = 1;

/// What happens to clients at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The gateway that all clients are at is killed with SIGKILL and started again, knowing nothing.
    GatewayKilled,
    /// A broker is killed with SIGKILL, and comes back.
    BrokerKilled,
    /// Every gateway is told to stop, drains, and is started again, one after the other.
    Rolling,
}

impl Trouble {
    fn name(self) -> &'static str {
        match self {
            Self::GatewayKilled => "gateway-killed",
            Self::BrokerKilled => "broker-killed",
            Self::Rolling => "rolling",
        }
    }

    /// Whether it is part of the day's work, which costs clients nothing at all.
    fn is_planned(self) -> bool {
        self == Self::Rolling
    }
}

/// Clients go on, and of what they had acknowledged before, while and after it happened everything stands once and was read.
pub(super) fn at_work(stage: &mut Stage, clients: &[Client], trouble: Trouble) -> Vec<Verdict> {
    let here = clients.iter().map(|client| Client { zone: ZONE, ..*client }).collect();
    let pairs = side_by_side(here, |client| Pair::start(stage, client, trouble.name()));
    let inflicted = trouble.inflict(stage, &pairs);
    let judged = side_by_side(pairs, |pair| {
        let pair = pair?;
        pair.goes_on()?;
        let judged = pair.judge(stage)?;
        ensure!(!trouble.is_planned() || judged.is_undisturbed(), "the application was told: {judged:?}");
        Ok(judged.note())
    });
    Verdict::for_all(clients, inflicted.map(|()| judged.into_iter().map(Verdict::from).collect()))
}

impl Trouble {
    /// Makes it happen and be over; an error where it did not.
    fn inflict(self, stage: &mut Stage, pairs: &[Result<Pair>]) -> Result<()> {
        match self {
            Self::GatewayKilled => kill_gateway(&mut stage.gateways[ZONE]),
            Self::BrokerKilled => kill_broker(stage, pairs),
            Self::Rolling => (0..ZONES.len()).try_for_each(|zone| restart(stage, zone)),
        }
    }
}

fn kill_gateway(gateway: &mut Gateway) -> Result<()> {
    let open = gateway.metrics()?.sum("tidegate_connections", &[]);
    ensure!(open > 0.0, "nobody is connected to the gateway that is to be killed");
    gateway.kill9()?;
    gateway.restart()
}

/// Returns when every replica is in sync again.
fn kill_broker(stage: &mut Stage, pairs: &[Result<Pair>]) -> Result<()> {
    stage.cluster.broker(BROKER)?.kill9()?;
    wait_each(stage, pairs, |isr| !isr.contains(&BROKER))?;
    stage.cluster.broker(BROKER)?.restart()?;
    stage.cluster.wait_ready()?;
    wait_each(stage, pairs, |isr| isr.contains(&BROKER))
}

/// Waits until every partition has a leader, and in sync are whom we want.
fn wait_each(stage: &Stage, pairs: &[Result<Pair>], wanted: impl Fn(&[i32]) -> bool) -> Result<()> {
    let witness = stage.broker_address(WITNESS)?;
    for pair in pairs.iter().flatten() {
        wait::until_true("every partition to be as wanted", LIMIT, || {
            let states = placement::ask(&witness, pair.topic())?;
            ensure!(states.iter().all(|state| state.leader >= 0 && wanted(&state.isr)), "{states:?}");
            Ok(!states.is_empty())
        })?;
    }
    Ok(())
}

/// SIGTERM, the drain, and a new start, as whoever rolls a fleet does: the next only once this one is back.
fn restart(stage: &mut Stage, zone: usize) -> Result<()> {
    let gateway = &mut stage.gateways[zone];
    let code = gateway.stop()?;
    ensure!(code == Some(0), "exit code {code:?}");
    let (ended, cut) = gateway.last_words()?;
    println!("gateway of {}: {ended} connections ended in good order, {cut} were cut", ZONES[zone]);
    ensure!(zone != ZONE || ended > 0, "nobody was connected: nothing was proved");
    gateway.restart()?;
    stage.wait_whole()
}
