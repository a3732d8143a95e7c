//! Wires that break. Only where zones are namespaces.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Inflicted;
use super::process::{SEEN_LIMIT, is_missed};
use crate::chaos::stage::Stage;
use crate::netns::Zones;
use crate::wait;

/// A zone is off the network.
pub(super) struct ZoneCut(usize);

impl ZoneCut {
    pub(super) fn inflict(stage: &mut Stage, zone: usize) -> Result<Self> {
        zones(stage)?.cut(zone)?;
        Ok(Self(zone))
    }
}

impl Inflicted for ZoneCut {
    fn fired(&mut self, stage: &mut Stage) -> Result<()> {
        ensure!(!zones(stage)?.is_joined(self.0)?, "the link is up");
        let addresses = [stage.sites[self.0].address(), stage.cluster.brokers()[self.0].address()];
        for address in addresses {
            let to = address.to_socket_addrs()?.next().context("no address")?;
            let tried = TcpStream::connect_timeout(&to, Duration::from_secs(2));
            ensure!(tried.is_err(), "{address} is reached across the cut");
        }
        is_missed(stage, self.0)?;
        // The processes live: it is the network that is gone.
        ensure!(stage.gateways[self.0].is_alive(), "the gateway of the cut zone has died");
        ensure!(stage.cluster.broker(self.0 as i32 + 1)?.is_alive(), "the broker of the cut zone has died");
        Ok(())
    }

    fn heal(self: Box<Self>, stage: &mut Stage) -> Result<()> {
        zones(stage)?.join(self.0)
    }
}

/// A gateway is refused at the broker of the next zone, which serves everybody else.
pub(super) struct UpstreamRefusing {
    zone: usize,
    other: usize,
    port: u16,
}

impl UpstreamRefusing {
    pub(super) fn inflict(stage: &mut Stage, zone: usize) -> Result<Self> {
        let other = (zone + 1) % stage.sites.len();
        let address = stage.cluster.brokers()[other].address();
        let port = address.rsplit(':').next().context("no port")?.parse()?;
        zones(stage)?.refuse(zone, other, port)?;
        Ok(Self { zone, other, port })
    }
}

impl Inflicted for UpstreamRefusing {
    fn fired(&mut self, stage: &mut Stage) -> Result<()> {
        let refusal = zones(stage)?.refusal(self.zone, self.other, self.port);
        ensure!(refusal.is_some(), "the broker's port is open to the gateway");
        let seen = || stage.misses(self.zone, self.other);
        wait::until_true("the gateway to suspect the broker that refuses it", SEEN_LIMIT, seen)
    }

    fn heal(self: Box<Self>, stage: &mut Stage) -> Result<()> {
        let zones = zones(stage)?;
        zones.admit(self.zone, self.other, self.port)?;
        let still = zones.refusal(self.zone, self.other, self.port);
        ensure!(still.is_none(), "still refused: {}", still.unwrap_or_default());
        Ok(())
    }
}

fn zones(stage: &Stage) -> Result<&Zones> {
    stage.zones.as_ref().context("zones are no namespaces here")
}
