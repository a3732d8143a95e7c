//! Are two answers the same, but for the addresses that a gateway must change?

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

use super::Ask;
use crate::schema::{Token, walk};

/// Where each broker address of the cluster is reached through the gateway: `host:port` to `host:port`.
pub type Addresses = BTreeMap<String, String>;

/// Fields whose values differ between two askings of the same broker.
const FRESH: [&str; 14] = [
    "ControllerId", // KRaft brokers name any broker
    "ThrottleTimeMs",
    "ProducerId",
    "SessionId",
    "MemberId",
    "ClientInstanceId",
    "SubscriptionId",
    "TotalBytes",
    "UsableBytes",
    "LogEndOffset",
    "LastFetchTimestamp",
    "LastCaughtUpTimestamp",
    "AcquisitionLockTimeoutMs",
    "IssueTimestampMs",
];

/// Compares two answers to the same request; returns how many addresses were changed as they must be.
pub fn compare(ask: &Ask<'_>, direct: &[u8], through: &[u8], addresses: &Addresses) -> Result<usize> {
    let walk = |bytes, side| walk(ask.response, ask.version, bytes).with_context(|| format!("{side} answer"));
    let (direct, through) = (walk(direct, "the broker's")?, walk(through, "the gateway's")?);
    let flexible = ask.response.flexible.has(ask.version);
    let (mut at, mut changed) = (0, 0);
    ensure!(direct.len() == through.len(), "{} tokens and {}", direct.len(), through.len());
    while at < direct.len() {
        if let Some(told) = address(&direct, at, flexible).and_then(|told| addresses.get(&told)) {
            let got = address(&through, at, flexible);
            ensure!(got.as_ref() == Some(told), "{}: {got:?} instead of {told}", direct[at].path);
            (at, changed) = (at + 2, changed + 1);
            continue;
        }
        same(&direct[at], &through[at])?;
        at += 1;
    }
    Ok(changed)
}

/// `host:port` if a host and its port stand at `at`.
fn address(tokens: &[Token], at: usize, flexible: bool) -> Option<String> {
    let (host, port) = (tokens.get(at)?, tokens.get(at + 1)?);
    if (host.name(), port.name()) != ("Host", "Port") {
        return None;
    }
    Some(format!("{}:{}", host.text(flexible)?, port.number()))
}

fn same(direct: &Token, through: &Token) -> Result<()> {
    ensure!(direct.path == through.path, "{} became {}", direct.path, through.path);
    if direct.bytes != through.bytes && !is_fresh(&direct.path) {
        bail!("{}: {:?} became {:?}", direct.path, direct.bytes, through.bytes);
    }
    Ok(())
}

fn is_fresh(path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or_default();
    FRESH.contains(&name)
}
