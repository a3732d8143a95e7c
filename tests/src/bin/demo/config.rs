//! The configuration of one gateway of the demo, as a newcomer would write it.

use std::fmt::Write as _;

use tidegate_tests::gateway::Site;

use super::bucket::Bucket;
use super::history::TOPIC;

/// The file of `site`, one of `all`, in front of the brokers at `bootstrap`.
pub(crate) fn yaml(site: &Site, all: &[Site], bootstrap: &str, bucket: &Bucket) -> String {
    let Site { id, zone, host, bootstrap: port, admin, .. } = site;
    let mut text = format!(
        "# The gateway of zone {zone} in `make demo`; one like it runs in every zone.

gateway:
  id: {id}
  zone: {zone}
  admin: {host}:{admin}  # /metrics, /status, /readyz, /healthz

cluster:  # the brokers as they are: no plugin and no setting for Tidegate
  bootstrap: [{}]

listeners:
  - name: clients
    bind: {host}:{port}  # what clients in {zone} have as bootstrap.servers
    advertise: {host}
    brokers: {}

fleet:  # the gateways of the other zones
  members:
",
        bootstrap.replace(',', ", "),
        broker_ports(site),
    );
    for Site { id, zone, host, admin, .. } in all.iter().filter(|s| s.id != site.id) {
        let brokers = broker_ports(site);
        let _ = writeln!(
            text,
            "    - id: {id}\n      zone: {zone}\n      listener: clients\n      advertise: {host}\n      \
             brokers: {brokers}\n      admin: {host}:{admin}",
        );
    }
    text + &tier(bucket)
}

fn tier(bucket: &Bucket) -> String {
    let Bucket { endpoint, name, region } = bucket;
    format!(
        "
store:  # who may: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or any other way that AWS's tools know
  s3: {{bucket: {name}, region: {region}, endpoint: \"{endpoint}\", path_style: true}}

tiering:
  topics:
    - match: {TOPIC}
      hot: {{time: 1s}}  # hours in earnest: what stays on the brokers
      trim: true  # brokers drop the rest once it is in the store
  segment: {{bytes: 16MiB, age: 2s}}  # 256MiB and 10m unless said otherwise
"
    )
}

fn broker_ports(site: &Site) -> String {
    let last = site.first_broker_port + site.brokers.len() as u16 - 1;
    format!("{{ids: {:?}, ports: {}-{last}}}", site.brokers, site.first_broker_port)
}
