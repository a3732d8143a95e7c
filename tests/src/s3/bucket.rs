//! Making buckets: the one call that the product itself never makes.

use std::thread;

use anyhow::{Context, Result, anyhow};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
use store::s3::Settings;

use super::server::{ACCESS_KEY, SECRET_KEY};

/// Makes the bucket that the settings name. In a thread of its own, so that tests with a runtime can call it.
pub(super) fn create(settings: &Settings) -> Result<()> {
    let settings = settings.clone();
    let work = move || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let made = client(&settings).create_bucket().bucket(&settings.bucket).send().await;
            made.map(|_| ()).with_context(|| format!("make the bucket {}", settings.bucket))
        })
    };
    thread::spawn(work).join().map_err(|_| anyhow!("the thread that makes a bucket panicked"))?
}

fn client(settings: &Settings) -> Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(settings.region.clone()))
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "tests"))
        .endpoint_url(settings.endpoint.as_deref().unwrap_or_default())
        .force_path_style(settings.path_style)
        .http_client(http);
    Client::from_conf(config.build())
}
