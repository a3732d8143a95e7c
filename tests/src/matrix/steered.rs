//! Reads that stay in the client's zone.

use anyhow::{Context, Result, ensure};

use super::client::{Client, each, wait_records};
use super::doors::Door;
use super::stage::{LIMIT, Stage};
use super::trickle::Trickle;
use super::verdict::Verdict;
use crate::wait;

/// Records over which not one fetch may cross a zone: more than a second's.
const SPAN: u64 = 200;

/// Of two partitions the leader is in another zone: after a while every fetch is served from the client's own all the same.
pub(super) fn reads(stage: &Stage, clients: &[Client]) -> Vec<Verdict> {
    let topic = |client: &Client| stage.topic(format!("steered-{}", client.driver));
    let outcome = clients.iter().map(topic).collect::<Result<Vec<_>>>().and_then(|topics| {
        let trickle = Trickle::start(stage, &topics)?;
        let verdicts = each(clients, |client| stays_in_zone(stage, client, &topics[client.zone]));
        trickle.finish().map(|()| verdicts)
    });
    Verdict::for_all(clients, outcome)
}

fn stays_in_zone(stage: &Stage, client: Client, topic: &str) -> Result<String> {
    let reader = client.driver.spawn_consumer(&client.reading(stage, Door::Scram, topic, topic))?;
    wait_records(&reader, SPAN, LIMIT)?;
    wait::until_true("fetches to be served in the zone alone", LIMIT, || {
        let before = stage.served(client.zone)?;
        reader.wait_records(reader.history().records() + SPAN, LIMIT).context("to read on")?;
        let mut grown = stage.served(client.zone)?;
        grown.iter_mut().for_each(|(from, count)| *count -= before.get(from).unwrap_or(&0.0));
        grown.retain(|_, count| *count > 0.0);
        ensure!(grown.keys().eq(["in_zone"]), "fetches over the last {SPAN} records: {grown:?}");
        Ok(true)
    })?;
    let read = reader.finish(LIMIT)?;
    read.check()?;
    Ok(String::new())
}
