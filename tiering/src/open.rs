//! From the section `store` of the file to a store.

use std::sync::Arc;

use config::{Checksums, Store as Section};
use store::dir::Dir;
use store::s3::{self, S3, Settings};
use store::{Error, Key, Kind, SharedStore};

/// Opens the store that the file names. Of S3 nobody is asked yet: see [`store::probe`].
///
/// # Errors
/// [`Kind::Denied`] or [`Kind::Unusable`] where a directory can't be used; [`Kind::Unusable`] for a prefix that is no key.
pub async fn open(section: &Section) -> Result<SharedStore, Error> {
    Ok(match section {
        Section::Dir(path) => Arc::new(Dir::open(path)?),
        Section::S3(s3) => Arc::new(S3::open(settings(s3)?).await?),
    })
}

/// The settings that the file comes to.
fn settings(s3: &config::S3) -> Result<Settings, Error> {
    let no_key = || Error::new(Kind::Unusable, "store.s3.prefix", format!("`{}` is no key", s3.prefix));
    let prefix = match s3.prefix.as_str() {
        "" => None,
        prefix => Some(Key::new(prefix).ok_or_else(no_key)?),
    };
    Ok(Settings {
        bucket: s3.bucket.clone(),
        prefix,
        region: s3.region.clone(),
        endpoint: s3.endpoint.clone(),
        path_style: s3.path_style,
        checksums: match s3.checksums {
            Checksums::Always => s3::Checksums::Always,
            Checksums::WhenRequired => s3::Checksums::WhenRequired,
        },
        kms_key: s3.kms_key.clone(),
        credentials: s3::Credentials::Chain,
        patience: s3::Patience::default(),
    })
}
