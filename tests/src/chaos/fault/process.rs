//! Processes that die, or stop.

use std::fs;
use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Inflicted;
use crate::chaos::stage::Stage;
use crate::cluster::Broker;
use crate::wait;

/// How long it may take until a gateway has seen what happened.
pub(super) const SEEN_LIMIT: Duration = Duration::from_secs(60);

/// kill -9 of a gateway.
pub(super) struct GatewayKilled(usize);

impl GatewayKilled {
    pub(super) fn inflict(stage: &mut Stage, zone: usize) -> Result<Self> {
        stage.gateways[zone].kill9()?;
        Ok(Self(zone))
    }
}

impl Inflicted for GatewayKilled {
    fn fired(&mut self, stage: &mut Stage) -> Result<()> {
        ensure!(!stage.gateways[self.0].is_alive(), "the gateway lives");
        ensure!(is_refused(&stage.sites[self.0].address())?, "somebody answers in the dead gateway's place");
        Ok(())
    }

    fn heal(self: Box<Self>, stage: &mut Stage) -> Result<()> {
        stage.gateways[self.0].restart()
    }
}

/// kill -9 of a broker.
pub(super) struct BrokerKilled(usize);

impl BrokerKilled {
    pub(super) fn inflict(stage: &mut Stage, zone: usize) -> Result<Self> {
        broker(stage, zone)?.kill9()?;
        Ok(Self(zone))
    }
}

impl Inflicted for BrokerKilled {
    fn fired(&mut self, stage: &mut Stage) -> Result<()> {
        let broker = broker(stage, self.0)?;
        ensure!(!broker.is_alive(), "the broker lives");
        ensure!(is_refused(&broker.address())?, "somebody answers in the dead broker's place");
        is_missed(stage, self.0)
    }

    fn heal(self: Box<Self>, stage: &mut Stage) -> Result<()> {
        broker(stage, self.0)?.restart()
    }
}

/// SIGSTOP of a broker.
pub(super) struct BrokerPaused(usize);

impl BrokerPaused {
    pub(super) fn inflict(stage: &mut Stage, zone: usize) -> Result<Self> {
        broker(stage, zone)?.pause()?;
        Ok(Self(zone))
    }
}

impl Inflicted for BrokerPaused {
    fn fired(&mut self, stage: &mut Stage) -> Result<()> {
        let pid = broker(stage, self.0)?.pid();
        let stopped = || Ok(state_of(pid)? == "T");
        wait::until_true("the broker to be stopped", SEEN_LIMIT, stopped)?;
        is_missed(stage, self.0)
    }

    fn heal(self: Box<Self>, stage: &mut Stage) -> Result<()> {
        broker(stage, self.0)?.resume()
    }
}

fn broker(stage: &mut Stage, zone: usize) -> Result<&mut Broker> {
    stage.cluster.broker(zone as i32 + 1)
}

/// Waits until a gateway of another zone misses the broker of this one.
pub(super) fn is_missed(stage: &Stage, zone: usize) -> Result<()> {
    let others = (0..stage.gateways.len()).filter(|n| *n != zone);
    let suspected = || {
        // With two faults at once, one of them may be away.
        let all: Vec<bool> = others.clone().filter_map(|n| stage.misses(n, zone).ok()).collect();
        ensure!(!all.is_empty(), "no gateway answers");
        Ok(all.contains(&true))
    };
    wait::until_true("another zone's gateway to miss the broker", SEEN_LIMIT, suspected)
}

/// Whether the kernel refuses a connection: nobody listens.
fn is_refused(address: &str) -> Result<bool> {
    let address = address.to_socket_addrs()?.next().context("no address")?;
    let tried = TcpStream::connect_timeout(&address, Duration::from_secs(5));
    Ok(tried.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused))
}

/// The letter in `/proc/PID/stat`.
fn state_of(pid: u32) -> Result<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(')').context("odd /proc stat")?;
    Ok(rest.split_whitespace().next().unwrap_or_default().to_owned())
}
