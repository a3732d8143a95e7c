//! An object that arrives in parts: S3's multipart upload.

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;

use super::error::Effect::{Reads, Writes};
use super::{Checksums, S3, error};
use crate::{Error, Key, Kind, Upload};

/// The most parts of one object: S3's bound.
const PARTS_MAX: usize = 10_000;

/// Parts so far.
#[derive(Debug)]
pub(super) struct Parts {
    store: S3,
    key: Key,
    id: String,
    parts: Vec<CompletedPart>,
}

impl Parts {
    pub(super) async fn begin(store: S3, key: &Key) -> Result<Self, Error> {
        let checksum = (store.checksums == Checksums::Always).then_some(ChecksumAlgorithm::Crc32);
        let create = store.client.create_multipart_upload().bucket(&store.bucket).key(store.full(key));
        let create = create.set_checksum_algorithm(checksum);
        let create = create.set_server_side_encryption(store.encryption());
        let create = create.set_ssekms_key_id(store.kms_key.clone());
        let what = format!("upload {key}");
        // An upload that was begun without our hearing of it holds nothing, and is swept: to begin again does no harm.
        let begun = create.send().await.map_err(|e| error::of(&what, Reads, e))?;
        let id = begun.upload_id.ok_or_else(|| Error::new(Kind::Corrupt, what, "an upload without an id"))?;
        Ok(Self { store, key: key.clone(), id, parts: Vec::new() })
    }

    fn what(&self, step: &str) -> String {
        format!("{step} of {}", self.key)
    }
}

#[async_trait]
impl Upload for Parts {
    /// A part that failed may be sent again: it has the same number.
    async fn part(&mut self, body: Bytes) -> Result<(), Error> {
        let number = self.parts.len() + 1;
        if number > PARTS_MAX {
            return Err(Error::new(Kind::Unusable, self.what("part"), "more parts than S3 takes"));
        }
        let (store, number) = (&self.store, number as i32);
        let send = store.client.upload_part().bucket(&store.bucket).key(store.full(&self.key));
        let send = send.upload_id(&self.id).part_number(number).body(ByteStream::from(body));
        let checksum = (store.checksums == Checksums::Always).then_some(ChecksumAlgorithm::Crc32);
        let send = send.set_checksum_algorithm(checksum);
        let sent = send.send().await.map_err(|e| error::of(self.what("part"), Reads, e))?;
        let part = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag);
        self.parts.push(part.set_checksum_crc32(sent.checksum_crc32).build());
        Ok(())
    }

    async fn complete(self: Box<Self>) -> Result<(), Error> {
        let what = self.what("completion");
        let Self { store, key, id, parts } = *self;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = store.client.complete_multipart_upload().bucket(&store.bucket).key(store.full(&key));
        let complete = complete.upload_id(id).multipart_upload(parts).if_none_match("*");
        complete.send().await.map_err(|e| error::of(what, Writes, e)).map(|_| ())
    }

    async fn abort(self: Box<Self>) -> Result<(), Error> {
        let what = self.what("abortion");
        let abort = self.store.client.abort_multipart_upload().bucket(&self.store.bucket);
        let abort = abort.key(self.store.full(&self.key)).upload_id(&self.id);
        match abort.send().await.map_err(|e| error::of(what, Reads, e)) {
            Err(e) if matches!(e.kind, Kind::NotFound | Kind::Conflict) => Ok(()),
            done => done.map(|_| ()),
        }
    }
}
