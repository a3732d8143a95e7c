//! Clients that are gone and never said so: their address vanishes under their connections.
//!
//! Without namespaces no address can vanish; there the clients fall silent, which looks the same to the gateway
//! but for the answer that nobody takes.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use kafka::api;
use kafka::fetch::request::{Ask, FetchPartition, TopicRef, encode};
use kafka::types::{LeaderEpoch, Offset, Partition};

use super::Inflicted;
use crate::chaos::stage::{BULK, Stage};
use crate::netns::GHOST;
use crate::raw::Raw;
use crate::wait;

/// The silent clients' address where none can vanish.
const SILENT: &str = "127.0.0.53";
/// `limits.idle` is 20 s here, and may take a quarter longer.
const LIMIT: Duration = Duration::from_secs(90);
/// State of an open connection in `/proc/net/tcp`.
const ESTABLISHED: &str = "01";

/// One client that was asking nothing, and one in the middle of a long answer.
pub(super) struct HalfOpen {
    zone: usize,
    gone: [Raw; 2],
    idle_before: f64,
}

impl HalfOpen {
    pub(super) fn inflict(stage: &mut Stage, zone: usize) -> Result<Self> {
        let from: IpAddr = match &stage.zones {
            Some(zones) => {
                zones.raise_ghost()?;
                GHOST.parse()?
            }
            None => SILENT.parse()?,
        };
        let address = stage.sites[zone].broker_address(zone as i32 + 1).unwrap_or_default();
        let connect = || -> Result<Raw> {
            let mut raw = Raw::connect_from(from, &address)?;
            raw.call(1, api::API_VERSIONS, 0, &[])?;
            Ok(raw)
        };
        let mut gone = [connect()?, connect()?];
        ask_for_much(&mut gone[1])?;
        let idle_before = stage.rejected(zone, "idle")?;
        let inflicted = Self { zone, gone, idle_before };
        for n in 0..2 {
            ensure!(inflicted.is_open(stage, n)?, "client {n} is not connected");
        }
        if let Some(zones) = &stage.zones {
            zones.vanish_ghost()?;
        }
        Ok(inflicted)
    }

    /// Whether the gateway still holds the connection of client `n`, by its kernel.
    fn is_open(&self, stage: &mut Stage, n: usize) -> Result<bool> {
        let SocketAddr::V4(client) = self.gone[n].stream().local_addr()? else { bail!("no IPv4 address") };
        let pid = stage.gateways[self.zone].process().pid();
        let sockets = fs::read_to_string(format!("/proc/{pid}/net/tcp"))?;
        // sl, local address, the other's, state: on loopback the client's own line has the two addresses swapped.
        let client = in_proc(client);
        let held = |line: &str| {
            let mut fields = line.split_whitespace().skip(2);
            fields.next() == Some(client.as_str()) && fields.next() == Some(ESTABLISHED)
        };
        Ok(sockets.lines().any(held))
    }
}

/// An answer of some megabytes, more than sockets hold, of which nobody reads anything.
fn ask_for_much(raw: &mut Raw) -> Result<()> {
    const BYTES: i32 = 7 << 20;
    let ask = Ask {
        version: 11,
        correlation_id: 9,
        max_wait_ms: 1_000,
        min_bytes: 1,
        max_bytes: BYTES,
        isolation_level: 0,
    };
    let wanted = FetchPartition::new(TopicRef::Name(BULK), Partition(0), Offset(0), LeaderEpoch(-1), BYTES);
    raw.write(&encode(ask, "ghost", &[&wanted]))
}

/// As the kernel prints it: the address's bytes as one number of this machine, and the port.
fn in_proc(address: SocketAddrV4) -> String {
    let ip: &Ipv4Addr = address.ip();
    format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port())
}

impl Inflicted for HalfOpen {
    fn fired(&mut self, stage: &mut Stage) -> Result<()> {
        for n in 0..2 {
            let ended = || Ok(!self.is_open(stage, n)?);
            wait::until_true(&format!("the gateway to give up vanished client {n}"), LIMIT, ended)?;
        }
        let idle = stage.rejected(self.zone, "idle")?;
        let before = self.idle_before;
        ensure!(idle >= before + 2.0, "two connections ended, and `idle` went from {before} to {idle}");
        Ok(())
    }

    fn heal(self: Box<Self>, stage: &mut Stage) -> Result<()> {
        if let Some(zones) = &stage.zones {
            // Whoever comes back finds that it was given up. The second one's kernel has an answer to take first.
            zones.raise_ghost()?;
            let [mut first, second] = self.gone;
            // Where the end got through before, there is nobody to write to.
            let _ = first.write(&[0]);
            ensure!(first.closes_within(LIMIT)?, "a client that was given up is still connected");
            drop((first, second));
            zones.vanish_ghost()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_the_kernel_does() {
        let address = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 253), 9092);
        assert_eq!(in_proc(address), "FD004D0A:2384");
    }
}
