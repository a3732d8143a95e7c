//! What a consumer or a producer is asked to do, and the command line that says so.

use serde_json::{Value, json};

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
    /// The client id; the client's own default if none.
    pub client_id: Option<String>,
    /// Whether keys are kept, record by record.
    pub keys: bool,
    /// Further options under the client's own names.
    pub props: Value,
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
            client_id: None,
            keys: false,
            props: json!({}),
        }
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

    pub(super) fn args(&self) -> Vec<String> {
        let mut args = Args::of("consume", &self.bootstrap, &self.topic, &self.props);
        match &self.group {
            Some(group) => args.add("--group", group),
            None => args.0.push("--assign".to_owned()),
        }
        args.partitions(&self.partitions);
        args.add("--from", self.start.name());
        args.identity(self.client_id.as_deref(), self.keys);
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
    /// It was sent.
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
    /// What stands before the number in each key.
    pub key_prefix: String,
    /// The client id; the client's own default if none.
    pub client_id: Option<String>,
    /// Whether keys are kept, record by record.
    pub keys: bool,
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
            key_prefix: String::new(),
            client_id: None,
            keys: false,
            props: json!({}),
        }
    }

    /// Sets the records a second.
    pub fn rate(mut self, per_second: u32) -> Self {
        self.rate = per_second;
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

    pub(super) fn args(&self) -> Vec<String> {
        let mut args = Args::of("produce", &self.bootstrap, &self.topic, &self.props);
        args.partitions(&self.partitions);
        args.add("--count", self.count);
        args.add("--size", self.value_bytes);
        args.add("--rate", self.rate);
        args.add("--acks", self.acks.name());
        args.add("--key-prefix", &self.key_prefix);
        args.identity(self.client_id.as_deref(), self.keys);
        args.0
    }
}

struct Args(Vec<String>);

impl Args {
    fn of(verb: &str, bootstrap: &str, topic: &str, props: &Value) -> Self {
        let mut args = Self(vec![verb.to_owned()]);
        args.add("--bootstrap", bootstrap);
        args.add("--topic", topic);
        args.add("--props", props);
        args
    }

    /// One word, because a value of its own may look like a flag (`-1`) or be empty.
    fn add(&mut self, flag: &str, value: impl std::fmt::Display) {
        self.0.push(format!("{flag}={value}"));
    }

    fn partitions(&mut self, partitions: &[i32]) {
        let list: Vec<_> = partitions.iter().map(i32::to_string).collect();
        self.add("--partitions", list.join(","));
    }

    fn identity(&mut self, client_id: Option<&str>, keys: bool) {
        if let Some(id) = client_id {
            self.add("--client-id", id);
        }
        if keys {
            self.0.push("--each".to_owned());
        }
    }
}
