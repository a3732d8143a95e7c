//! `tidegate check --connect`: may the gateway's own principal do what the gateway does, and do rules name hosts?
//!
//! A gateway without a right still relays: each client comes with its own name. What it can't do by its own is what
//! the findings say, so they are warnings.

use std::collections::BTreeSet;

use config::{Auth, Config};
use kafka::client::Connection;
use kafka::client::metadata::{Cluster, MetadataError, Topic, Topics};
use kafka::client::rights::{self, Acl, AclsError, Operation, Resource};
use kafka::code::Code;
use tidegate_proxy::tier::assign::rule_of;

use super::check::Finding;
use super::connect::finding;

/// How many names a finding lists; further ones are counted.
const NAMED_MAX: usize = 5;
/// A topic that nobody has: brokers say of it whether its rights come from a rule about all topics.
const NO_TOPIC: &str = "tidegate-check-asks-for-no-topic";
/// Topics that only brokers read (`org.apache.kafka.common.internals.Topic`).
const INTERNAL: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// What the gateway is called, and where it asks.
struct Who {
    principal: String,
    server: String,
}

/// What is found when a broker is asked.
pub(super) async fn look(config: &Config, connection: &mut Connection) -> Vec<Finding> {
    let server = config.cluster.bootstrap.first().map(ToString::to_string).unwrap_or_default();
    let who = Who { principal: principal(config), server };
    let acls = rights::acls(connection).await;
    let mut found = Vec::new();
    match topics(connection, acls.as_ref().ok().and_then(Option::as_deref)).await {
        Ok((seen, asked)) => {
            found.extend(who.describe(&asked));
            found.extend(who.read(&seen));
            found.extend(who.tier(config, &seen));
        }
        Err(e) => found.push(warn(
            format!("what {} may do with topics could not be looked at: {e}", who.principal),
            "grant Describe and Read on topics, and look at a broker of Kafka 2.3 or newer".to_owned(),
        )),
    }
    match acls {
        Ok(acls) => found.extend(hosts(acls.as_deref().unwrap_or_default())),
        Err(e) => found.push(who.blind(&e)),
    }
    found
}

/// Every topic that is shown, and what is said of those that are not: rules name them, or nobody has them.
async fn topics(
    connection: &mut Connection,
    acls: Option<&[Acl]>,
) -> Result<(Cluster, Vec<Topic>), MetadataError> {
    let seen = rights::topics(connection, Topics::All).await?;
    let shown: BTreeSet<_> = seen.topics.iter().map(|t| t.name.as_str()).collect();
    let literal = |a: &&Acl| a.resource == Resource::Topic && a.literal && a.name != "*";
    let named = acls.unwrap_or_default().iter().filter(literal).map(|a| a.name.as_str());
    let unseen: BTreeSet<_> = named.filter(|name| !shown.contains(name)).chain([NO_TOPIC]).collect();
    let names: Vec<_> = unseen.into_iter().map(str::to_owned).collect();
    let asked = rights::topics(connection, Topics::Names(&names)).await?.topics;
    Ok((seen, asked))
}

/// The name brokers know the gateway by, as far as the file tells.
fn principal(config: &Config) -> String {
    match &config.cluster.auth {
        Some(Auth::Plain { username, .. } | Auth::Scram { username, .. }) => format!("User:{username}"),
        Some(Auth::OauthBearer { .. }) => "User:SUBJECT-OF-THE-TOKEN".to_owned(),
        None if config.cluster.tls.as_ref().is_some_and(|t| t.cert.is_some()) => {
            "User:NAME-IN-THE-CERTIFICATE".to_owned()
        }
        None => "User:ANONYMOUS".to_owned(),
    }
}

fn warn(reason: String, remedy: String) -> Finding {
    finding("warning", "rights", reason, &remedy)
}

impl Who {
    /// The command that grants it.
    fn grant(&self, operation: &str, resource: &str) -> String {
        let Self { principal, server } = self;
        format!(
            "kafka-acls.sh --bootstrap-server {server} --command-config admin.properties --add \
             --allow-principal '{principal}' --operation {operation} {resource}"
        )
    }

    /// Topics that the gateway can't see are not steered.
    fn describe(&self, asked: &[Topic]) -> Option<Finding> {
        let refused: Vec<_> = asked.iter().filter(|t| t.error == Code::TOPIC_AUTHORIZATION_FAILED).collect();
        let named: Vec<_> =
            refused.iter().map(|t| t.name.as_str()).filter(|name| *name != NO_TOPIC).collect();
        let (which, grant) = match (named.is_empty(), refused.is_empty()) {
            (_, true) => return None,
            (true, false) => ("topics that no rule names for it".to_owned(), "--topic '*'".to_owned()),
            (false, false) => (list(&named), resources(&named)),
        };
        Some(warn(
            format!(
                "{} may not Describe {which}: their consumers are not steered to the replica in their zone",
                self.principal
            ),
            format!("if the gateway shall serve them: {}", self.grant("Read", &grant)),
        ))
    }

    /// Topics that the gateway sees and can't read are steered by hints only.
    fn read(&self, seen: &Cluster) -> Option<Finding> {
        let refused = |t: &&Topic| t.rights.is_some_and(|r| !r.allow(Operation::Read));
        let ours = seen.topics.iter().filter(|t| !INTERNAL.contains(&t.name.as_str()));
        let unread: Vec<_> = ours.filter(refused).map(|t| t.name.as_str()).collect();
        if unread.is_empty() {
            return None;
        }
        Some(warn(
            format!(
                "{} may not Read {}: consumers that can't follow to a replica, or whose broker is down, are not served \
                 from the one in their zone",
                self.principal,
                list(&unread)
            ),
            self.grant("Read", &resources(&unread)),
        ))
    }

    /// Topics that a rule of `tiering` names and that can't be moved, or not be trimmed.
    fn tier(&self, config: &Config, seen: &Cluster) -> Vec<Finding> {
        let Some(tiering) = &config.tiering else { return Vec::new() };
        let needs = [
            (
                Operation::DescribeConfigs,
                "DescribeConfigs",
                "not tiered: whether they are compacted can't be seen",
                false,
            ),
            (Operation::Delete, "Delete", "not trimmed: brokers keep what the tier holds", true),
        ];
        let mut found = Vec::new();
        for (operation, name, so, only_trimmed) in needs {
            let rule = |t: &&Topic| rule_of(tiering, &t.name).is_some_and(|r| r.trim || !only_trimmed);
            let refused = |t: &&Topic| t.rights.is_some_and(|r| !r.allow(operation));
            let without: Vec<_> =
                seen.topics.iter().filter(rule).filter(refused).map(|t| t.name.as_str()).collect();
            if !without.is_empty() {
                let reason = format!("{} may not {name} {}: they are {so}", self.principal, list(&without));
                found.push(warn(reason, self.grant(name, &resources(&without))));
            }
        }
        found
    }

    /// Rules that could not be looked at.
    fn blind(&self, error: &AclsError) -> Finding {
        let reason = format!(
            "the cluster's ACLs could not be looked at ({error}): whether some name hosts, which the gateway's address \
             takes the place of, is not known"
        );
        warn(reason, self.grant("Describe", "--cluster"))
    }
}

/// Brokers see the gateway's address where they saw the client's.
fn hosts(acls: &[Acl]) -> Option<Finding> {
    let bound: Vec<_> = acls.iter().filter(|a| a.host != "*").collect();
    let deny = if bound.iter().any(|a| !a.allows) { ", and what is denied to a host is not" } else { "" };
    let shown = bound.iter().map(|a| format!("{} at {} on {}", a.principal, a.host, a.name));
    let shown: Vec<_> = shown.collect::<BTreeSet<_>>().into_iter().collect();
    (!bound.is_empty()).then(|| {
        let shown: Vec<_> = shown.iter().map(String::as_str).collect();
        warn(
            format!(
                "ACLs name hosts, and brokers see the gateway's address in place of the client's, so what is allowed to a \
                 host is refused{deny}: {}",
                list(&shown)
            ),
            "allow the gateways' addresses as well, or name principals alone".to_owned(),
        )
    })
}

/// The first few names, and how many more there are.
fn list(names: &[&str]) -> String {
    let (first, rest) = names.split_at(names.len().min(NAMED_MAX));
    match rest.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// The arguments that name these topics to kafka-acls.sh; all topics, where they are many.
fn resources(names: &[&str]) -> String {
    match names.len() <= NAMED_MAX {
        true => names.iter().map(|n| format!("--topic '{n}'")).collect::<Vec<_>>().join(" "),
        false => "--topic '*'".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_topics_are_named_and_many_are_counted() {
        let names: Vec<_> = (0..8).map(|n| format!("t{n}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert_eq!(
            (list(&names[..2]), resources(&names[..2])),
            ("t0, t1".into(), "--topic 't0' --topic 't1'".into())
        );
        assert_eq!(
            (list(&names), resources(&names)),
            ("t0, t1, t2, t3, t4 and 3 more".into(), "--topic '*'".into())
        );
    }

    #[test]
    fn rules_without_hosts_are_no_finding() {
        let acl = |host: &str, allows| Acl {
            resource: Resource::Topic,
            name: "orders".into(),
            literal: true,
            principal: "User:alice".into(),
            host: host.into(),
            allows,
        };
        assert!(hosts(&[acl("*", true), acl("*", false)]).is_none());
        let allowed = hosts(&[acl("*", true), acl("10.0.0.5", true)]).expect("a finding").reason;
        assert!(allowed.ends_with("is refused: User:alice at 10.0.0.5 on orders"), "{allowed}");
        let denied = hosts(&[acl("10.0.0.5", false)]).expect("a finding").reason;
        assert!(denied.contains("what is denied to a host is not"), "{denied}");
    }
}
