//! `store`: where tiered data and control records live.

use std::path::PathBuf;

/// An object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// A directory on this machine.
    Dir(PathBuf),
    /// A bucket behind the S3 API.
    S3(S3),
}

/// A bucket behind the S3 API. Credentials come from the environment, as with every AWS tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3 {
    /// Bucket name.
    pub bucket: String,
    /// Key prefix without leading or trailing `/`; empty: the whole bucket is ours.
    pub prefix: String,
    /// Region, also signed into requests to other makers' stores.
    pub region: String,
    /// URL of another maker's store. `None`: AWS.
    pub endpoint: Option<String>,
    /// Bucket in the path instead of the host name.
    pub path_style: bool,
}
