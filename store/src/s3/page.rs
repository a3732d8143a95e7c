//! What is listed page by page: objects, and uploads that nobody completed.

use std::time::SystemTime;

use aws_sdk_s3::types::{MultipartUpload, Object};

use super::error::Effect::{Reads, Writes};
use super::{S3, error, time};
use crate::{Error, Key, Kind, Meta};

/// Pages of one sweep; the next sweep goes on.
const PAGES: usize = 100;

impl S3 {
    /// Objects, `limit` of them if there are as many. Names that are no [`Key`] are not ours and left out.
    pub(super) async fn list_pages(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Meta>, Error> {
        let (mut found, mut after) = (Vec::new(), after.map(|key| self.full(key)));
        while found.len() < limit {
            let (page, more) = self.list_page(prefix, after, limit - found.len()).await?;
            after = page.last().and_then(|object| object.key.clone());
            found.extend(page.iter().filter_map(|object| self.meta(object)));
            if !more || after.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// One page, and whether there are more.
    async fn list_page(
        &self,
        prefix: &str,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Object>, bool), Error> {
        let list =
            self.client.list_objects_v2().bucket(&self.bucket).prefix(format!("{}{prefix}", self.prefix));
        let list = list.set_start_after(after).max_keys(i32::try_from(limit).unwrap_or(i32::MAX));
        let got = list.send().await.map_err(|e| not_a_key(error::of(format!("list {prefix}"), Reads, e)))?;
        Ok((got.contents.unwrap_or_default(), got.is_truncated.unwrap_or(false)))
    }

    fn meta(&self, object: &Object) -> Option<Meta> {
        let key = self.key(object.key())?;
        let size = u64::try_from(object.size?).ok()?;
        Some(Meta { key, size, written: time(object.last_modified()) })
    }

    /// Our key of a key in the bucket.
    fn key(&self, full: Option<&str>) -> Option<Key> {
        Key::new(full?.strip_prefix(&self.prefix)?)
    }

    /// Aborts uploads that were begun before `before`. Returns how many.
    pub(super) async fn abort_before(&self, prefix: &str, before: SystemTime) -> Result<usize, Error> {
        let (mut aborted, mut at) = (0, (None, None));
        for _ in 0..PAGES {
            let list = self.client.list_multipart_uploads().bucket(&self.bucket);
            let list = list.prefix(format!("{}{prefix}", self.prefix));
            let list = list.set_key_marker(at.0).set_upload_id_marker(at.1);
            let what = format!("list uploads {prefix}");
            let got = list.send().await.map_err(|e| not_a_key(error::of(what, Reads, e)))?;
            for upload in got.uploads() {
                aborted += usize::from(self.abort_old(upload, before).await?);
            }
            if !got.is_truncated.unwrap_or(false) || got.next_key_marker.is_none() {
                break;
            }
            at = (got.next_key_marker, got.next_upload_id_marker);
        }
        Ok(aborted)
    }

    /// Aborts an upload if it is old; whether it was there to be aborted.
    async fn abort_old(&self, upload: &MultipartUpload, before: SystemTime) -> Result<bool, Error> {
        // An upload without a date is not known to be old.
        let old = upload.initiated().is_some_and(|at| time(Some(at)) <= before);
        let (Some(key), Some(id), true) = (self.key(upload.key()), upload.upload_id(), old) else {
            return Ok(false);
        };
        let abort =
            self.client.abort_multipart_upload().bucket(&self.bucket).key(self.full(&key)).upload_id(id);
        match abort.send().await.map_err(|e| error::of(format!("abort {key}"), Writes, e)) {
            Ok(_) => Ok(true),
            // Completed or aborted since.
            Err(e) if matches!(e.kind, Kind::NotFound | Kind::Conflict) => Ok(false),
            Err(e) => Err(e),
        }
    }
}

/// A listing names no object: what is not found is the bucket.
fn not_a_key(error: Error) -> Error {
    let kind = if error.kind == Kind::NotFound { Kind::Unusable } else { error.kind };
    Error { kind, ..error }
}
