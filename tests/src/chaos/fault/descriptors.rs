//! A gateway that may open hardly any more files.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kafka::api;

use super::Inflicted;
use crate::chaos::stage::Stage;
use crate::raw::Raw;
use crate::wait;

/// What the gateway keeps for itself, and what is left to clients: each takes two.
const KEPT: usize = 64;
const LEFT: usize = 30;
/// Connections after which somebody must have been refused.
const ENOUGH: usize = 200;
const LIMIT: Duration = Duration::from_secs(60);

/// The limit is lowered to a little more than what is open, and clients take all of it.
pub(super) struct DescriptorsExhausted {
    zone: usize,
    limit: String,
    /// Who was in before.
    inside: Raw,
    held: Vec<Raw>,
}

impl DescriptorsExhausted {
    pub(super) fn inflict(stage: &mut Stage, zone: usize) -> Result<Self> {
        let mut inside = Raw::connect(stage.sites[zone].address())?;
        ensure!(is_answered(&mut inside), "the gateway doesn't answer before anything happens");
        let pid = stage.gateways[zone].process().pid();
        let limit = limit_of(pid)?;
        let open = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        set_limit(pid, &(open + KEPT + LEFT).to_string())?;
        Ok(Self { zone, limit, inside, held: Vec::new() })
    }
}

impl Inflicted for DescriptorsExhausted {
    fn fired(&mut self, stage: &mut Stage) -> Result<()> {
        let before = stage.rejected(self.zone, "descriptors")?;
        let address = stage.sites[self.zone].address();
        let mut refused = false;
        while !refused && self.held.len() < ENOUGH {
            let mut raw = Raw::connect(&address)?;
            refused = !is_answered(&mut raw);
            self.held.push(raw);
        }
        ensure!(refused, "{ENOUGH} clients, and none was refused");
        let counted = || Ok(stage.rejected(self.zone, "descriptors")? > before);
        wait::until_true("the refusal to be counted", LIMIT, counted)?;
        ensure!(is_answered(&mut self.inside), "who was in before is cut off");
        Ok(())
    }

    fn heal(self: Box<Self>, stage: &mut Stage) -> Result<()> {
        let Self { zone, limit, inside, held } = *self;
        drop((inside, held));
        set_limit(stage.gateways[zone].process().pid(), &limit)?;
        let address = stage.sites[zone].address();
        let room = || Ok(is_answered(&mut Raw::connect(&address)?));
        wait::until_true("room for new clients", LIMIT, room)
    }
}

/// Whether an ApiVersions request on the connection is answered.
fn is_answered(raw: &mut Raw) -> bool {
    raw.call(1, api::API_VERSIONS, 0, &[]).is_ok()
}

fn set_limit(pid: u32, soft: &str) -> Result<()> {
    let set = Command::new("prlimit").args([format!("--pid={pid}"), format!("--nofile={soft}:")]).output()?;
    ensure!(set.status.success(), "prlimit: {}", String::from_utf8_lossy(&set.stderr));
    Ok(())
}

/// The soft limit.
fn limit_of(pid: u32) -> Result<String> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let line = limits.lines().find(|l| l.starts_with("Max open files")).context("no limit of open files")?;
    let Some(soft) = line.split_whitespace().nth(3) else { bail!("odd limit: {line}") };
    Ok(soft.to_owned())
}
