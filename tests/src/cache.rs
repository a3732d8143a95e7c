//! Where downloads and compiled drivers are kept between runs, and how two processes share them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The cache folder: `$TIDEGATE_CACHE`, or `~/.cache/tidegate`.
pub fn dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("TIDEGATE_CACHE") {
        return dir.into();
    }
    let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
    home.join(".cache/tidegate")
}

/// Makes `dir` with `fill` unless it is complete already, and returns whether it had to.
///
/// Concurrent callers, other processes included, wait for each other on a lock file. A `fill` that failed
/// leaves no marker, so the next caller starts over in an empty folder.
pub fn fill_once(dir: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<bool> {
    let marker = dir.join(".complete");
    if marker.exists() {
        return Ok(false);
    }
    let parent = dir.parent().context("a cache folder needs a parent")?;
    fs::create_dir_all(parent)?;
    let lock = File::create(dir.with_added_extension("lock"))?;
    lock.lock().context("lock the cache")?;
    if marker.exists() {
        return Ok(false);
    }
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::create_dir_all(dir)?;
    fill(dir)?;
    fs::write(marker, "")?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_filled_once_and_again_after_a_failure() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("thing-1.2.3");
        fill_once(&dir, |_| anyhow::bail!("no network")).unwrap_err();
        let put = |d: &Path| Ok(fs::write(d.join("x"), "1")?);
        assert!(fill_once(&dir, put).unwrap());
        assert!(!fill_once(&dir, |_| unreachable!()).unwrap());
        assert_eq!(fs::read_to_string(dir.join("x")).unwrap(), "1");
    }
}
