//! Zones that the kernel keeps apart: a network namespace each, so that its interface counters say how many
//! bytes really crossed.
//!
//! ```text
//!   tg-az1 ── eth0 10.77.0.1 ──┐
//!   tg-az2 ── eth0 10.77.0.2 ──┼── bridge in tg-hub ── tg-root 10.77.0.254 (the test and its resident JVM)
//!   tg-az3 ── eth0 10.77.0.3 ──┘
//! ```
//!
//! What stays in a zone goes over its `lo` and is never counted. The bridge has a namespace of its own, because
//! a firewall of the machine (Docker's, say) would filter it. Needs root and iproute2: ask [`missing_zones`] first, or
//! [`missing`] for those who need kcat, too.

mod client;
mod command;
mod counters;
mod faults;
mod ip;
mod stage;

use std::fs::File;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result};

pub use client::Client;
pub(crate) use command::inside;
pub use counters::{Background, Flow, Load, Window};
pub use faults::GHOST;
pub use stage::{Path, Stage};

use crate::wait;

/// The bridge's namespace.
const HUB: &str = "tg-hub";

/// The test's own end; named in the machine's namespace, so it must not be a common name.
const ROOT_END: &str = "tg-root";

/// How long to wait for another test's zones to go.
const TURN_LIMIT: Duration = Duration::from_secs(900);

/// Running zones; gone when dropped. One test on the machine has them at a time.
#[derive(Debug)]
pub struct Zones {
    names: Vec<String>,
    _turn: File,
}

/// Why zones or the client that tests of bytes use can't be had here, if they can't.
pub fn missing() -> Option<String> {
    let kcat = Command::new("kcat").arg("-V").output();
    kcat.err().map(|error| format!("kcat is needed as a client: {error}")).or_else(missing_zones)
}

/// Why zones can't be had here, if they can't; found out once.
pub fn missing_zones() -> Option<String> {
    static ANSWER: OnceLock<Option<String>> = OnceLock::new();
    ANSWER.get_or_init(probe).clone()
}

fn probe() -> Option<String> {
    let name = format!("tg-probe-{}", std::process::id());
    let made = ip::run(&format!("netns add {name}"));
    if made.is_ok() {
        // Best effort: a probe left behind is empty and harms nobody.
        let _ = ip::run(&format!("netns del {name}"));
    }
    made.err().map(|error| format!("network namespaces need root and iproute2: {error:#}"))
}

impl Zones {
    /// Makes a namespace for each zone, when no other test has any, and removes what a killed one left.
    pub fn up(names: &[&str]) -> Result<Self> {
        let turn = File::create(std::env::temp_dir().join("tidegate-netns.lock"))?;
        let taken = || Ok(turn.try_lock().is_ok());
        wait::until_true("the turn to have zones", TURN_LIMIT, taken)?;
        let zones = Self { names: names.iter().map(|&n| n.to_owned()).collect(), _turn: turn };
        zones.down();
        zones.wire().context("make the zones' namespaces")?;
        Ok(zones)
    }

    fn wire(&self) -> Result<()> {
        ip::run(&format!("netns add {HUB}"))?;
        ip::run(&format!("-n {HUB} link add hub type bridge"))?;
        ip::run(&format!("-n {HUB} link set hub addrgenmode none up"))?;
        for (n, name) in self.names.iter().enumerate() {
            let space = self.namespace(n);
            ip::run(&format!("netns add {space}"))?;
            ip::run(&format!("-n {HUB} link add {name} type veth peer name eth0 netns {space}"))?;
            ip::run(&format!("-n {HUB} link set {name} master hub addrgenmode none up"))?;
            ip::run(&format!("-n {space} addr add {}/24 dev eth0", self.host(n)))?;
            ip::run(&format!("-n {space} link set eth0 addrgenmode none up"))?;
            ip::run(&format!("-n {space} link set lo up"))?;
        }
        ip::run(&format!("-n {HUB} link add root type veth peer name {ROOT_END}"))?;
        ip::run(&format!("-n {HUB} link set {ROOT_END} netns {}", std::process::id()))?;
        ip::run(&format!("-n {HUB} link set root master hub addrgenmode none up"))?;
        ip::run(&format!("addr add 10.77.0.254/24 dev {ROOT_END}"))?;
        ip::run(&format!("link set {ROOT_END} addrgenmode none up"))
    }

    /// Removes whatever there is; links go with their namespaces, or here if a process still holds one.
    fn down(&self) {
        for (n, name) in self.names.iter().enumerate() {
            let _ = ip::run(&format!("-n {HUB} link del {name}"));
            let _ = ip::run(&format!("netns del {}", self.namespace(n)));
        }
        let _ = ip::run(&format!("link del {ROOT_END}"));
        let _ = ip::run(&format!("netns del {HUB}"));
    }

    /// The zones' names, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The namespace of the `n`-th zone, for `ip netns exec`.
    pub fn namespace(&self, n: usize) -> String {
        format!("tg-{}", self.names[n])
    }

    /// The address of the `n`-th zone.
    pub fn host(&self, n: usize) -> String {
        format!("10.77.0.{}", n + 1)
    }
}

impl Drop for Zones {
    fn drop(&mut self) {
        self.down();
    }
}
