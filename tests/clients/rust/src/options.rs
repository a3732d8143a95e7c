//! The command line; see `../../README.md`.

use std::error::Error;

use clap::{Args, Parser, Subcommand};
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use serde_json::Value;

const PASSWORD: &str = "TIDEGATE_CLIENT_PASSWORD";

#[derive(Parser)]
pub struct Options {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Subcommand)]
pub enum Verb {
    Consume(Consume),
    Produce(Produce),
    Admin(Admin),
}

/// What every verb takes.
#[derive(Args)]
pub struct Common {
    #[arg(long)]
    bootstrap: String,
    #[arg(long)]
    pub topic: String,
    #[arg(long)]
    client_id: Option<String>,
    #[arg(long, default_value = "{}")]
    props: String,
    #[arg(long)]
    tls_ca: Option<String>,
    #[arg(long)]
    tls_cert: Option<String>,
    #[arg(long)]
    tls_key: Option<String>,
    /// The user of SCRAM-SHA-512; its password comes by the environment.
    #[arg(long)]
    scram: Option<String>,
}

#[derive(Args)]
pub struct Consume {
    #[command(flatten)]
    pub common: Common,
    #[arg(long)]
    pub group: Option<String>,
    #[arg(long)]
    assign: bool,
    #[arg(long, value_delimiter = ',')]
    partitions: Vec<String>,
    #[arg(long, default_value = "earliest")]
    pub from: String,
    #[arg(long, default_value_t = 0)]
    pub until_count: u64,
    #[arg(long)]
    pub isolation: Option<String>,
    #[arg(long)]
    pub group_protocol: Option<String>,
    #[arg(long)]
    pub each: bool,
}

#[derive(Args)]
pub struct Produce {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, value_delimiter = ',')]
    partitions: Vec<String>,
    #[arg(long, default_value_t = 0)]
    pub count: u64,
    #[arg(long, default_value_t = 100)]
    pub size: usize,
    #[arg(long, default_value_t = 0.0)]
    pub rate: f64,
    #[arg(long, default_value = "all")]
    pub acks: String,
    #[arg(long, default_value = "")]
    pub key_prefix: String,
    #[arg(long)]
    pub idempotent: bool,
    #[arg(long)]
    pub transactional_id: Option<String>,
    #[arg(long, default_value_t = 1)]
    pub commit_every: u64,
    #[arg(long, default_value_t = 0)]
    pub abort_every: u64,
    #[arg(long)]
    pub each: bool,
}

#[derive(Args)]
pub struct Admin {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, default_value_t = 1)]
    pub replication: usize,
}

impl Consume {
    pub fn partitions(&self) -> Vec<i32> {
        numbers(&self.partitions)
    }
}

impl Produce {
    /// Record `number`: partition and key.
    pub fn record(&self, number: u64) -> (i32, String) {
        let partitions = numbers(&self.partitions);
        let partition = partitions[(number % partitions.len() as u64) as usize];
        (partition, format!("{}{number}", self.key_prefix))
    }
}

/// A list may be empty, which is one empty word on the command line.
fn numbers(words: &[String]) -> Vec<i32> {
    words.iter().filter_map(|word| word.parse().ok()).collect()
}

impl Common {
    /// The library's configuration: `own` over what all clients have, and `--props` over that.
    pub fn config(&self, own: &[(&str, &str)]) -> Result<ClientConfig, Box<dyn Error>> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap).set_log_level(RDKafkaLogLevel::Info);
        if let Some(id) = &self.client_id {
            config.set("client.id", id);
        }
        self.secure(&mut config)?;
        for (key, value) in own {
            config.set(*key, *value);
        }
        let props: serde_json::Map<String, Value> = serde_json::from_str(&self.props)?;
        for (key, value) in props {
            config.set(key, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        Ok(config)
    }

    fn secure(&self, config: &mut ClientConfig) -> Result<(), Box<dyn Error>> {
        let transport = if self.tls_ca.is_some() { "SSL" } else { "PLAINTEXT" };
        let sasl = if self.scram.is_some() { "SASL_" } else { "" };
        config.set("security.protocol", format!("{sasl}{transport}"));
        let files = [
            ("ssl.ca.location", &self.tls_ca),
            ("ssl.certificate.location", &self.tls_cert),
            ("ssl.key.location", &self.tls_key),
        ];
        for (key, path) in files {
            if let Some(path) = path {
                config.set(key, path);
            }
        }
        if let Some(user) = &self.scram {
            let password =
                std::env::var(PASSWORD).map_err(|error| format!("--scram: {PASSWORD}: {error}"))?;
            config.set("sasl.mechanism", "SCRAM-SHA-512");
            config.set("sasl.username", user).set("sasl.password", password);
        }
        Ok(())
    }
}
