//! Where `tier restore` writes to: a directory, or a running cluster.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use config::{HostPort, Tiering};
use kafka::client::log::LogError;
use kafka::client::metadata::{self, Cluster, Topics};
use kafka::client::topics::{self, NewTopic};
use kafka::client::{Bootstrap, Connection, Dialer, Security, markers};
use kafka::code::Code;

const SCHEME: &str = "kafka://";
/// How long a broker may take to answer: it waits for its followers.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const WAIT_MS: i32 = 20_000;
/// How often, and how long after each other, it is tried again to give the topic its own settings.
const SETTLE_TRIES: usize = 10;
const SETTLE_PAUSE: Duration = Duration::from_secs(2);
/// Kafka's own default for `max.message.bytes`.
const MESSAGE_BYTES: usize = 1_048_588;
/// Times of long ago and of tomorrow are taken as they are; the names before and since Kafka 3.6.
const ANY_TIME: [&str; 2] = ["message.timestamp.after.max.ms", "message.timestamp.difference.max.ms"];

/// Where to.
pub(super) enum To {
    /// A directory.
    Dir(PathBuf),
    /// A running cluster.
    Cluster(Box<Destination>),
}

/// A running cluster.
pub(super) struct Destination {
    /// Its servers.
    pub(super) bootstrap: Bootstrap,
    /// What its own gateways tier, if a file says so.
    tiering: Option<Tiering>,
}

/// The topic to make there.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) partitions: i32,
    pub(super) replication: Option<i16>,
    /// The largest batch, bytes.
    pub(super) largest: usize,
}

impl To {
    /// Reads what stands behind `--to`.
    pub(super) fn of(text: &str) -> anyhow::Result<Self> {
        if let Some(servers) = text.strip_prefix(SCHEME) {
            let servers: Option<Vec<_>> = servers.split(',').map(HostPort::parse).collect();
            let servers = servers.with_context(|| format!("{text}: write {SCHEME}HOST:PORT,HOST:PORT"))?;
            return Ok(Self::Cluster(Box::new(Destination::plain(&servers))));
        }
        match Path::new(text).is_file() {
            true => Ok(Self::Cluster(Box::new(Destination::of_file(Path::new(text))?))),
            false => Ok(Self::Dir(PathBuf::from(text))),
        }
    }
}

impl Destination {
    fn plain(servers: &[HostPort]) -> Self {
        let dialer = Dialer {
            security: Security::default(),
            client_id: "tidegate-restore".to_owned(),
            connect_timeout: CONNECT_TIMEOUT,
            call_timeout: CALL_TIMEOUT,
        };
        Self { bootstrap: Bootstrap::new(dialer, pairs(servers)), tiering: None }
    }

    fn of_file(path: &Path) -> anyhow::Result<Self> {
        let config = crate::cli::load(path)?;
        let dialer = tidegate_proxy::app::dialer(&config)?;
        let dialer = Dialer { call_timeout: CALL_TIMEOUT, ..dialer };
        let bootstrap = Bootstrap::new(dialer, pairs(&config.cluster.bootstrap));
        Ok(Self { bootstrap, tiering: config.tiering })
    }

    /// The cluster, which must not have the topic, and no gateway that would move it at once.
    ///
    /// # Errors
    /// It is not there, or not fit.
    pub(super) async fn look(
        &self,
        name: &str,
        home: (&str, Option<&Tiering>),
    ) -> anyhow::Result<(Connection, Cluster)> {
        let mut connection = self.bootstrap.any(&[]).await?;
        let cluster = metadata::fetch(&mut connection, Topics::Names(&[name.to_owned()])).await?;
        match cluster.topics.first().map(|t| t.error) {
            Some(Code::UNKNOWN_TOPIC_OR_PARTITION) | None => {}
            Some(Code::NONE) => bail!(
                "topic {name} exists in that cluster: a restore makes its topic itself; delete it, or give another name with --as"
            ),
            Some(code) => bail!("topic {name}: the cluster says {code}"),
        }
        // A gateway of that cluster would begin to move the half-made topic.
        let at_home = cluster.id.as_deref() == Some(home.0);
        let rules = self.tiering.iter().chain(home.1.filter(|_| at_home)).flat_map(|t| &t.topics);
        if let Some(rule) = rules.into_iter().find(|rule| rule.matches(name)) {
            bail!(
                "the rule `match: {}` under tiering.topics of that cluster's gateways fits {name}, and they would move it while it is written: \
                 give another name with --as, or take the rule out until it is done",
                rule.pattern
            );
        }
        Ok((connection, cluster))
    }

    /// Makes the topic, with settings under which nothing is changed or dropped.
    ///
    /// # Errors
    /// The cluster refuses.
    pub(super) async fn make(&self, cluster: &Cluster, wanted: &Wanted<'_>) -> anyhow::Result<()> {
        // With ZooKeeper only the controller does it; under KRaft any broker passes it on.
        let controller = cluster.brokers.iter().find(|b| Some(b.id) == cluster.controller);
        let mut connection = match controller {
            Some(b) => Connection::connect(&self.bootstrap.dialer, &b.host, b.port).await?,
            None => self.bootstrap.any(&[]).await?,
        };
        let mut made = Err(LogError::Missing("CreateTopics"));
        for any_time in ANY_TIME {
            let configs = settings(any_time, wanted.largest);
            let Wanted { name, partitions, replication, .. } = *wanted;
            let topic = NewTopic { name, partitions, replication, configs: &configs };
            made = topics::create_topic(&mut connection, topic, WAIT_MS).await;
            if made.as_ref().err().and_then(LogError::code) != Some(Code::INVALID_CONFIG) {
                break;
            }
        }
        made.with_context(|| format!("topic {} could not be made", wanted.name))
    }

    /// Gives the topic its own settings: back to the cluster's, but for those that are said, and for its retention: what was just brought back would be
    /// the first to be dropped.
    ///
    /// # Errors
    /// The cluster refuses.
    pub(super) async fn settle(&self, name: &str, said: &[(String, String)]) -> anyhow::Result<()> {
        let mut settled = self.settle_once(name, said).await;
        // All is there by now: a broker that is just restarted is no reason to begin anew.
        for _ in 0..SETTLE_TRIES {
            if settled.is_ok() {
                break;
            }
            tokio::time::sleep(SETTLE_PAUSE).await;
            settled = self.settle_once(name, said).await;
        }
        settled
    }

    async fn settle_once(&self, name: &str, said: &[(String, String)]) -> anyhow::Result<()> {
        let mut connection = self.bootstrap.any(&[]).await?;
        let known = kafka::client::log::topic_config(&mut connection, name, &ANY_TIME).await?;
        let passing = ["compression.type", "message.timestamp.type", "segment.ms", "max.message.bytes"];
        let any_time = ANY_TIME.into_iter().filter(|name| known.iter().any(|(known, _)| known == name));
        let is_said = |name: &&str| said.iter().any(|(said, _)| said == name);
        let back = passing.into_iter().chain(any_time).filter(|name| !is_said(name)).map(|name| (name, None));
        let all: Vec<_> =
            back.chain(said.iter().map(|(name, value)| (name.as_str(), Some(value.as_str())))).collect();
        Ok(topics::alter_topic(&mut connection, name, &all).await?)
    }
}

/// Markers fill the offsets of markers and of aborted transactions, and a right is needed for them.
///
/// # Errors
/// It is lacking.
pub(super) async fn may_mark(connection: &mut Connection, name: &str) -> anyhow::Result<()> {
    let asked = markers::may_write(connection, name).await;
    ensure!(
        asked.as_ref().err().and_then(LogError::code) != Some(Code::CLUSTER_AUTHORIZATION_FAILED),
        "the topic has offsets without a record (transactions' markers, what they aborted, gaps), which have to be filled with markers, and that takes the right \
         Alter on the cluster: grant it for the restore, or restore with --to DIR"
    );
    Ok(asked?)
}

fn settings(any_time: &str, largest: usize) -> Vec<(String, String)> {
    let max = i64::MAX.to_string();
    let largest = largest.max(MESSAGE_BYTES).to_string();
    let all = [
        ("cleanup.policy", "delete"),
        ("compression.type", "producer"),
        ("message.timestamp.type", "CreateTime"),
        ("retention.ms", "-1"),
        ("retention.bytes", "-1"),
        // Markers are of today and data is of long ago: that is no reason to begin a new segment.
        ("segment.ms", &max),
        ("max.message.bytes", &largest),
        (any_time, &max),
    ];
    all.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

fn pairs(servers: &[HostPort]) -> Vec<(String, u16)> {
    servers.iter().map(|s| (s.host.clone(), s.port)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_is_a_cluster_a_file_is_its_configuration_and_all_else_a_directory() {
        let To::Cluster(cluster) = To::of("kafka://a:1,b:2").unwrap() else { panic!("a cluster") };
        assert_eq!(cluster.bootstrap.servers, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
        assert!(matches!(To::of("/nowhere/out").unwrap(), To::Dir(_)));
        assert!(To::of("kafka://a").is_err(), "no port");
        assert!(To::of("kafka://").is_err());
    }
}
