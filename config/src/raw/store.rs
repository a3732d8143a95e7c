//! `store`, as typed.

use std::path::PathBuf;

use schemars::{JsonSchema, Schema, json_schema};
use serde::Deserialize;

use crate::Checksums;
use crate::leaf::{Leaf, Refusal, Scalar, Typed, word};

/// Where tiered data and control records live: `dir` or `s3`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Store {
    /// A directory; made if missing. All gateways of a fleet must share it, on one machine or by a file system.
    pub(crate) dir: Option<Leaf<PathBuf>>,
    /// A bucket behind the S3 API.
    pub(crate) s3: Option<S3>,
}

/// A bucket behind the S3 API. Credentials come from the environment.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["bucket", "region"]))]
pub(crate) struct S3 {
    /// Bucket name.
    #[schemars(required)]
    pub(crate) bucket: Option<Leaf<String>>,
    /// Everything of ours begins with this key prefix. Default: none.
    pub(crate) prefix: Option<Leaf<String>>,
    /// Region.
    #[schemars(required)]
    pub(crate) region: Option<Leaf<String>>,
    /// `http://` or `https://` URL of another maker's store, without user name or password. Default: AWS.
    pub(crate) endpoint: Option<Leaf<String>>,
    /// Bucket in the path instead of the host name. Default: false.
    pub(crate) path_style: Option<Leaf<bool>>,
    /// Which bodies carry a checksum that the store checks: all (always), or only those where S3 insists (when_required), for
    /// stores that refuse newer headers. Default: always.
    pub(crate) checksums: Option<Leaf<Checksums>>,
    /// Id or ARN of the KMS key that the store encrypts with (SSE-KMS). Default: as the bucket says.
    pub(crate) kms_key: Option<Leaf<String>>,
}

const CHECKSUMS: [(&str, Checksums); 2] =
    [("always", Checksums::Always), ("when_required", Checksums::WhenRequired)];

impl Scalar for Checksums {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        word(typed, &CHECKSUMS)
    }

    fn schema() -> Schema {
        json_schema!({"enum": CHECKSUMS.map(|(word, _)| word)})
    }
}
