//! The way out: a partition's history from the bucket into a directory of segments, from which a broker starts without us; or, by
//! [`refill`], into a running cluster.

mod filler;
pub mod leader;
pub mod pieces;
pub mod refill;
pub mod target;
mod walk;

use std::path::{Path, PathBuf};

use kafka::batch::{Batches, set_leader_epoch};
use kafka::types::LeaderEpoch;
use store::SharedStore;
use tokio::fs;
use tokio::io::AsyncWriteExt;

use crate::layout::Layout;
use crate::manifest::{Entry, Manifest, decode_spill};
use crate::verify::{self, VerifyError};

/// Why nothing, or not all, was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The bucket.
    #[error("{0}")]
    Read(#[from] VerifyError),
    /// The directory.
    #[error("{}: {source}", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something is there already.
    #[error("{}: exists already; name another directory, or remove it", .0.display())]
    Exists(PathBuf),
}

/// All segments that a manifest names, spills included.
///
/// # Errors
/// The store, or a damaged spill.
pub async fn entries(store: &SharedStore, layout: &Layout, m: &Manifest) -> Result<Vec<Entry>, VerifyError> {
    let mut all = Vec::new();
    for spill in &m.spills {
        let body = store.get(&layout.spill(m.partition, spill.base, spill.nonce)).await?;
        all.extend(decode_spill(&body, spill).map_err(|_| VerifyError::Mismatch)?);
    }
    all.extend(&m.entries);
    all.retain(|e| e.end() > m.start);
    Ok(all)
}

/// Restores one partition into `{dir}/{topic}-{partition}`, checking every CRC on the way. `progress` is told of bytes written.
///
/// Epochs in batches become 0 unless `keep_epochs`: a new cluster counts its own from 0, and forgets larger ones with a warning
/// (`LeaderEpochFileCache`). The CRC doesn't cover them.
///
/// # Errors
/// See [`RestoreError`]. What was written so far stays.
pub async fn partition(
    store: &SharedStore,
    layout: &Layout,
    m: &Manifest,
    dir: &Path,
    keep_epochs: bool,
    progress: impl Fn(u64),
) -> Result<PathBuf, RestoreError> {
    let path = dir.join(format!("{}-{}", m.topic, m.partition.partition));
    if fs::try_exists(&path).await.unwrap_or(false) {
        return Err(RestoreError::Exists(path));
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| RestoreError::Write { path, source }
    };
    fs::create_dir_all(&path).await.map_err(failed(&path))?;
    for entry in entries(store, layout, m).await? {
        let file = path.join(format!("{:020}.log", entry.base.0));
        let mut out = fs::File::create_new(&file).await.map_err(failed(&file))?;
        let aux = verify::aux(store, layout, m.partition, &entry).await?;
        let mut rest = Vec::new();
        for index in 0..aux.blocks.len() as u32 {
            rest.extend_from_slice(&verify::block(store, layout, m.partition, &entry, &aux, index).await?);
            let done = whole_batches(&mut rest, &entry, keep_epochs)?;
            out.write_all(&rest[..done]).await.map_err(failed(&file))?;
            progress(done as u64);
            rest.drain(..done);
        }
        out.sync_all().await.map_err(failed(&file))?;
    }
    Ok(path)
}

/// Checks the whole batches at the front and sets their epochs; returns their bytes. What lies behind the entry's end is left out.
fn whole_batches(bytes: &mut [u8], entry: &Entry, keep_epochs: bool) -> Result<usize, VerifyError> {
    let (mut spans, mut batches) = (Vec::new(), Batches::new(bytes));
    for batch in batches.by_ref() {
        let batch = batch.map_err(|_| VerifyError::Batch(entry.base.0))?;
        if !batch.crc_ok() {
            return Err(VerifyError::Batch(batch.base_offset().0));
        }
        if batch.base_offset() >= entry.end() {
            break;
        }
        spans.push(batch.span());
    }
    for span in spans.iter().filter(|_| !keep_epochs) {
        set_leader_epoch(&mut bytes[span.clone()], LeaderEpoch(0))
            .map_err(|_| VerifyError::Batch(entry.base.0))?;
    }
    Ok(spans.last().map_or(0, |span| span.end))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::time::Duration;

    use store::memory::Memory;

    use super::*;
    use crate::offload::plan::Rules;
    use crate::offload::{Offloader, Step, Tools};
    use crate::testing::{FakeLog, batch, named};

    #[tokio::test]
    async fn the_files_hold_the_log_from_its_first_byte_to_its_last_in_kafkas_own_names() {
        let (store, log) = (Arc::new(Memory::default()), Arc::new(FakeLog::default()));
        log.with(|l| l.batches = (0..30).map(|i| batch(i * 10, 10, 1)).collect());
        let layout = Layout::new("c").unwrap();
        let tools =
            Tools { store: store.clone(), layout: layout.clone(), source: log.clone(), pace: Arc::default() };
        let rules = Rules { segment_bytes: 1000, segment_age: Duration::ZERO, trim: None };
        let mut offloader = Offloader::take_over(tools, named(), rules, "me").await.unwrap();
        while offloader.step().await.unwrap() != Step::Idle {}
        let (dir, store): (_, SharedStore) = (tempfile::tempdir().unwrap(), store);
        let told = AtomicU64::new(0);
        let progress = |n| {
            told.fetch_add(n, Relaxed);
        };
        let m = offloader.manifest();
        let path = partition(&store, &layout, m, dir.path(), false, progress).await.unwrap();
        let mut files: Vec<_> = std::fs::read_dir(&path).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort();
        assert_eq!(files[0].file_name().unwrap(), "00000000000000000000.log");
        let bytes: Vec<u8> = files.iter().flat_map(|f| std::fs::read(f).unwrap()).collect();
        assert_eq!(bytes, log.with(|l| l.bytes(0, 300)));
        assert_eq!(told.load(Relaxed), bytes.len() as u64);
        let again = partition(&store, &layout, m, dir.path(), false, |_| {}).await;
        assert!(matches!(again, Err(RestoreError::Exists(_))), "nothing is overwritten");
    }
}
