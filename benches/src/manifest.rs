//! The manifest of a very long history: what it costs to open, to look up, to commit and to keep. No cluster and no network: a store in memory,
//! so that the numbers are the code's own.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use kafka::batch::Batches;
use kafka::types::{Offset, Partition, TopicId};
use store::memory::Memory;
use store::{Mode, SharedStore};
use tiering::PartitionId;
use tiering::layout::Layout;
use tiering::lineage::Lineage;
use tiering::manifest::{Entry, Manifest, encode_spill};
use tiering::read::Reader;
use tiering::segment::cut::Cut;
use tokio_util::task::TaskTracker;

use crate::candidate::Kind;
use crate::frames::spanning;
use crate::relay::Settings;
use crate::report::{Goal, Section, Style, value_cell};
use crate::samples::Samples;
use crate::stats::{Random, quantile};

const OURS: Kind = Kind::Tidegate;
/// Lengths that are compared.
const LENGTHS: [i64; 3] = [1_000, 10_000, 100_000];
/// Offsets of a segment.
const SPAN: i64 = 1000;
/// One segment in so many has its objects in the store, and is looked up.
const ONE_IN: i64 = 500;
const CACHE: u64 = 512 << 20;
const US: f64 = 1e6;

/// A history in a store, and its newest manifest as it lies there.
struct History {
    store: SharedStore,
    layout: Layout,
    manifest: Vec<u8>,
    segments: i64,
}

/// Runs all of it.
pub fn run(settings: &Settings) -> anyhow::Result<Section> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut samples, mut random) = (Samples::default(), Random(settings.seed));
    for segments in LENGTHS {
        let history = runtime.block_on(History::write(segments))?;
        for round in 0..settings.rounds {
            let row = segments.to_string();
            runtime.block_on(history.measure(&row, round, &mut samples, &mut random))?;
        }
    }
    Ok(section(&samples))
}

impl History {
    async fn write(segments: i64) -> anyhow::Result<Self> {
        let (store, layout): (SharedStore, _) = (Arc::new(Memory::default()), Layout::new("bench")?);
        let p = PartitionId { topic: TopicId([7; 16]), partition: Partition(0) };
        let mut m = Manifest::new("history", p, Offset(0));
        for n in 0..segments {
            let entry = segment(&store, &layout, p, n).await?;
            m.append(entry, &Lineage::default())?;
            if let Some(old) = m.to_spill() {
                let (nonce, base, body) = (n as u64, old[0].base, encode_spill(old));
                store.put(&layout.spill(p, base, nonce), body.into(), Mode::Create).await?;
                m.seal(nonce);
            }
        }
        Ok(Self { store, layout, manifest: m.encode(), segments })
    }

    async fn measure(
        &self,
        row: &str,
        round: usize,
        samples: &mut Samples,
        random: &mut Random,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        let m = Manifest::decode(&self.manifest)?;
        samples.push(row, OURS, "open_us", round, began.elapsed().as_secs_f64() * US);
        let began = Instant::now();
        ensure!(m.encode().len() == self.manifest.len(), "it is not the same written again");
        samples.push(row, OURS, "encode_us", round, began.elapsed().as_secs_f64() * US);
        samples.push(row, OURS, "bytes", round, self.manifest.len() as f64);
        let kept = m.spills.len() * size_of::<tiering::manifest::Spill>() + m.segments() * size_of::<Entry>();
        samples.push(row, OURS, "bytes_per_segment", round, kept as f64 / m.segments() as f64);
        let reader = Reader::new(self.store.clone(), self.layout.clone(), CACHE, TaskTracker::new());
        let mut wanted: Vec<i64> = (0..self.segments).step_by(ONE_IN as usize).collect();
        random.shuffle(&mut wanted);
        // The first pass has everything fetched.
        for metric in ["", "p99_us"] {
            let (mut by_offset, mut by_time) = (Vec::new(), Vec::new());
            for n in &wanted {
                by_offset.push(by_offset_us(&reader, &m, *n).await?);
                by_time.push(by_time_us(&reader, &m, *n).await?);
            }
            if !metric.is_empty() {
                samples.push(row, OURS, "offset_p99_us", round, p99(by_offset));
                samples.push(row, OURS, "time_p99_us", round, p99(by_time));
            }
        }
        Ok(())
    }
}

/// Microseconds to the first batch at an offset.
async fn by_offset_us(reader: &Reader, m: &Manifest, n: i64) -> anyhow::Result<f64> {
    let began = Instant::now();
    let slice = reader.read(m, Offset(n * SPAN + SPAN / 2), 1, true).await?.context("nothing there")?;
    ensure!(slice.end == Offset((n + 1) * SPAN), "another segment's batch");
    Ok(began.elapsed().as_secs_f64() * US)
}

/// Microseconds to the first record at a time: that of segment n.
async fn by_time_us(reader: &Reader, m: &Manifest, n: i64) -> anyhow::Result<f64> {
    let began = Instant::now();
    let found = reader.find_time(m, time_of(n)).await?.context("no such time")?;
    ensure!(found.offset == Offset(n * SPAN), "another record");
    Ok(began.elapsed().as_secs_f64() * US)
}

fn time_of(n: i64) -> i64 {
    1_700_000_000_000 + n * 1000
}

fn p99(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    quantile(&times, 0.99)
}

/// Segment n of one batch; its objects are written if it is one of those that are looked up.
async fn segment(store: &SharedStore, layout: &Layout, p: PartitionId, n: i64) -> anyhow::Result<Entry> {
    let batch = spanning(n * SPAN, SPAN as i32, time_of(n));
    let entry = Entry {
        base: Offset(n * SPAN),
        len: SPAN as u32,
        size: batch.len() as u32,
        max_timestamp: time_of(n),
        nonce: n as u64,
    };
    if n % ONE_IN == 0 {
        let mut cut = Cut::new(entry.base, u32::MAX);
        cut.take(&Batches::new(&batch).next().context("no batch")??)?;
        let aux = cut.finish().context("nothing was taken")?;
        store.put(&layout.aux(p, &entry), aux.encode().into(), Mode::Create).await?;
        store.put(&layout.log(p, &entry), Bytes::from(batch), Mode::Create).await?;
    }
    Ok(entry)
}

fn section(samples: &Samples) -> Section {
    let header = [
        "segments",
        "open, us",
        "by offset p99, us",
        "by time p99, us",
        "commit: bytes",
        "commit: us",
        "kept, bytes/segment",
    ];
    let mut table = Style::table(header);
    for row in LENGTHS.map(|n| n.to_string()) {
        let cell = |metric, digits| value_cell(samples.summary(&row, OURS, metric), digits);
        table.add_row([
            row.clone(),
            cell("open_us", 0),
            cell("offset_p99_us", 1),
            cell("time_p99_us", 1),
            cell("bytes", 0),
            cell("encode_us", 0),
            cell("bytes_per_segment", 1),
        ]);
    }
    let note = "A store in memory. Opened: the newest manifest decoded and checked. Looked up: from an offset, or a time, to the first batch there, through \
                spill, index and block, all of them in the cache. Commit: what is written, and how long it takes to make; the newest entries and a line per \
                512 older ones.";
    let long = LENGTHS[LENGTHS.len() - 1].to_string();
    let verdict = |metric, at_most| Goal::AtMost(at_most).verdict(samples.summary(&long, OURS, metric));
    Section::new("manifest", "A manifest of 100,000 segments", note, table, samples.clone(), Vec::new()).note(
        format!(
            "Of {long} segments: opened {} us, by offset {} us, by time {} us, kept {} bytes a segment.",
            verdict("open_us", 1000.0),
            verdict("offset_p99_us", 1000.0),
            verdict("time_p99_us", 1000.0),
            verdict("bytes_per_segment", 32.5)
        ),
    )
}
