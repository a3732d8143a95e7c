//! A group whose second member comes and goes while records keep coming.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::json;

use super::client::{Client, each, wait_records};
use super::doors::Door;
use super::stage::{LIMIT, Stage};
use super::trickle::Trickle;
use super::truth::{Keys, Truth};
use super::verdict::Verdict;
use crate::clients::{Fault, GroupProtocol, History, Isolation, Reader};
use crate::wait;

/// Records that prove that a member reads.
const SOME: u64 = 60;

/// Between them the members read every record, and what one leaves behind the other goes on with.
pub(super) fn rebalance(stage: &Stage, clients: &[Client], protocol: GroupProtocol) -> Vec<Verdict> {
    let topic = |client: &Client| stage.topic(format!("group-{}-{}", protocol.name(), client.driver));
    let outcome = clients.iter().map(topic).collect::<Result<Vec<_>>>().and_then(|topics| {
        let trickle = Trickle::start(stage, &topics)?;
        let verdicts = each(clients, |client| come_and_go(stage, client, &topics[client.zone], protocol));
        trickle.finish().map(|()| verdicts)
    });
    Verdict::for_all(clients, outcome)
}

fn come_and_go(stage: &Stage, client: Client, topic: &str, protocol: GroupProtocol) -> Result<String> {
    let reading = client.reading(stage, Door::Scram, topic, topic).protocol(protocol);
    let first = client.driver.spawn_consumer(&reading)?;
    wait_records(&first, SOME, LIMIT)?;
    let second = client.driver.spawn_consumer(&reading)?;
    wait_records(&second, SOME, LIMIT)?;
    wait_records(&first, first.history().records() + SOME, LIMIT)?;
    is_group_of_two(stage, topic, protocol)?;
    let seen = second.finish(LIMIT)?;
    let truth = Truth::read(stage, topic, Isolation::Uncommitted)?;
    wait_both_read(&first, &seen, &truth.keys)?;
    let rest = first.finish(LIMIT)?;
    for history in [&seen, &rest] {
        let told = history.faults().iter().find(|fault| matches!(fault, Fault::Reset(_)));
        ensure!(told.is_none(), "{told:?}");
    }
    let both: BTreeSet<_> = seen.keys().keys().chain(rest.keys().keys()).collect();
    let again = seen.records() + rest.records() - both.len() as u64;
    Ok(if again == 0 { String::new() } else { format!("{again} records read twice") })
}

/// The coordinator itself says that both are members, and by which protocol.
fn is_group_of_two(stage: &Stage, group: &str, protocol: GroupProtocol) -> Result<()> {
    wait::until_true("a group of two", LIMIT, || {
        let told = stage.admin.call("describe_group", json!({"group": group}))?;
        let kind = told["type"].as_str().unwrap_or_default().to_lowercase();
        ensure!(kind == protocol.name(), "the group is {told}");
        ensure!(told["members"] == 2, "{told}");
        Ok(true)
    })
}

/// Waits until the member that is left and the one that has gone have read every record that stood when that one had gone.
fn wait_both_read(first: &Reader, gone: &History, truth: &Keys) -> Result<()> {
    let mut both = gone.keys().clone();
    wait::until_true("what both read to be everything", LIMIT, || {
        both.extend(first.history().keys().clone());
        let missing = truth.iter().find(|(place, key)| both.get(place) != Some(key));
        ensure!(missing.is_none(), "not read: {missing:?}; {}", first.history());
        Ok(true)
    })
}
