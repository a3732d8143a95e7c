//! `store`: where tiered data and control records live.

use std::path::PathBuf;

use crate::check::Check;
use crate::raw::store as raw;
use crate::{Advertise, defaults};

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
    /// Which bodies carry checksums.
    pub checksums: Checksums,
    /// Id or ARN of the KMS key that the store encrypts with. `None`: as the bucket says.
    pub kms_key: Option<String>,
}

/// Which bodies carry checksums that the store checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksums {
    /// All.
    Always,
    /// Those that S3 insists on: for stores that refuse the newer headers.
    WhenRequired,
}

impl Store {
    pub(crate) fn check(raw: &raw::Store, check: &mut Check<'_>) -> Option<Self> {
        match (&raw.dir, &raw.s3) {
            (Some(_), None) => dir(raw, check).map(Self::Dir),
            (None, Some(s3)) => S3::check(s3, check).map(Self::S3),
            (Some(_), Some(_)) => {
                check.wrong("store", "has both `dir` and `s3`", "keep one of them");
                None
            }
            (None, None) => {
                check.missing("store", "dir", "./tidegate-store   # or s3: {bucket: .., region: ..}")
            }
        }
    }
}

fn dir(raw: &raw::Store, check: &mut Check<'_>) -> Option<PathBuf> {
    let path = check.read("store", "dir", &raw.dir)?;
    let path = check.resolve(path);
    if path.exists() && !path.is_dir() {
        check.wrong(
            "store.dir",
            format!("{} is not a directory", path.display()),
            "name a directory; it is made if missing",
        );
    }
    Some(path)
}

impl S3 {
    fn check(raw: &raw::S3, check: &mut Check<'_>) -> Option<Self> {
        let at = "store.s3";
        let bucket = check.need(at, "bucket", &raw.bucket, "tide");
        let region = check.need(at, "region", &raw.region, "us-east-1");
        let prefix = check.read(at, "prefix", &raw.prefix).unwrap_or_default();
        let endpoint = check.read(at, "endpoint", &raw.endpoint);
        let path_style = check.read(at, "path_style", &raw.path_style).unwrap_or(defaults::PATH_STYLE);
        let checksums = check.read(at, "checksums", &raw.checksums).unwrap_or(defaults::CHECKSUMS);
        let kms_key = check.read(at, "kms_key", &raw.kms_key);
        let bucket = bucket.filter(|bucket| sound_bucket(bucket, check));
        check_endpoint(endpoint.as_deref(), check);
        let prefix = prefix.trim_matches('/').to_owned();
        Some(Self { bucket: bucket?, prefix, region: region?, endpoint, path_style, checksums, kms_key })
    }
}

/// S3's rules for bucket names, as far as they are the same everywhere.
fn sound_bucket(bucket: &str, check: &mut Check<'_>) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let ends = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let sound = (3..=63).contains(&bucket.len())
        && bucket.bytes().all(legal)
        && ends(bucket.bytes().next())
        && ends(bucket.bytes().last());
    if !sound {
        let remedy =
            "write 3 to 63 lower-case letters, digits, `-` or `.`, with a letter or digit at both ends";
        check.wrong("store.s3.bucket", format!("`{bucket}` is not a bucket name"), remedy);
    }
    sound
}

/// Says no value where the URL may hold a password.
fn check_endpoint(endpoint: Option<&str>, check: &mut Check<'_>) {
    let Some(url) = endpoint else { return };
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let path = "store.s3.endpoint";
    match rest.map(|rest| rest.trim_end_matches('/')) {
        Some(host) if host.contains('@') => {
            check.wrong(
                path,
                "holds a user name or password",
                "take it out: credentials come from the environment",
            );
        }
        Some(host) if Advertise::parse(host).is_some() => {}
        _ => check.wrong(
            path,
            "is not an http:// or https:// URL of a host",
            "write it like http://127.0.0.1:7070",
        ),
    }
}
