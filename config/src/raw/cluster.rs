//! `cluster`, as typed.

use std::path::PathBuf;

use schemars::{JsonSchema, Schema, json_schema};
use serde::Deserialize;

use crate::HostPort;
use crate::leaf::{Leaf, Refusal, Scalar, Typed, word};

/// The Kafka cluster behind the gateway.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["bootstrap"]))]
pub(crate) struct Cluster {
    /// The brokers to ask first.
    #[schemars(length(min = 1))]
    pub(crate) bootstrap: Vec<Leaf<HostPort>>,
    /// TLS towards brokers, for clients' connections too; certificates are always verified. Default: plain TCP.
    pub(crate) tls: Option<ClientTls>,
    /// The gateway's own principal; clients authenticate with their own, straight to the broker. PLAIN or OAUTHBEARER without
    /// `tls` gives a warning. Default: none.
    pub(crate) auth: Option<Auth>,
}

/// TLS towards brokers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["ca"]))]
pub(crate) struct ClientTls {
    /// PEM file of the authorities to trust.
    #[schemars(required)]
    pub(crate) ca: Option<Leaf<PathBuf>>,
    /// PEM file of the gateway's own certificate chain, for brokers that ask for one. Needs `key`.
    pub(crate) cert: Option<Leaf<PathBuf>>,
    /// PEM file of its private key, unencrypted. Needs `cert`.
    pub(crate) key: Option<Leaf<PathBuf>>,
    /// The name brokers' certificates must hold. Default: the host dialled.
    pub(crate) server_name: Option<Leaf<String>>,
}

/// The gateway's own principal (SASL).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["mechanism"]))]
pub(crate) struct Auth {
    /// SASL mechanism.
    #[schemars(required)]
    pub(crate) mechanism: Option<Leaf<Mechanism>>,
    /// User name; required for PLAIN and SCRAM.
    pub(crate) username: Option<Leaf<String>>,
    /// Password; required for PLAIN and SCRAM.
    pub(crate) password: Option<Secret>,
    /// Bearer token; required for OAUTHBEARER. A file is read anew for every session, so that whatever renews the token only has
    /// to replace the file (write beside it and rename); a token from `env` ends when it expires.
    pub(crate) token: Option<Secret>,
}

/// Where a secret is read from when the file is loaded: `file` or `env`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-kind" = "secret"))]
pub(crate) struct Secret {
    /// A file that holds the secret and nothing else; one line end at its end doesn't count.
    pub(crate) file: Option<Leaf<PathBuf>>,
    /// An environment variable that holds it.
    pub(crate) env: Option<Leaf<String>>,
}

/// SASL mechanisms the gateway can use for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
    OauthBearer,
}

const MECHANISMS: [(&str, Mechanism); 4] = [
    ("PLAIN", Mechanism::Plain),
    ("SCRAM-SHA-256", Mechanism::ScramSha256),
    ("SCRAM-SHA-512", Mechanism::ScramSha512),
    ("OAUTHBEARER", Mechanism::OauthBearer),
];

impl Scalar for Mechanism {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        word(typed, &MECHANISMS)
    }

    fn schema() -> Schema {
        json_schema!({"enum": MECHANISMS.map(|(name, _)| name)})
    }
}
