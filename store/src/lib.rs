//! Object storage as Tidegate needs it: a small trait, three backends, wrappers, and the fenced register.
//!
//! Everything durable that Tidegate writes goes through [`Store`]. Of conditional writes it uses only
//! create-if-absent (`If-None-Match: *`), the part that every maker's store has.
#![forbid(unsafe_code)]

pub mod dir;
mod error;
mod key;
pub mod memory;
pub mod probe;
pub mod register;
pub mod s3;
pub mod wrap;

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;

pub use error::{Error, Kind};
pub use key::Key;

/// A store shared by tasks.
pub type SharedStore = Arc<dyn Store>;

/// An object as a listing names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Its key.
    pub key: Key,
    /// Its length, bytes.
    pub size: u64,
    /// When it was written, by the store's clock.
    pub written: SystemTime,
}

/// What a put does where the key is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Replaces what is there.
    Overwrite,
    /// Fails with [`Kind::Exists`] and leaves it alone.
    Create,
}

/// Object storage. Strongly consistent: what a put or delete has answered for, every later call sees.
///
/// No key is a directory of another, no segment is empty or longer than 255 bytes (see [`Key`]).
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// Writes an object whole.
    ///
    /// # Errors
    /// [`Kind::Exists`] with [`Mode::Create`]; [`Kind::Uncertain`] if it may or may not be there now.
    async fn put(&self, key: &Key, body: Bytes, mode: Mode) -> Result<(), Error>;

    /// Begins an object that arrives in parts; nothing is visible before [`Upload::complete`].
    async fn upload(&self, key: &Key) -> Result<Box<dyn Upload>, Error>;

    /// Reads an object whole. Only for objects known to be small.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    async fn get(&self, key: &Key) -> Result<Bytes, Error>;

    /// Reads a range of an object, which must lie within it. The answer has exactly the range's length.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Range`] where the object is shorter.
    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, Error>;

    /// Looks at an object.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    async fn head(&self, key: &Key) -> Result<Meta, Error>;

    /// The objects whose keys begin with `prefix` (a string, not a folder), in the order of their bytes, those after
    /// `after`, at most `limit` (1,000 at most). Fewer than `limit`: there are no more.
    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, Error>;

    /// Deletes objects, 1,000 at most; those that are not there count as deleted.
    async fn delete(&self, keys: &[Key]) -> Result<(), Error>;

    /// Ends uploads under `prefix` that were begun longer ago than `age` and never completed. Returns how many.
    async fn abort_uploads(&self, prefix: &str, age: Duration) -> Result<usize, Error>;
}

/// An object that is being written in parts.
#[async_trait]
pub trait Upload: Debug + Send {
    /// Adds a part. All but the last have one size, at least [`PART_MIN`].
    async fn part(&mut self, body: Bytes) -> Result<(), Error>;

    /// Makes the object visible whole, if the key is free.
    ///
    /// # Errors
    /// [`Kind::Exists`]; [`Kind::Conflict`]: the upload must be done again; [`Kind::Uncertain`].
    async fn complete(self: Box<Self>) -> Result<(), Error>;

    /// Gives the parts up.
    async fn abort(self: Box<Self>) -> Result<(), Error>;
}

/// The longest object that [`Store::get`] reads whole, bytes; a longer one is [`Kind::Unusable`]. So that an object that grew
/// is not believed into memory.
pub const GET_MAX: u64 = 64 * 1024 * 1024;

/// The most that one listing names, and one deletion takes: S3's bound.
pub const LIST_MAX: usize = 1000;

/// Everything that begins with `prefix`, in as many listings as that takes.
///
/// # Errors
/// Those of [`Store::list`].
pub async fn list_all(store: &dyn Store, prefix: &str) -> Result<Vec<Meta>, Error> {
    let mut all = Vec::new();
    loop {
        let page = store.list(prefix, all.last().map(|meta: &Meta| &meta.key), LIST_MAX).await?;
        let full = page.len() == LIST_MAX;
        all.extend(page);
        if !full {
            return Ok(all);
        }
    }
}

/// The smallest part but the last, bytes: S3's bound.
pub const PART_MIN: usize = 5 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    #[tokio::test]
    async fn everything_is_listed_however_much_there_is() {
        let store = Memory::default();
        for n in 0..2 * LIST_MAX {
            let key = Key::new(&format!("a/{n:05}")).expect("a key");
            store.put(&key, Bytes::new(), Mode::Create).await.expect("room");
        }
        let listed = list_all(&store, "a/").await.expect("a list");
        assert_eq!(listed.len(), 2 * LIST_MAX);
        assert!(listed.is_sorted_by_key(|meta| meta.key.clone()));
        assert_eq!(list_all(&store, "b/").await.expect("a list"), []);
    }
}
