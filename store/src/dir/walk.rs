//! Listing a tree in the order of its keys' bytes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::UNFINISHED;
use super::error::of_read;
use crate::{Error, Key, Kind, Meta};

/// What a listing asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) prefix: String,
    pub(super) after: Option<Key>,
    pub(super) limit: usize,
}

impl Wanted {
    /// Whether the key is asked for.
    fn key(&self, key: &str) -> bool {
        key.starts_with(&self.prefix) && self.after.as_ref().is_none_or(|after| key > after.as_str())
    }

    /// Whether keys that begin with `start`, which ends in `/`, may be asked for.
    fn any_in(&self, start: &str) -> bool {
        let within = start.starts_with(&self.prefix) || self.prefix.starts_with(start);
        let behind = |after: &Key| start > after.as_str() || after.as_str().starts_with(start);
        within && self.after.as_ref().is_none_or(behind)
    }
}

/// The objects asked for.
pub(super) fn list(root: &Path, wanted: &Wanted, what: &str) -> Result<Vec<Meta>, Error> {
    let mut found = Vec::new();
    let mut visit = |path: &Path, key: Key| {
        match meta(path, key, what) {
            Ok(meta) => found.push(meta),
            // Deleted since.
            Err(e) if e.kind == Kind::NotFound => {}
            Err(e) => return Err(e),
        }
        Ok(found.len() < wanted.limit)
    };
    if wanted.limit > 0 {
        walk(root, "", wanted, what, &mut visit)?;
    }
    Ok(found)
}

/// What visits an object: whether to go on.
type Visit<'a> = &'a mut dyn FnMut(&Path, Key) -> Result<bool, Error>;

/// Visits objects below `dir`, whose keys begin with `start`. False: stopped early.
fn walk(dir: &Path, start: &str, wanted: &Wanted, what: &str, visit: Visit<'_>) -> Result<bool, Error> {
    for (name, path) in entries(dir, what)? {
        let key = format!("{start}{name}");
        let go_on = if key.ends_with('/') {
            let skip = key.strip_suffix('/') == Some(UNFINISHED) || !wanted.any_in(&key);
            skip || walk(&path, &key, wanted, what, visit)?
        } else {
            match Key::new(&key).filter(|_| wanted.key(&key)) {
                Some(key) => visit(&path, key)?,
                None => true,
            }
        };
        if !go_on {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A directory's entries in the order of the keys below them: the name of a directory counts with its `/`.
fn entries(dir: &Path, what: &str) -> Result<Vec<(String, PathBuf)>, Error> {
    let read = || -> io::Result<Vec<(String, PathBuf)>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            // Names that are no text are not ours.
            let Ok(mut name) = entry.file_name().into_string() else { continue };
            if entry.file_type()?.is_dir() {
                name.push('/');
            }
            all.push((name, entry.path()));
        }
        all.sort_unstable();
        Ok(all)
    };
    match read() {
        // Deleted since.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        done => done.map_err(|e| of_read(what, &e)),
    }
}

/// Looks at an object.
pub(super) fn meta(path: &Path, key: Key, what: &str) -> Result<Meta, Error> {
    let found = fs::metadata(path).map_err(|e| of_read(what, &e))?;
    if !found.is_file() {
        return Err(Error::new(Kind::NotFound, what, "no object"));
    }
    let written = found.modified().map_err(|e| of_read(what, &e))?;
    Ok(Meta { key, size: found.len(), written })
}

/// Removes unfinished objects of keys that begin with `prefix`, last written to before `before`. Returns how many.
pub(super) fn sweep(root: &Path, prefix: &str, before: SystemTime, what: &str) -> Result<usize, Error> {
    let all = Wanted { prefix: prefix.to_owned(), after: None, limit: usize::MAX };
    let mut swept = 0;
    // The last segment is the unfinished object's own; the key is what comes before it.
    let mut visit = |path: &Path, key: Key| {
        let of = key.as_str().rsplit_once('/').map_or("", |(of, _)| of);
        let old = fs::metadata(path).and_then(|m| m.modified()).is_ok_and(|at| at <= before);
        if of.starts_with(prefix) && old && fs::remove_file(path).is_ok() {
            swept += 1;
            // Empty directories go with it, if nobody begins another one just now.
            let _in_use = path.parent().map(fs::remove_dir);
        }
        Ok(true)
    };
    walk(root, "", &all, what, &mut visit)?;
    Ok(swept)
}
