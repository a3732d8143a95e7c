//! Blocks on disk, below those in memory: a file each, named by the segment's nonce, so that they outlive a restart and nothing old is ever taken for
//! something new.
//!
//! Nothing here is trusted: a block's CRC is in its segment's `.aux` file and is checked on every read. What can't be written is counted and
//! fetched again another time.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

/// What a block is known by: its segment's nonce, and its place in it.
pub(super) type Name = (u64, u32);

/// Which blocks there are, and which was used longest ago.
#[derive(Debug, Default)]
struct Index {
    blocks: HashMap<Name, (u64, u64)>,
    by_use: BTreeMap<u64, Name>,
    bytes: u64,
    tick: u64,
}

impl Index {
    fn touch(&mut self, name: Name, size: u64) {
        self.forget(name);
        self.tick += 1;
        self.blocks.insert(name, (size, self.tick));
        self.by_use.insert(self.tick, name);
        self.bytes += size;
    }

    fn forget(&mut self, name: Name) {
        if let Some((size, tick)) = self.blocks.remove(&name) {
            self.by_use.remove(&tick);
            self.bytes -= size;
        }
    }

    /// Forgets those used longest ago until `bytes` fit into `max`; says which.
    fn make_room(&mut self, bytes: u64, max: u64) -> Vec<Name> {
        let mut gone = Vec::new();
        while self.bytes + bytes > max
            && let Some((_, name)) = self.by_use.first_key_value().map(|(tick, name)| (*tick, *name))
        {
            self.forget(name);
            gone.push(name);
        }
        gone
    }
}

/// A directory of blocks.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    dir: Arc<Path>,
    max: u64,
    index: Arc<Mutex<Index>>,
}

impl Disk {
    /// Opens a directory, making it if needed, and takes over what an earlier run left there. `max`: bytes it may hold.
    ///
    /// # Errors
    /// The directory can't be used.
    pub(super) fn open(dir: &Path, max: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            match entry.file_name().to_str().map(parse) {
                Some(Some(name)) => {
                    let meta = entry.metadata()?;
                    found.push((meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), name, meta.len()));
                }
                // Half a block of a run that was killed.
                Some(None) if entry.path().extension().is_some_and(|e| e == "part") => {
                    fs::remove_file(entry.path())?;
                }
                _ => {}
            }
        }
        found.sort();
        let disk = Self { dir: dir.into(), max, index: Arc::default() };
        found.into_iter().for_each(|(_, name, size)| disk.index().touch(name, size));
        let gone = disk.index().make_room(0, max);
        gone.into_iter().for_each(|name| disk.remove(name));
        Ok(disk)
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, name: Name) -> PathBuf {
        self.dir.join(format!("{:016x}-{}", name.0, name.1))
    }

    /// Reads a block, whose CRC the caller checks; `None` if it isn't there.
    pub(super) async fn get(&self, name: Name) -> Option<Bytes> {
        if !self.index().blocks.contains_key(&name) {
            return None;
        }
        let path = self.path(name);
        let read = tokio::task::spawn_blocking(move || fs::read(path)).await.ok()?;
        match read {
            Ok(bytes) => {
                self.index().touch(name, bytes.len() as u64);
                Some(bytes.into())
            }
            Err(_) => {
                self.drop_block(name);
                None
            }
        }
    }

    /// Keeps a block; those used longest ago make room.
    ///
    /// # Errors
    /// It can't be written. Nothing is kept then.
    pub(super) async fn put(&self, name: Name, bytes: Bytes) -> io::Result<()> {
        let disk = self.clone();
        let work = move || {
            let size = bytes.len() as u64;
            let gone = disk.index().make_room(size, disk.max);
            gone.into_iter().for_each(|name| disk.remove(name));
            let (path, part) = (disk.path(name), disk.path(name).with_extension("part"));
            // Whole or not at all. Not synced: what a power failure tears, its CRC tells.
            fs::write(&part, &bytes).and_then(|()| fs::rename(&part, path)).inspect_err(|_| {
                // A full disk must not stay full of halves.
                let _gone = fs::remove_file(&part);
            })?;
            disk.index().touch(name, size);
            Ok(())
        };
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }

    /// Drops a block that turned out to be damaged.
    pub(super) fn drop_block(&self, name: Name) {
        self.index().forget(name);
        self.remove(name);
    }

    fn remove(&self, name: Name) {
        // What can't be removed is found again, and counted, by the next start.
        let _gone = fs::remove_file(self.path(name));
    }
}

fn parse(file: &str) -> Option<Name> {
    let (nonce, index) = file.split_once('-')?;
    let sound = nonce.len() == 16;
    Some((u64::from_str_radix(nonce, 16).ok().filter(|_| sound)?, index.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(byte: u8) -> Bytes {
        vec![byte; 1000].into()
    }

    #[tokio::test]
    async fn blocks_outlive_a_restart_and_the_bound_holds_across_it() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), 3_000).unwrap();
        for n in 0..5 {
            disk.put((7, n), block(n as u8)).await.unwrap();
        }
        assert_eq!(disk.get((7, 1)).await, None, "the oldest made room");
        assert_eq!(disk.get((7, 2)).await, Some(block(2)));
        disk.put((8, 0), block(9)).await.unwrap();
        assert_eq!(disk.get((7, 3)).await, None, "2 was used since, 3 was not");
        fs::write(dir.path().join("0000000000000001-0.part"), b"half").unwrap();
        let again = Disk::open(dir.path(), 2_000).unwrap();
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            2,
            "halves are gone and the smaller bound holds"
        );
        assert_eq!(again.get((8, 0)).await, Some(block(9)));
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_an_error_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), 10_000).unwrap();
        fs::remove_dir_all(dir.path()).unwrap();
        assert!(disk.put((1, 1), block(1)).await.is_err());
        assert_eq!(disk.get((1, 1)).await, None);
    }
}
