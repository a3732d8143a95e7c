//! Where to look next.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use tidegate_tests::s3::{ACCESS_KEY, SECRET_KEY};
use tidegate_tests::{Version, cache, gateway};

use super::history::TOPIC;
use super::places::{self, Place};

/// What to do with brokers and gateways that stay up.
pub(crate) fn kept(places: &[Place], folder: &Path) -> Result<String> {
    let binary = places::from_here(&gateway::binary_path()?);
    let mut text =
        format!("Still up:\n  {:<6}{:<17}{:<17}admin, also /metrics\n", "zone", "broker", "gateway");
    for Place { zone, broker, gateway, admin, .. } in places {
        let _ = writeln!(text, "  {zone:<6}{broker:<17}{gateway:<17}http://{admin}/status");
    }
    let Some(first) = places.first() else { return Ok(text) };
    let jars = cache::dir().join(format!("kafka-{}/lib/*", Version::Newest.number()));
    let (zone, server, admin, config) = (&first.zone, &first.gateway, &first.admin, config(folder, first));
    let _ = write!(
        text,
        "\nWhat a gateway sees and does, and what its file means:\n\
         \x20 {binary} status --admin http://{admin}\n\
         \x20 {binary} check --connect -c {config}\n\
         Kafka's own consumer, through the gateway of {zone}:\n\
         \x20 java -cp '{}' \\\n\
         \x20   org.apache.kafka.tools.consumer.ConsoleConsumer \\\n\
         \x20   --bootstrap-server {server} --topic through --from-beginning --max-messages 5\n\
         History in the bucket, and whether all of it is sound:\n\
         \x20 export AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY}\n\
         \x20 {binary} tier ls -c {config}\n\
         \x20 {binary} tier verify {TOPIC} -c {config}\n\
         To end it all:\n\
         \x20 kill $(cat {})",
        jars.display(),
        places::from_here(&places::pid_file(folder)),
    );
    Ok(text)
}

/// What is left of brokers and gateways that are gone.
pub(crate) fn gone(places: &[Place], folder: &Path) -> String {
    let zones: Vec<_> = places.iter().map(|place| place.zone.as_str()).collect();
    format!(
        "Everything is stopped again. Where to look next:\n\
         \x20 the gateways' configuration: {}/{{{}}}.yaml\n\
         \x20 all of it up, with /status, /metrics and `tidegate tier ls`: make demo KEEP=1\n\
         \x20 more history: make demo HISTORY=2GiB",
        places::from_here(folder),
        zones.join(","),
    )
}

fn config(folder: &Path, place: &Place) -> String {
    places::from_here(&places::config_file(folder, &place.zone))
}
