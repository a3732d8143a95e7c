//! Tidegate's configuration file: what was typed, and what it means.
//!
//! ```text
//! text --tree--> keys and lines --raw--> what was typed --valid--> Config, or every Error in the file
//! ```
//!
//! Reads the file, the secrets and the TLS files it names, and nothing else: no name is resolved, no port opened.

#![warn(clippy::print_stdout)]

mod check;
mod cursor;
mod defaults;
mod error;
mod leaf;
mod nearest;
mod raw;
pub mod reference;
mod reload;
mod scalar;
mod secret;
mod tree;
mod units;
mod valid;
mod zone;

use std::cell::RefCell;
use std::path::Path;

use serde::Deserialize;

pub use error::{Error, Errors};
pub use reload::{Changes, diff, taken_over};
pub use secret::Secret;
pub use units::{ByteSize, UnitError, format_duration, parse_duration};
pub use valid::Config;
pub use valid::certificates::{CertificateFile, CertificateSetting};
pub use valid::client_zone::{CidrMap, ClientFacts, ClientRule, Rule};
pub use valid::cluster::{Auth, ClientTls, Cluster, Sha, Token};
pub use valid::endpoints::BrokerEndpoints;
pub use valid::fleet::{Fleet, Gossip, Member};
pub use valid::gateway::Gateway;
pub use valid::hosts::{Advertise, HostPort, is_host};
pub use valid::identities::Identity;
pub use valid::limits::Limits;
pub use valid::listeners::{Listener, ServerTls};
pub use valid::proxy_protocol::ProxyProtocol;
pub use valid::store::{Checksums, S3, Store};
pub use valid::telemetry::{Otlp, Traces};
pub use valid::tiering::{Cache, DiskCache, Keep, Segment, Tiering, TopicRule};
pub use valid::zones::{Prices, Reads, WhenNoGateway, Zones};
pub use zone::{ZONE_BYTES_MAX, Zone};

use check::{Check, Surroundings};
use tree::Lines;

/// A commented example of the file: every section, ready to be changed.
pub const EXAMPLE: &str = include_str!("example.yaml");

/// Reads and checks a file. Paths inside it are relative to its folder.
///
/// # Errors
/// Everything wrong with it.
pub fn load(path: impl AsRef<Path>) -> Result<Config, Errors> {
    let path = path.as_ref();
    let text = valid::files::read_text(path).map_err(|error| {
        let reason = format!("cannot read {}: {error}", path.display());
        let remedy = "name it with -c; `tidegate config example` prints one to start from".to_owned();
        Errors(vec![Error { path: String::new(), line: None, reason, remedy }])
    })?;
    parse(&text, path.parent().unwrap_or(Path::new("")))
}

/// Checks a file's text. Paths inside it are relative to `base_dir`.
///
/// # Errors
/// Everything wrong with it: all mistakes at once, unless it isn't even YAML.
pub fn parse(text: &str, base_dir: impl AsRef<Path>) -> Result<Config, Errors> {
    let env = |name: &str| std::env::var(name).ok();
    parse_in(text, Surroundings { base: base_dir.as_ref(), env: &env, host_file: Path::new("/etc/hostname") })
}

fn parse_in(text: &str, surroundings: Surroundings<'_>) -> Result<Config, Errors> {
    let root = tree::read(text).map_err(|error| Errors(vec![error]))?;
    let found = RefCell::default();
    let file = raw::File::deserialize(cursor::Cursor::top(&root, &found));
    let mut found = found.into_inner();
    let Ok(file) = file else {
        let (path, line) = (String::new(), Some(root.line));
        found.push(Error { path, line, reason: "cannot be read".to_owned(), remedy: String::new() });
        return Err(Errors(found));
    };
    Config::check(&file, Check::new(Lines::of(&root), surroundings, found)).map_err(Errors)
}

/// The file's JSON Schema (draft 2020-12). The checks between settings are not in it.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(raw::File).to_value()
}

#[cfg(test)]
mod tests;
