//! A client's own admin API.

use anyhow::ensure;

use super::client::{Client, each};
use super::doors::Door;
use super::stage::{LIMIT, Stage};
use super::verdict::{Lacking, Verdict};
use crate::clients::{Administering, Outcome, Step};

/// Every call that the client has does what it says, and so says the cluster.
pub(super) fn calls(stage: &Stage, clients: &[Client]) -> Vec<Verdict> {
    each(clients, |client| {
        let task = Administering {
            bootstrap: stage.bootstrap(client.zone, Door::Scram),
            topic: format!("administered-{}", client.driver),
            replication: 3,
            security: stage.security(Door::Scram),
        };
        let steps = client.driver.administer(&task, LIMIT)?;
        let named = |outcome: fn(&Outcome) -> bool| -> Vec<String> {
            steps.iter().filter(|step| outcome(&step.outcome)).map(Step::to_string).collect()
        };
        let failed = named(|outcome| matches!(outcome, Outcome::Failed(_)));
        ensure!(failed.is_empty(), "{}", failed.join("; "));
        let lacks = named(|outcome| *outcome == Outcome::Unsupported);
        if lacks.len() == steps.len() {
            return Err(Lacking::new("an admin API").into());
        }
        Ok(lacks.join(", "))
    })
}
