//! What a bucket needs to be reached.

use std::fmt;
use std::time::Duration;

use crate::Key;

/// A bucket, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bucket name.
    pub bucket: String,
    /// What every key begins with, and a `/` after it. `None`: the whole bucket is ours.
    pub prefix: Option<Key>,
    /// Region, also signed into requests to other makers' stores.
    pub region: String,
    /// URL of another maker's store. `None`: AWS.
    pub endpoint: Option<String>,
    /// Bucket in the path instead of the host name.
    pub path_style: bool,
    /// When bodies carry checksums.
    pub checksums: Checksums,
    /// Id or ARN of the KMS key that the store encrypts with (SSE-KMS). `None`: as the bucket says.
    pub kms_key: Option<String>,
    /// Who we are.
    pub credentials: Credentials,
    /// How long is waited for what.
    pub patience: Patience,
}

/// When bodies carry checksums that the other side checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksums {
    /// Wherever the API knows them.
    #[default]
    Always,
    /// Only where the API insists: for stores that refuse the newer headers.
    WhenRequired,
}

/// Who we are to the store.
#[derive(Clone, Default)]
pub enum Credentials {
    /// AWS's default chain: environment, profile files, web identity (IRSA), container, instance metadata. Renewed before
    /// they expire.
    #[default]
    Chain,
    /// A fixed pair.
    Fixed {
        /// Access key id.
        id: String,
        /// Secret access key; never shown.
        secret: String,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain => f.write_str("Chain"),
            Self::Fixed { id, .. } => write!(f, "Fixed({id})"),
        }
    }
}

/// How long is waited for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For an answer to begin, the sending of the request included: a part of 24 MiB must get out in it.
    pub answer: Duration,
    /// For the next bytes of an answer's body.
    pub body: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(3), answer: seconds(60), body: seconds(20) }
    }
}
