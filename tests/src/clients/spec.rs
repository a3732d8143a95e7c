//! What a consumer or a producer is asked to do, and the command line that says so.

use serde_json::{Value, json};

use super::args::Args;
use super::security::Security;

/// Where a reader without a committed offset starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the log start.
    Earliest,
    /// At the high watermark.
    Latest,
}

impl Start {
    /// The word that most clients have for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Earliest => "earliest",
            Self::Latest => "latest",
        }
    }
}

/// Which records of transactions a reader sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Those of committed transactions.
    Committed,
    /// All of them.
    Uncommitted,
}

impl Isolation {
    /// Kafka's own name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Committed => "read_committed",
            Self::Uncommitted => "read_uncommitted",
        }
    }
}

/// Who shares a topic out among a group's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupProtocol {
    /// One of its members.
    Classic,
    /// The broker (KIP-848).
    Consumer,
}

impl GroupProtocol {
    /// Kafka's own name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }
}

/// A consumer's task.
#[derive(Clone, Debug)]
pub struct Reading {
    /// `host:port`, several by comma.
    pub bootstrap: String,
    /// The topic.
    pub topic: String,
    /// The group, or none to read `partitions` by assignment.
    pub group: Option<String>,
    /// The partitions to read without a group.
    pub partitions: Vec<i32>,
    /// Where to start; earliest unless said otherwise.
    pub start: Start,
    /// The client's own default if none.
    pub isolation: Option<Isolation>,
    /// The client's own default if none.
    pub protocol: Option<GroupProtocol>,
    /// The client id; the client's own default if none.
    pub client_id: Option<String>,
    /// Whether keys are kept, record by record.
    pub keys: bool,
    /// How it comes in.
    pub security: Security,
    /// Further options under the client's own names.
    pub props: Value,
    /// The network namespace it runs in, if not this process's own.
    pub namespace: Option<String>,
}

impl Reading {
    /// Reads `topic` as a member of `group`, from the earliest offset.
    pub fn group(bootstrap: &str, topic: &str, group: &str) -> Self {
        Self { group: Some(group.to_owned()), ..Self::assign(bootstrap, topic, &[]) }
    }

    /// Reads these partitions without a group, from the earliest offset (kafkajs: all, in a group of its own).
    pub fn assign(bootstrap: &str, topic: &str, partitions: &[i32]) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            topic: topic.to_owned(),
            group: None,
            partitions: partitions.to_vec(),
            start: Start::Earliest,
            isolation: None,
            protocol: None,
            client_id: None,
            keys: false,
            security: Security::default(),
            props: json!({}),
            namespace: None,
        }
    }

    /// Runs it inside a network namespace.
    pub fn inside(mut self, namespace: Option<String>) -> Self {
        self.namespace = namespace;
        self
    }

    /// Sets the client id, where a zone tag may stand (`zone=az2`).
    pub fn client_id(mut self, id: &str) -> Self {
        self.client_id = Some(id.to_owned());
        self
    }

    /// Keeps every record's key.
    pub fn with_keys(mut self) -> Self {
        self.keys = true;
        self
    }

    /// Sets which records of transactions it sees.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = Some(isolation);
        self
    }

    /// Sets the group's protocol.
    pub fn protocol(mut self, protocol: GroupProtocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// Sets how it comes in.
    pub fn security(mut self, security: &Security) -> Self {
        self.security = security.clone();
        self
    }

    pub(super) fn args(&self) -> Vec<String> {
        let mut args = Args::of("consume", &self.bootstrap, &self.topic, &self.security);
        args.add_if("--group", self.group.as_ref());
        args.switch("--assign", self.group.is_none());
        args.partitions(&self.partitions);
        args.add("--from", self.start.name());
        args.add_if("--isolation", self.isolation.map(Isolation::name));
        args.add_if("--group-protocol", self.protocol.map(GroupProtocol::name));
        args.client(self.client_id.as_deref(), &self.props);
        args.switch("--each", self.keys);
        args.0
    }
}

/// When a producer holds a record for written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// All in-sync replicas have it.
    All,
    /// The leader has it.
    Leader,
    /// It was sent; where it stands nobody is told.
    None,
}

impl Acks {
    /// The value of the clients' `acks` option.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Leader => "1",
            Self::None => "0",
        }
    }
}

/// How a producer puts its records into transactions.
#[derive(Clone, Debug)]
pub struct Transactions {
    /// The transactional id.
    pub id: String,
    /// Records of each, over all partitions.
    pub every: u64,
    /// Every how many-th is aborted; 0 none.
    pub abort_every: u64,
}

/// A producer's task: numbered records, to the partitions in turn.
#[derive(Clone, Debug)]
pub struct Writing {
    /// `host:port`, several by comma.
    pub bootstrap: String,
    /// The topic.
    pub topic: String,
    /// The partitions that are written, in turn.
    pub partitions: Vec<i32>,
    /// How many records; 0 until it is stopped.
    pub count: u64,
    /// Bytes of each value.
    pub value_bytes: usize,
    /// Records a second; 0 as fast as it goes.
    pub rate: u32,
    /// When a record counts as written.
    pub acks: Acks,
    /// Whether idempotence is asked for; the client's own default if not.
    pub idempotent: bool,
    /// None: each record for itself.
    pub transactions: Option<Transactions>,
    /// What stands before the number in each key.
    pub key_prefix: String,
    /// The client id; the client's own default if none.
    pub client_id: Option<String>,
    /// Whether keys are kept, record by record.
    pub keys: bool,
    /// How it comes in.
    pub security: Security,
    /// Further options under the client's own names.
    pub props: Value,
}

impl Writing {
    /// `count` records of 100 bytes, acknowledged by all, as fast as it goes.
    pub fn new(bootstrap: &str, topic: &str, partitions: &[i32], count: u64) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            topic: topic.to_owned(),
            partitions: partitions.to_vec(),
            count,
            value_bytes: 100,
            rate: 0,
            acks: Acks::All,
            idempotent: false,
            transactions: None,
            key_prefix: String::new(),
            client_id: None,
            keys: false,
            security: Security::default(),
            props: json!({}),
        }
    }

    /// Sets the records a second.
    pub fn rate(mut self, per_second: u32) -> Self {
        self.rate = per_second;
        self
    }

    /// Sets when a record counts as written.
    pub fn acks(mut self, acks: Acks) -> Self {
        self.acks = acks;
        self
    }

    /// Asks for idempotence.
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Writes in transactions of `every` records, and aborts every `abort_every`-th (0: none).
    pub fn transactions(mut self, id: &str, every: u64, abort_every: u64) -> Self {
        self.transactions = Some(Transactions { id: id.to_owned(), every, abort_every });
        self
    }

    /// Sets the client id, where a zone tag may stand (`zone=az2`).
    pub fn client_id(mut self, id: &str) -> Self {
        self.client_id = Some(id.to_owned());
        self
    }

    /// Keeps every record's key.
    pub fn with_keys(mut self) -> Self {
        self.keys = true;
        self
    }

    /// Sets how it comes in.
    pub fn security(mut self, security: &Security) -> Self {
        self.security = security.clone();
        self
    }

    pub(super) fn args(&self) -> Vec<String> {
        let mut args = Args::of("produce", &self.bootstrap, &self.topic, &self.security);
        args.partitions(&self.partitions);
        args.add("--count", self.count);
        args.add("--size", self.value_bytes);
        args.add("--rate", self.rate);
        args.add("--acks", self.acks.name());
        args.add("--key-prefix", &self.key_prefix);
        args.switch("--idempotent", self.idempotent);
        if let Some(transactions) = &self.transactions {
            args.add("--transactional-id", &transactions.id);
            args.add("--commit-every", transactions.every);
            args.add("--abort-every", transactions.abort_every);
        }
        args.client(self.client_id.as_deref(), &self.props);
        args.switch("--each", self.keys);
        args.0
    }
}
