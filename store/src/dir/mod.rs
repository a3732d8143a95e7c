//! A directory of this machine as a store: the embedded default.
//!
//! Crash-safe on a local file system: an object is written to a temporary file, synced, and only then given its name, by
//! a hard link where the name must be free and by a rename where it may be taken; then the directory is synced. Several
//! processes may share a directory. Over NFS a lost answer may look like [`Kind::Exists`](crate::Kind::Exists).
//!
//! ```text
//! {root}/{key}                                an object
//! {root}/.tidegate-unfinished/{key}/{random}  its bytes before it has its name
//! ```

mod error;
mod files;
mod upload;
mod walk;

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Error, GET_MAX, Key, Kind, LIST_MAX, Meta, Mode, Store, Upload};

/// Where objects are that have no name yet.
const UNFINISHED: &str = ".tidegate-unfinished";

/// Objects in a directory.
#[derive(Clone, Debug)]
pub struct Dir {
    root: PathBuf,
}

impl Dir {
    /// Opens a directory, made if missing.
    ///
    /// # Errors
    /// [`Kind::Denied`] or [`Kind::Unusable`] where it can't be made or written to.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let what = format!("open {}", root.display());
        let unfinished = root.join(UNFINISHED);
        std::fs::create_dir_all(&unfinished).map_err(|e| error::of_write(what.clone(), &e))?;
        let root = root.canonicalize().map_err(|e| error::of_write(what, &e))?;
        Ok(Self { root })
    }

    /// The path of an object.
    fn path(&self, key: &Key) -> Result<PathBuf, Error> {
        if key.as_str().split('/').next() == Some(UNFINISHED) {
            return Err(Error::new(Kind::Unusable, key.as_str(), "the key is kept for unfinished objects"));
        }
        Ok(self.root.join(key.as_str()))
    }

    /// The directory of a key's unfinished objects.
    fn unfinished(&self, key: &Key) -> PathBuf {
        self.root.join(UNFINISHED).join(key.as_str())
    }
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(
    what: String,
    work: impl FnOnce(String) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let ended = |what: String| move |e| Error::new(Kind::Uncertain, what, format!("the task ended: {e}"));
    let name = what.clone();
    tokio::task::spawn_blocking(move || work(what)).await.map_err(ended(name))?
}

#[async_trait]
impl Store for Dir {
    async fn put(&self, key: &Key, body: Bytes, mode: Mode) -> Result<(), Error> {
        let (root, path, unfinished) = (self.root.clone(), self.path(key)?, self.unfinished(key));
        blocking(format!("put {key}"), move |what| {
            let mut draft = files::Draft::begin(&root, unfinished, &what)?;
            draft.append(&body, &what)?;
            draft.publish(&path, mode, &what)
        })
        .await
    }

    async fn upload(&self, key: &Key) -> Result<Box<dyn Upload>, Error> {
        let (root, path, unfinished) = (self.root.clone(), self.path(key)?, self.unfinished(key));
        let what = format!("upload {key}");
        let draft = blocking(what.clone(), move |what| files::Draft::begin(&root, unfinished, &what)).await?;
        Ok(Box::new(upload::Parts::new(draft, path, what)))
    }

    async fn get(&self, key: &Key) -> Result<Bytes, Error> {
        let path = self.path(key)?;
        blocking(format!("get {key}"), move |what| {
            let (file, len) = files::open(&path, &what)?;
            if len > GET_MAX {
                return Err(Error::new(
                    Kind::Unusable,
                    what,
                    format!("{len} bytes are too long for one read"),
                ));
            }
            files::read(&file, 0..len, &what)
        })
        .await
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, Error> {
        let path = self.path(key)?;
        blocking(format!("get {key}"), move |what| {
            let (file, len) = files::open(&path, &what)?;
            if range.start > range.end || range.end > len {
                return Err(Error::new(Kind::Range, what, format!("{range:?} of {len}")));
            }
            files::read(&file, range, &what)
        })
        .await
    }

    async fn head(&self, key: &Key) -> Result<Meta, Error> {
        let (path, key) = (self.path(key)?, key.clone());
        blocking(format!("head {key}"), move |what| walk::meta(&path, key, &what)).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, Error> {
        let (root, prefix, after) = (self.root.clone(), prefix.to_owned(), after.cloned());
        let wanted = walk::Wanted { prefix, after, limit: limit.min(LIST_MAX) };
        blocking(format!("list {}", wanted.prefix), move |what| walk::list(&root, &wanted, &what)).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), Error> {
        let paths = keys.iter().map(|key| self.path(key)).collect::<Result<Vec<_>, _>>()?;
        let root = self.root.clone();
        let what = format!("delete {} objects", keys.len());
        blocking(what, move |what| files::delete(&root, &paths, &what)).await
    }

    async fn abort_uploads(&self, prefix: &str, age: Duration) -> Result<usize, Error> {
        let (root, prefix) = (self.root.join(UNFINISHED), prefix.to_owned());
        let before = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
        let what = format!("abort uploads {prefix}");
        blocking(what, move |what| walk::sweep(&root, &prefix, before, &what)).await
    }
}
