//! A bucket behind the S3 API, AWS's or any other maker's that has create-if-absent.
//!
//! Nothing is tried again here, and no call is sent twice: that is for the wrappers, which know what a caller can bear.
//! Every body that is sent carries a checksum unless [`Checksums::WhenRequired`] says otherwise: a store exists that
//! publishes a request cut short as a whole object if nothing contradicts it.

mod body;
mod client;
mod error;
mod page;
mod settings;
mod upload;

use std::ops::Range;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{Delete, ObjectIdentifier, ServerSideEncryption};
use bytes::Bytes;

pub use settings::{Checksums, Credentials, Patience, Settings};

use crate::{Error, GET_MAX, Key, Kind, LIST_MAX, Meta, Mode, Store, Upload};
use error::Effect::{Reads, Writes};

/// A bucket.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Client,
    bucket: String,
    /// Empty, or what every key begins with, ending in `/`.
    prefix: String,
    kms_key: Option<String>,
    checksums: Checksums,
    patience: Patience,
}

impl S3 {
    /// Sets a client up. Asks nobody yet; [`probe`](crate::probe::probe) does.
    ///
    /// # Errors
    /// [`Kind::Unusable`] where the settings contradict themselves.
    pub async fn open(settings: Settings) -> Result<Self, Error> {
        let client = client::build(&settings).await;
        let Settings { bucket, prefix, kms_key, checksums, patience, .. } = settings;
        let prefix = prefix.map(|p| format!("{p}/")).unwrap_or_default();
        Ok(Self { client, bucket, prefix, kms_key, checksums, patience })
    }

    /// The key in the bucket.
    fn full(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }

    fn encryption(&self) -> Option<ServerSideEncryption> {
        self.kms_key.as_ref().map(|_| ServerSideEncryption::AwsKms)
    }

    /// Reads what a GET answered with; `range` is what was asked for.
    async fn read(&self, key: &Key, range: Option<&Range<u64>>) -> Result<Bytes, Error> {
        let what = format!("get {key}");
        let header = range.map(|r| format!("bytes={}-{}", r.start, r.end - 1));
        let get = self.client.get_object().bucket(&self.bucket).key(self.full(key)).set_range(header);
        let got = get.send().await.map_err(|e| error::of(&what, Reads, e))?;
        let len = got.content_length.and_then(|len| u64::try_from(len).ok());
        let len = len.ok_or_else(|| Error::new(Kind::Corrupt, &what, "an answer without a length"))?;
        let due = match range {
            Some(range) => within(&what, got.content_range.as_deref(), range, len)?,
            None if len > GET_MAX => {
                let said = format!("{len} bytes are too long for one read");
                return Err(Error::new(Kind::Unusable, what, said));
            }
            None => len,
        };
        let due =
            usize::try_from(due).map_err(|_| Error::new(Kind::Range, &what, "more than fits in memory"))?;
        body::read(&what, got.body, due, self.patience.body).await
    }

    /// A range of no bytes, which HTTP can't ask for.
    async fn read_nothing(&self, key: &Key, at: u64) -> Result<Bytes, Error> {
        let size = self.head(key).await?.size;
        if at > size {
            return Err(Error::new(Kind::Range, format!("get {key}"), format!("{at}..{at} of {size}")));
        }
        Ok(Bytes::new())
    }
}

/// The length due, if the answer is of the range that was asked for.
fn within(what: &str, answered: Option<&str>, asked: &Range<u64>, len: u64) -> Result<u64, Error> {
    let due = asked.end - asked.start;
    let start = format!("bytes {}-", asked.start);
    match answered {
        Some(range) if !range.starts_with(&start) || len > due => {
            Err(Error::new(Kind::Corrupt, what, format!("asked for {asked:?}, was given {range}")))
        }
        // The object ends within the range.
        Some(range) if len < due => Err(Error::new(Kind::Range, what, format!("{asked:?}: {range}"))),
        Some(_) => Ok(due),
        None => Err(Error::new(Kind::Corrupt, what, "asked for a range, was given the whole")),
    }
}

fn time(at: Option<&DateTime>) -> SystemTime {
    at.and_then(|at| SystemTime::try_from(*at).ok()).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[async_trait]
impl Store for S3 {
    async fn put(&self, key: &Key, body: Bytes, mode: Mode) -> Result<(), Error> {
        let condition = (mode == Mode::Create).then(|| "*".to_owned());
        let put = self.client.put_object().bucket(&self.bucket).key(self.full(key));
        let put = put.set_if_none_match(condition).body(ByteStream::from(body));
        let put = put.set_server_side_encryption(self.encryption()).set_ssekms_key_id(self.kms_key.clone());
        put.send().await.map_err(|e| error::of(format!("put {key}"), Writes, e)).map(|_| ())
    }

    async fn upload(&self, key: &Key) -> Result<Box<dyn Upload>, Error> {
        Ok(Box::new(upload::Parts::begin(self.clone(), key).await?))
    }

    async fn get(&self, key: &Key) -> Result<Bytes, Error> {
        self.read(key, None).await
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, Error> {
        if range.start > range.end {
            return Err(Error::new(Kind::Range, format!("get {key}"), format!("{range:?}")));
        }
        if range.is_empty() {
            return self.read_nothing(key, range.start).await;
        }
        self.read(key, Some(&range)).await
    }

    async fn head(&self, key: &Key) -> Result<Meta, Error> {
        let head = self.client.head_object().bucket(&self.bucket).key(self.full(key));
        let what = format!("head {key}");
        let found = head.send().await.map_err(|e| error::of(&what, Reads, e))?;
        let size = found.content_length.and_then(|len| u64::try_from(len).ok());
        let size = size.ok_or_else(|| Error::new(Kind::Corrupt, what, "an answer without a length"))?;
        Ok(Meta { key: key.clone(), size, written: time(found.last_modified.as_ref()) })
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, Error> {
        self.list_pages(prefix, after, limit.min(LIST_MAX)).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), Error> {
        match keys {
            [] => Ok(()),
            [one] => self.delete_one(one).await,
            many => self.delete_many(many).await,
        }
    }

    async fn abort_uploads(&self, prefix: &str, age: Duration) -> Result<usize, Error> {
        let before = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
        self.abort_before(prefix, before).await
    }
}

impl S3 {
    async fn delete_one(&self, key: &Key) -> Result<(), Error> {
        let delete = self.client.delete_object().bucket(&self.bucket).key(self.full(key));
        match delete.send().await.map_err(|e| error::of(format!("delete {key}"), Writes, e)) {
            Err(e) if e.kind == Kind::NotFound => Ok(()),
            done => done.map(|_| ()),
        }
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<(), Error> {
        let what = format!("delete {} objects", keys.len());
        let refused = |e: aws_sdk_s3::error::BuildError| Error::new(Kind::Unusable, &what, e.to_string());
        let name = |key: &Key| ObjectIdentifier::builder().key(self.full(key)).build();
        let names = keys.iter().map(name).collect::<Result<Vec<_>, _>>().map_err(refused)?;
        let batch = Delete::builder().set_objects(Some(names)).quiet(true).build().map_err(refused)?;
        let delete = self.client.delete_objects().bucket(&self.bucket).delete(batch);
        let done = delete.send().await.map_err(|e| error::of(&what, Writes, e))?;
        let failed = done.errors().iter().find(|e| e.code() != Some("NoSuchKey"));
        failed.map_or(Ok(()), |e| Err(error::of_entry(&what, e.key(), e.code(), e.message())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_believed_only_if_the_answer_says_that_it_is_that_one() {
        let of = |answered, len| within("get x", answered, &(4..8), len).map_err(|e| e.kind);
        assert_eq!(of(Some("bytes 4-7/10"), 4), Ok(4));
        assert_eq!(of(Some("bytes 4-5/6"), 2), Err(Kind::Range));
        assert_eq!(of(Some("bytes 0-3/10"), 4), Err(Kind::Corrupt));
        assert_eq!(of(Some("bytes 4-9/10"), 6), Err(Kind::Corrupt));
        assert_eq!(of(None, 10), Err(Kind::Corrupt));
    }

    #[test]
    fn a_secret_is_never_shown() {
        let fixed = Credentials::Fixed { id: "AKIA".into(), secret: "hush".into() };
        assert_eq!(format!("{fixed:?}"), "Fixed(AKIA)");
    }
}
