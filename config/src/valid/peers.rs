//! The fleet against this gateway, its listeners, and itself.

use std::collections::HashMap;

use super::fleet::{Fleet, Member, member_path};
use super::gateway::Gateway;
use super::listeners::Listener;
use crate::check::Check;
use crate::{Advertise, BrokerEndpoints, HostPort, nearest};

pub(crate) fn check(
    gateway: Option<&Gateway>,
    listeners: &[(String, Listener)],
    fleet: &Fleet,
    listeners_typed: usize,
    check: &mut Check<'_>,
) {
    check_ids(gateway, &fleet.members, check);
    // Without listeners, or with one that is wrong by itself, the names aren't all known.
    if !listeners.is_empty() && listeners.len() == listeners_typed {
        check_listener_names(listeners, &fleet.members, check);
    }
    check_addresses(listeners, &fleet.members, check);
    check_admin_addresses(&fleet.members, check);
}

fn check_ids(gateway: Option<&Gateway>, members: &[Member], check: &mut Check<'_>) {
    let mut first_of: HashMap<&str, usize> = HashMap::new();
    for (n, member) in members.iter().enumerate() {
        let id = format!("{}.id", member_path(n));
        if gateway.is_some_and(|g| g.id == member.id) {
            check.wrong(
                &id,
                format!("`{}` is this gateway itself", member.id),
                "list only the other gateways, or change gateway.id",
            );
        }
        let first = *first_of.entry(&member.id).or_insert(n);
        if first != n {
            check_same_gateway(n, first, members, check);
        }
    }
}

/// One gateway may stand here once per listener, and must then be the same gateway.
fn check_same_gateway(n: usize, first: usize, members: &[Member], check: &mut Check<'_>) {
    let (path, member, other) = (member_path(n), &members[n], &members[first]);
    let same_listener = |m: &Member| m.id == member.id && m.listener == member.listener;
    if let Some(twin) = members[..n].iter().position(same_listener) {
        let reason = format!("`{}` is the id of {} too", member.id, member_path(twin));
        check.wrong(
            &format!("{path}.id"),
            reason,
            "give each gateway an id of its own, or name another listener of it",
        );
    }
    if member.zone != other.zone {
        let reason = format!("{} is in {} by {}", member.id, other.zone, member_path(first));
        check.wrong(&format!("{path}.zone"), reason, "a gateway is in one zone");
    }
}

/// A client of a listener here may be sent to the member's: it must exist, and speak TLS where the member does.
fn check_listener_names(listeners: &[(String, Listener)], members: &[Member], check: &mut Check<'_>) {
    let names: Vec<&str> = listeners.iter().map(|(_, l)| l.name.as_str()).collect();
    for (n, member) in members.iter().enumerate() {
        let path = member_path(n);
        let Some((at, own)) = listeners.iter().find(|(_, l)| l.name == member.listener) else {
            let reason = format!("`{}` is not a listener of this file", member.listener);
            check.wrong(&format!("{path}.listener"), reason, nearest::advice(&member.listener, &names));
            continue;
        };
        if matches!(member.brokers, BrokerEndpoints::Sni { .. }) && own.tls.is_none() {
            let reason = format!("needs TLS on {at}, whose clients are sent here");
            check.wrong(
                &format!("{path}.brokers.sni"),
                reason,
                "write tls: {cert: .., key: ..} there, or use ports here",
            );
        }
    }
}

/// What clients are told of one gateway must not lead to another.
fn check_addresses(listeners: &[(String, Listener)], members: &[Member], check: &mut Check<'_>) {
    let own = listeners.iter().map(|(at, l)| (at.clone(), &l.advertise, &l.brokers));
    let theirs = members.iter().enumerate().map(|(n, m)| (member_path(n), &m.advertise, &m.brokers));
    let told: Vec<(String, &Advertise, &BrokerEndpoints)> = own.chain(theirs).collect();
    for (n, (path, advertise, brokers)) in told.iter().enumerate() {
        let same = told[..n].iter().find(|(_, a, b)| collide((advertise, brokers), (a, b)));
        if let Some((other, _, _)) = same {
            let reason = format!("tells clients the same addresses as {other}");
            check.wrong(&format!("{path}.brokers"), reason, "give each its own advertise, ports or sni");
        }
    }
}

/// Two gateways behind one admin address would always be as healthy as each other.
fn check_admin_addresses(members: &[Member], check: &mut Check<'_>) {
    let mut first_at: HashMap<&HostPort, usize> = HashMap::new();
    for (n, member) in members.iter().enumerate() {
        let first = *first_at.entry(&member.admin).or_insert(n);
        if members[first].id != member.id {
            let reason = format!("{} is the admin address of {} too", member.admin, member_path(first));
            check.wrong(
                &format!("{}.admin", member_path(n)),
                reason,
                "write where this gateway's own admin port is reached",
            );
        }
    }
}

fn collide((a_told, a): (&Advertise, &BrokerEndpoints), (b_told, b): (&Advertise, &BrokerEndpoints)) -> bool {
    match (a, b) {
        (BrokerEndpoints::Sni { pattern: a }, BrokerEndpoints::Sni { pattern: b }) => {
            a.eq_ignore_ascii_case(b) && a_told.port == b_told.port
        }
        _ => match (a.port_range(), b.port_range()) {
            (Some(a), Some(b)) => a_told.host.eq_ignore_ascii_case(&b_told.host) && a.0 <= b.1 && b.0 <= a.1,
            _ => false,
        },
    }
}
