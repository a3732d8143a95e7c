//! The bucket of the demo: how gateways are told of it, and what is in it.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use store::Store as _;
use store::s3::{Checksums, Credentials, Patience, S3, Settings};
use tidegate_tests::s3::{ACCESS_KEY, SECRET_KEY};

/// Objects in one answer of a listing.
const PAGE: usize = 1000;

/// A bucket of the S3 server that the demo starts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Bucket {
    /// The server's URL.
    pub(crate) endpoint: String,
    /// The bucket's name.
    pub(crate) name: String,
    /// The region that requests are signed for.
    pub(crate) region: String,
}

/// What a bucket holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Contents {
    /// Objects.
    pub(crate) objects: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Bytes of Kafka's own segment files among them.
    pub(crate) segments: u64,
}

impl Bucket {
    /// The one that `settings` name.
    pub(crate) fn of(settings: &Settings) -> Result<Self> {
        let endpoint = settings.endpoint.clone().context("a bucket without an endpoint")?;
        Ok(Self { endpoint, name: settings.bucket.clone(), region: settings.region.clone() })
    }

    /// Counts what is in it, by listing it.
    pub(crate) fn contents(&self) -> Result<Contents> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.count()).with_context(|| format!("list the bucket {}", self.name))
    }

    async fn count(&self) -> Result<Contents> {
        let store = S3::open(self.settings()).await?;
        let (mut contents, mut after) = (Contents::default(), None);
        loop {
            let page = store.list("", after.as_ref(), PAGE).await?;
            for object in &page {
                contents.objects += 1;
                contents.bytes += object.size;
                contents.segments += if object.key.as_str().ends_with(".log") { object.size } else { 0 };
            }
            after = page.last().map(|object| object.key.clone());
            if page.len() < PAGE {
                return Ok(contents);
            }
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            bucket: self.name.clone(),
            prefix: None,
            region: self.region.clone(),
            endpoint: Some(self.endpoint.clone()),
            path_style: true,
            checksums: Checksums::Always,
            kms_key: None,
            credentials: Credentials::Fixed { id: ACCESS_KEY.into(), secret: SECRET_KEY.into() },
            patience: Patience::default(),
        }
    }
}
