//! What can happen to the wires between zones.

use anyhow::{Context, Result};
use serde_json::Value;

use super::{HUB, ROOT_END, Zones, ip};

/// The address of a peer that can vanish, beside the test's own.
pub const GHOST: &str = "10.77.0.253";

impl Zones {
    /// Takes the zone off the network: whatever crosses its border is lost, and nobody is told.
    pub fn cut(&self, n: usize) -> Result<()> {
        ip::run(&format!("-n {HUB} link set {} down", self.names[n]))
    }

    /// Puts it back.
    pub fn join(&self, n: usize) -> Result<()> {
        ip::run(&format!("-n {HUB} link set {} up", self.names[n]))
    }

    /// Whether the zone's link is up.
    pub fn is_joined(&self, n: usize) -> Result<bool> {
        let said = ip::read(&format!("-n {HUB} -j link show {}", self.names[n]))?;
        let links: Vec<Value> = serde_json::from_str(&said)?;
        let flags = links.first().and_then(|l| l["flags"].as_array()).context("a link without flags")?;
        Ok(flags.iter().any(|f| f == "UP"))
    }

    /// Has whatever runs in the `n`-th zone be refused at a port of the `other` zone.
    pub fn refuse(&self, n: usize, other: usize, port: u16) -> Result<()> {
        self.rule("add", n, other, port)
    }

    /// Takes it back.
    pub fn admit(&self, n: usize, other: usize, port: u16) -> Result<()> {
        self.rule("del", n, other, port)
    }

    fn rule(&self, what: &str, n: usize, other: usize, port: u16) -> Result<()> {
        let (space, host) = (self.namespace(n), self.host(other));
        ip::run(&format!("-n {space} rule {what} to {host} ipproto tcp dport {port} prohibit"))
    }

    /// Why the kernel of the `n`-th zone lets nobody reach a port of the `other`, if it doesn't.
    pub fn refusal(&self, n: usize, other: usize, port: u16) -> Option<String> {
        let (space, host) = (self.namespace(n), self.host(other));
        ip::read(&format!("-n {space} route get {host} ipproto tcp dport {port}"))
            .err()
            .map(|e| e.to_string())
    }

    /// Gives the test's end the address [`GHOST`].
    pub fn raise_ghost(&self) -> Result<()> {
        ip::run(&format!("addr add {GHOST}/32 dev {ROOT_END}"))
    }

    /// Takes it away under its connections: no segment reaches them any more, and none of them says goodbye.
    pub fn vanish_ghost(&self) -> Result<()> {
        ip::run(&format!("addr del {GHOST}/32 dev {ROOT_END}"))
    }
}
