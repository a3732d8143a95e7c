//! `store`, as typed.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::leaf::Leaf;

/// Where tiered data and control records live: `dir` or `s3`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Store {
    /// A directory on this machine.
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
    /// http:// or https:// URL of another maker's store. Default: AWS.
    pub(crate) endpoint: Option<Leaf<String>>,
    /// Bucket in the path instead of the host name. Default: false.
    pub(crate) path_style: Option<Leaf<bool>>,
}
