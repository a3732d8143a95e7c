//! What the brokers' disks hold of a topic.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};

use super::places::Place;

/// Bytes in one of the blocks that the kernel counts files in.
const BLOCK: u64 = 512;

/// Bytes on all brokers' disks of a topic's partitions, every replica counted. By blocks, as `du` counts: indexes
/// are longer than what they hold.
pub(crate) fn used(places: &[Place], topic: &str) -> Result<u64> {
    places.iter().map(|place| on_broker(&place.log_dir, topic)).sum()
}

fn on_broker(log_dir: &Path, topic: &str) -> Result<u64> {
    let mut sum = 0;
    let entries = fs::read_dir(log_dir).with_context(|| format!("list {}", log_dir.display()))?;
    for entry in entries {
        let entry = entry?;
        if is_partition_of(&entry.file_name().to_string_lossy(), topic) {
            sum += folder(&entry.path());
        }
    }
    Ok(sum)
}

/// Files that go while they are looked at take no room.
fn folder(path: &Path) -> u64 {
    let files = fs::read_dir(path).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|m| m.blocks() * BLOCK).sum()
}

fn is_partition_of(folder: &str, topic: &str) -> bool {
    let number = folder.strip_prefix(topic).and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_topics_own_partitions_count() {
        let is = |folder| is_partition_of(folder, "history");
        assert!(is("history-0") && is("history-12"));
        assert!(!is("history") && !is("history-a-0") && !is("prehistory-0") && !is("history-"));
    }
}
