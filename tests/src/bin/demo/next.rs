//! Where to look next.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use tidegate_tests::{cache, gateway};

use super::places::{self, Place};

/// What to do with brokers and gateways that stay up.
pub(crate) fn kept(places: &[Place], folder: &Path) -> Result<String> {
    let binary = places::from_here(&gateway::binary_path()?);
    let mut text = String::from("Everything is still up:\n");
    for Place { zone, broker, gateway, admin, .. } in places {
        let _ = writeln!(
            text,
            "  {zone}  broker {broker}  gateway {gateway}  http://{admin}/status  http://{admin}/metrics"
        );
    }
    let Some(first) = places.first() else { return Ok(text) };
    let jars = cache::dir().join(format!("kafka-{}/lib/*", tidegate_tests::Version::Newest.number()));
    let _ = write!(
        text,
        "\nLook\n  {binary} status --admin http://{}\n  {binary} check --connect -c {}\n\
         Read, as a client of {} would\n  java -cp '{}' org.apache.kafka.tools.consumer.ConsoleConsumer \
         --bootstrap-server {} --topic through --from-beginning --formatter-property print.key=true --max-messages 5\n\
         Stop it\n  kill $(cat {})",
        first.admin,
        config(folder, first),
        first.zone,
        jars.display(),
        first.gateway,
        places::from_here(&places::pid_file(folder)),
    );
    Ok(text)
}

/// What is left of brokers and gateways that are gone.
pub(crate) fn gone(places: &[Place], folder: &Path) -> String {
    let configs: Vec<_> = places.iter().map(|place| config(folder, place)).collect();
    format!(
        "Brokers and gateways are gone again. The gateways' configuration files stay:\n  {}\n\
         make demo KEEP=1 leaves everything up, with /status and /metrics of every gateway to look at.",
        configs.join("  ")
    )
}

fn config(folder: &Path, place: &Place) -> String {
    places::from_here(&places::config_file(folder, &place.zone))
}
