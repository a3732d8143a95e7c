//! `tidegate zones explain`.

use std::process::ExitCode;

use anyhow::Context;
use config::{ClientFacts, Listener};

use super::{Output, ZonesCommand};

pub(super) fn explain(what: ZonesCommand) -> anyhow::Result<ExitCode> {
    let ZonesCommand::Explain { client_id, ip, rack, listener, config, output } = what;
    let config = super::load(&config)?;
    let door = door(&config.listeners, listener.as_deref())?;
    let facts = ClientFacts {
        listener_zone: door.zone.as_ref(),
        client_id: client_id.as_deref(),
        ip,
        rack: rack.as_deref(),
        gateway_zone: &config.gateway.zone,
    };
    let (zone, rule) = config.zones.client_zone(&facts);
    match output {
        Output::Json => super::print(&serde_json::to_string_pretty(
            &serde_json::json!({"zone": zone.to_string(), "rule": rule.to_string(), "listener": door.name}),
        )?)?,
        Output::Table => super::print(&format!("zone {zone}, by rule `{rule}` (listener `{}`)", door.name))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn door<'a>(listeners: &'a [Listener], name: Option<&str>) -> anyhow::Result<&'a Listener> {
    let Some(name) = name else { return listeners.first().context("the file has no listener") };
    let names = || listeners.iter().map(|l| l.name.as_str()).collect::<Vec<_>>().join(", ");
    listeners
        .iter()
        .find(|l| l.name == name)
        .with_context(|| format!("no listener `{name}`; there are: {}", names()))
}
