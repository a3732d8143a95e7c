//! What the kernel counted at the zones' interfaces.

use std::ops::{Add, Sub};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{HUB, Zones, ip};
use crate::wait;

/// What the kernel counts beside a TCP segment's payload: Ethernet 14, IPv4 20, TCP 20 and its timestamps 12.
/// A veth counts what the sender's TCP hands it, before segmentation: one header for up to 64 KiB.
const HEADERS: f64 = 66.0;

/// How long an idle second may take to come after a topic was filled: the followers must have it first.
const QUIET_LIMIT: Duration = Duration::from_secs(120);

/// Bytes a second in all directions that three idle brokers and their gateways stay well below.
const QUIET: f64 = 400_000.0;

/// One direction. Fractions come from the background that was subtracted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Bytes with their headers.
    pub bytes: f64,
    /// Packets, before segmentation.
    pub packets: f64,
}

impl Load {
    /// Bytes that the sockets carried.
    pub fn payload(self) -> f64 {
        self.bytes - HEADERS * self.packets
    }

    fn times(self, factor: f64) -> Self {
        Self { bytes: self.bytes * factor, packets: self.packets * factor }
    }
}

impl Add for Load {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, packets: self.packets + other.packets }
    }
}

impl Sub for Load {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + other.times(-1.0)
    }
}

/// What went over one zone's interface.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flow {
    /// From the zone.
    pub out: Load,
    /// Into the zone.
    pub into: Load,
}

impl Flow {
    fn minus(self, other: Self, factor: f64) -> Self {
        Self { out: self.out - other.out.times(factor), into: self.into - other.into.times(factor) }
    }
}

/// What an idle second brings, by zone: heartbeats, quorum, empty fetches of followers, health checks.
#[derive(Clone, Debug)]
pub struct Background(Vec<Flow>);

/// Counting since some moment.
#[derive(Debug)]
pub struct Window<'a> {
    zones: &'a Zones,
    start: Instant,
    before: Vec<Flow>,
}

impl Zones {
    /// Starts counting.
    pub fn window(&self) -> Result<Window<'_>> {
        Ok(Window { zones: self, before: self.flows()?, start: Instant::now() })
    }

    /// Waits for an idle second, then says what idle seconds bring, from `length` of them.
    pub fn background(&self, length: Duration) -> Result<Background> {
        let second = || Ok(self.idle(Duration::from_secs(1))?.total() < QUIET);
        wait::until_true("the zones to be quiet", QUIET_LIMIT, second)?;
        self.idle(length)
    }

    fn idle(&self, length: Duration) -> Result<Background> {
        let window = self.window()?;
        thread::sleep(length);
        let seconds = window.start.elapsed().as_secs_f64();
        let flow = |flow: Flow| Flow::default().minus(flow, -1.0 / seconds);
        Ok(Background(window.raw()?.into_iter().map(flow).collect()))
    }

    /// By zone; the bridge's ports see both directions.
    fn flows(&self) -> Result<Vec<Flow>> {
        let links: Vec<Value> = serde_json::from_str(&ip::read(&format!("-n {HUB} -j -s link show"))?)?;
        let of = |name: &String| {
            let link = links.iter().find(|l| l["ifname"] == **name).context("a zone without an interface")?;
            Ok(Flow { out: load(&link["stats64"]["rx"])?, into: load(&link["stats64"]["tx"])? })
        };
        self.names.iter().map(of).collect()
    }
}

impl Background {
    /// Bytes a second that left any zone.
    pub fn total(&self) -> f64 {
        self.0.iter().map(|flow| flow.out.bytes).sum()
    }
}

impl Window<'_> {
    /// What was counted since the start, by zone, less what would have been there anyway.
    pub fn close(&self, background: &Background) -> Result<Vec<Flow>> {
        let raw = self.raw()?;
        let seconds = self.start.elapsed().as_secs_f64();
        Ok(raw.into_iter().zip(&background.0).map(|(flow, idle)| flow.minus(*idle, seconds)).collect())
    }

    fn raw(&self) -> Result<Vec<Flow>> {
        let now = self.zones.flows()?;
        Ok(now.into_iter().zip(&self.before).map(|(now, before)| now.minus(*before, 1.0)).collect())
    }
}

fn load(stats: &Value) -> Result<Load> {
    let number = |name: &str| stats[name].as_f64().with_context(|| format!("ip shows no {name}"));
    Ok(Load { bytes: number("bytes")?, packets: number("packets")? })
}
