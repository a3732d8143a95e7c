//! Kafka's own command line tools say the same, directly and through the gateway.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use serde_json::json;
use tidegate_tests::tool::{Ran, Tool};
use tidegate_tests::{Cluster, Fleet, Java};

/// Class and arguments; `@` stands for the bootstrap address.
const TOOLS: [&str; 16] = [
    "org.apache.kafka.tools.TopicCommand --bootstrap-server @ --describe",
    "org.apache.kafka.tools.TopicCommand --bootstrap-server @ --create --topic t",
    "kafka.admin.ConfigCommand --bootstrap-server @ --describe --entity-type topics --entity-name t --all",
    "kafka.admin.ConfigCommand --bootstrap-server @ --describe --entity-type brokers --entity-name 1",
    "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand --bootstrap-server @ --describe --group g",
    "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand --bootstrap-server @ --describe --group g --state",
    "org.apache.kafka.tools.GetOffsetShell --bootstrap-server @ --topic t",
    "org.apache.kafka.tools.BrokerApiVersionsCommand --bootstrap-server @",
    "org.apache.kafka.tools.LogDirsCommand --bootstrap-server @ --describe --topic-list t",
    "org.apache.kafka.tools.reassign.ReassignPartitionsCommand --bootstrap-server @ --list",
    "org.apache.kafka.tools.LeaderElectionCommand --bootstrap-server @ --election-type PREFERRED --topic t --partition 0",
    "org.apache.kafka.tools.FeatureCommand --bootstrap-server @ describe",
    "org.apache.kafka.tools.ClusterTool cluster-id --bootstrap-server @",
    "org.apache.kafka.tools.AclCommand --bootstrap-server @ --list",
    "org.apache.kafka.tools.TransactionsCommand --bootstrap-server @ list",
    "org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server @ --topic t --partition 0 --offset earliest --max-messages 5",
];

/// Prints what each broker says as soon as it says it.
const ANY_ORDER: &str = "BrokerApiVersionsCommand";

fn sorted(mut ran: Ran) -> Ran {
    let mut lines: Vec<_> = ran.out.lines().collect();
    lines.sort_unstable();
    ran.out = lines.join("\n");
    ran
}

fn run(cluster: &Cluster, tool: &str, address: &str) -> Tool {
    let words: Vec<&str> = tool.split(' ').map(|w| if w == "@" { address } else { w }).collect();
    Tool::start(cluster.dist(), words[0], &words[1..]).unwrap()
}

/// A line without the time that some tools' log lines start with, and without the metadata's epoch, which grows with
/// every record that the controllers write.
fn timeless(line: &str) -> &str {
    let line = line.split_once("Epoch: ").map_or(line, |(before, _)| before);
    match line.split_once(' ') {
        Some((first, rest)) if first.starts_with("20") && first.ends_with('Z') => rest,
        _ => line,
    }
}

/// What a tool said, with the brokers' addresses in place of the gateway's.
fn put_back(ran: Ran, cluster: &Cluster, fleet: &Fleet) -> Ran {
    let site = &fleet.sites()[0];
    let text = |text: String| {
        let text = text.lines().map(timeless).collect::<Vec<_>>().join("\n");
        let text = text.replace(&site.address(), &cluster.brokers()[0].address());
        cluster.brokers().iter().fold(text, |text, broker| {
            text.replace(&site.broker_address(broker.id()).unwrap(), &broker.address())
        })
    };
    Ran { code: ran.code, out: text(ran.out), err: text(ran.err) }
}

#[test]
fn the_command_line_tools_say_the_same_directly_and_through_the_gateway() {
    let cluster = Cluster::builder().brokers(2).racks(["az1", "az2"]).start().unwrap();
    let fleet = Fleet::single(&cluster).unwrap();
    let java = Java::resident().unwrap();
    let admin = java.admin(&cluster.bootstrap());
    admin.create_topic_with(json!({"topic": "t", "assignment": [[1, 2], [2, 1]]})).unwrap();
    let producer = java.producer(json!({"bootstrap.servers": cluster.bootstrap()})).unwrap();
    for partition in 0..2 {
        producer.send(json!({"topic": "t", "partition": partition, "count": 5})).unwrap();
    }
    let props =
        json!({"bootstrap.servers": cluster.bootstrap(), "group.id": "g", "auto.offset.reset": "earliest"});
    let reader = java.subscribe(props, &["t"]).unwrap();
    reader.records(10, Duration::from_secs(60)).unwrap();
    reader.commit().unwrap();

    let mut spoke = 0;
    for tool in TOOLS {
        let (direct, through) = (
            run(&cluster, tool, &cluster.brokers()[0].address()),
            run(&cluster, tool, &fleet.sites()[0].address()),
        );
        let (direct, through) = (direct.wait().unwrap(), through.wait().unwrap());
        let (direct, through) = (put_back(direct, &cluster, &fleet), put_back(through, &cluster, &fleet));
        let in_order = |ran: Ran| if tool.contains(ANY_ORDER) { sorted(ran) } else { ran };
        let (direct, through) = (in_order(direct), in_order(through));
        assert_eq!(direct, through, "{tool}");
        spoke += usize::from(direct.code == Some(0) && !direct.out.trim().is_empty());
    }
    assert!(spoke >= 13, "only {spoke} tools had something to say");
    reader.close().unwrap();
}
