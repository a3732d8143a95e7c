//! The steps that make an object appear whole and durable, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ring::rand::{SecureRandom, SystemRandom};

use super::error::{of_read, of_sync, of_write};
use crate::{Error, Kind, Mode};

/// How often a directory is made anew because a deletion took it away, empty, just before it was used.
const ATTEMPTS: usize = 16;

/// An object's bytes before it has its name. Removed when dropped.
#[derive(Debug)]
pub(super) struct Draft {
    root: PathBuf,
    path: PathBuf,
    file: File,
}

impl Draft {
    /// Begins one in `dir`.
    pub(super) fn begin(root: &Path, dir: PathBuf, what: &str) -> Result<Self, Error> {
        let path = dir.join(random_name(what)?);
        let create = || OpenOptions::new().write(true).create_new(true).open(&path);
        let file =
            with_directory(&dir, || fs::create_dir_all(&dir), create).map_err(|e| of_write(what, &e))?;
        Ok(Self { root: root.to_owned(), path, file })
    }

    /// Adds bytes.
    pub(super) fn append(&mut self, bytes: &[u8], what: &str) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|e| of_write(what, &e))
    }

    /// Gives the object its name.
    pub(super) fn publish(self, path: &Path, mode: Mode, what: &str) -> Result<(), Error> {
        self.file.sync_all().map_err(|e| of_write(what, &e))?;
        let parent = path.parent().unwrap_or(&self.root);
        let name = || match mode {
            Mode::Create => fs::hard_link(&self.path, path),
            Mode::Overwrite => fs::rename(&self.path, path),
        };
        with_directory(parent, || make(&self.root, parent), name).map_err(|e| of_write(what, &e))?;
        sync(parent).map_err(|e| of_sync(what, &e))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Best effort: what stays is swept by age. After a rename there is nothing to remove.
        let _swept_later = fs::remove_file(&self.path);
        prune(&self.root, self.path.parent());
    }
}

/// Does `work` in `dir`, which is made if it is missing.
fn with_directory<T>(
    dir: &Path,
    make: impl Fn() -> io::Result<()>,
    work: impl Fn() -> io::Result<T>,
) -> io::Result<T> {
    for _ in 0..ATTEMPTS {
        match work() {
            Err(e) if e.kind() == ErrorKind::NotFound => match make() {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => {}
            },
            done => return done,
        }
    }
    Err(io::Error::new(ErrorKind::NotFound, format!("{} goes away again and again", dir.display())))
}

/// Makes a directory below `root`, and all between, durably.
fn make(root: &Path, dir: &Path) -> io::Result<()> {
    if dir == root {
        return fs::create_dir_all(root);
    }
    let parent = dir.parent().unwrap_or(root);
    match fs::create_dir(dir) {
        Ok(()) => sync(parent),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            make(root, parent)?;
            make(root, dir)
        }
        Err(e) if e.kind() == ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(ErrorKind::NotADirectory.into()),
        Err(e) => Err(e),
    }
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Removes directories that have become empty, from `dir` upwards.
fn prune(root: &Path, dir: Option<&Path>) {
    let mut dir = dir;
    while let Some(at) = dir.filter(|d| d.starts_with(root) && d.parent() != Some(root) && *d != root) {
        if fs::remove_dir(at).is_err() {
            return;
        }
        dir = at.parent();
    }
}

/// Deletes objects; those that are not there count as deleted.
pub(super) fn delete(root: &Path, paths: &[PathBuf], what: &str) -> Result<(), Error> {
    let mut parents: Vec<&Path> = Vec::new();
    for path in paths {
        match fs::remove_file(path) {
            Ok(()) => parents.extend(path.parent()),
            Err(e) if of_read(what, &e).kind == Kind::NotFound => {}
            Err(e) => return Err(of_write(what, &e)),
        }
    }
    parents.sort_unstable();
    parents.dedup();
    for parent in parents {
        match sync(parent) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(of_sync(what, &e)),
            _ => prune(root, Some(parent)),
        }
    }
    Ok(())
}

/// Opens an object; its length with it.
pub(super) fn open(path: &Path, what: &str) -> Result<(File, u64), Error> {
    let file = File::open(path).map_err(|e| of_read(what, &e))?;
    let meta = file.metadata().map_err(|e| of_read(what, &e))?;
    if !meta.is_file() {
        return Err(Error::new(Kind::NotFound, what, "no object"));
    }
    Ok((file, meta.len()))
}

/// Reads a range that lies within the file.
pub(super) fn read(file: &File, range: Range<u64>, what: &str) -> Result<Bytes, Error> {
    let too_long = |_| Error::new(Kind::Range, what, "more than fits in memory");
    let len = usize::try_from(range.end - range.start).map_err(too_long)?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, range.start).map_err(|e| of_read(what, &e))?;
    Ok(bytes.into())
}

fn random_name(what: &str) -> Result<String, Error> {
    let mut id = [0; 16];
    let filled = SystemRandom::new().fill(&mut id);
    filled.map_err(|_| Error::new(Kind::Transient, what, "the system gave no randomness"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(id)))
}
