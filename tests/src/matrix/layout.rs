//! Where the gateways listen, and the configuration that says so.

use std::fmt::Write as _;

use anyhow::Result;

use super::doors::Door;
use super::stage::ZONES;
use crate::ports::Ports;

/// Brokers have the ids 1 to 3.
const BROKERS: u16 = 3;

/// The gateway of zone n has a host of its own, 127.0.0.n; ports are the same on all of them.
#[derive(Debug)]
pub(super) struct Layout {
    admin: u16,
    /// The bootstrap port of each door in [`Door::ALL`]; the brokers' ports follow it.
    doors: [u16; 2],
    _ports: Ports,
}

/// The parts of a gateway's file that don't depend on where it listens.
#[derive(Clone, Debug)]
pub(super) struct Sections {
    /// `cluster`.
    pub(super) upstream: String,
    /// `cert` and `key` of the gateways.
    pub(super) own: String,
    /// `client_ca` and `identities`.
    pub(super) identities: String,
    /// `store` and `tiering`.
    pub(super) tier: String,
}

impl Sections {
    fn tls(&self, door: Door) -> String {
        match door {
            Door::Scram => format!("{{{}}}", self.own),
            Door::Certificate => format!("{{{}, {}}}", self.own, self.identities),
        }
    }
}

impl Layout {
    pub(super) fn lease() -> Result<Self> {
        let mut ports = Ports::lease()?;
        let admin = ports.one()?;
        let doors = [ports.run(1 + BROKERS)?, ports.run(1 + BROKERS)?];
        Ok(Self { admin, doors, _ports: ports })
    }

    /// `host:port` of the bootstrap endpoint of a zone's gateway.
    pub(super) fn address(&self, zone: usize, door: Door) -> String {
        format!("{}:{}", host(zone), self.doors[door as usize])
    }

    /// The gateway's whole file.
    pub(super) fn yaml(&self, zone: usize, drain: &str, sections: &Sections) -> String {
        let (host, name) = (host(zone), ZONES[zone]);
        let mut text = format!(
            "gateway: {{id: gw-{name}, zone: {name}, drain: {drain}, admin: {host}:{}}}\n{}\nlisteners:\n",
            self.admin, sections.upstream
        );
        for door in Door::ALL {
            let bind = self.address(zone, door);
            let (brokers, tls) = (self.brokers(door), sections.tls(door));
            let _ = writeln!(
                text,
                "  - {{name: {}, bind: {bind}, advertise: {host}, brokers: {brokers}, tls: {tls}}}",
                door.name()
            );
        }
        text += "fleet:\n  members:\n";
        for other in (0..ZONES.len()).filter(|other| *other != zone) {
            Door::ALL.iter().for_each(|door| text += &self.member(other, *door));
        }
        text + &sections.tier
    }

    fn member(&self, zone: usize, door: Door) -> String {
        let (host, name) = (host(zone), ZONES[zone]);
        format!(
            "    - {{id: gw-{name}, zone: {name}, listener: {}, advertise: {host}, brokers: {}, admin: {host}:{}}}\n",
            door.name(),
            self.brokers(door),
            self.admin
        )
    }

    fn brokers(&self, door: Door) -> String {
        let first = self.doors[door as usize] + 1;
        format!("{{ids: [1-{BROKERS}], ports: {first}-{}}}", first + BROKERS - 1)
    }
}

/// The address of a zone's gateway.
pub(super) fn host(zone: usize) -> String {
    format!("127.0.0.{}", zone + 1)
}
