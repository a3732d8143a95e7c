//! Batches, a log and a store for tests.

use bytes::BufMut;
use kafka::client::log::Fetched;
use kafka::code::Code;
use kafka::types::{LeaderEpoch, Offset};

use crate::source::SourceError;

/// Sets the CRC of a batch to that of its bytes.
pub(crate) fn with_crc(mut batch: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

fn header(
    base: i64,
    last_delta: i32,
    attributes: i16,
    timestamps: (i64, i64),
    producer: i64,
    body: &[u8],
    count: i32,
) -> Vec<u8> {
    let mut b = Vec::new();
    b.put_i64(base);
    b.put_i32((49 + body.len()) as i32);
    b.put_i32(0);
    b.put_i8(2);
    b.put_u32(0);
    b.put_i16(attributes);
    b.put_i32(last_delta);
    b.put_i64(timestamps.0);
    b.put_i64(timestamps.1);
    b.put_i64(producer);
    b.put_i16(0);
    b.put_i32(0);
    b.put_i32(count);
    b.extend_from_slice(body);
    with_crc(b)
}

/// A zigzag varint of a small non-negative number.
fn small(n: usize) -> u8 {
    u8::try_from(n * 2).unwrap()
}

/// A batch of `count` records of one byte each, all at one timestamp.
pub(crate) fn batch(base: i64, count: i32, timestamp: i64) -> Vec<u8> {
    let mut body = Vec::new();
    for n in 0..count {
        // length, attributes, timestamp delta, offset delta, key null, value, headers
        body.extend_from_slice(&[small(7), 0, 0, small(n as usize), 1, small(1), b'v', 0]);
    }
    header(base, count - 1, 0, (timestamp, timestamp), -1, &body, count)
}

/// A batch of a transaction.
pub(crate) fn in_transaction(base: i64, count: i32, producer: i64) -> Vec<u8> {
    let mut b = batch(base, count, 1);
    b[43..51].copy_from_slice(&producer.to_be_bytes());
    b[21..23].copy_from_slice(&0x10i16.to_be_bytes());
    with_crc(b)
}

fn marker(producer: i64, offset: i64, kind: u8) -> Vec<u8> {
    let body = [small(15), 0, 0, 0, small(4), 0, 0, 0, kind, small(6), 0, 0, 0, 0, 0, 0, 0];
    header(offset, 0, 0x30, (1, 1), producer, &body, 1)
}

/// An abort marker.
pub(crate) fn abort_marker(producer: i64, offset: i64) -> Vec<u8> {
    marker(producer, offset, 0)
}

/// A commit marker.
pub(crate) fn commit_marker(producer: i64, offset: i64) -> Vec<u8> {
    marker(producer, offset, 1)
}

/// A partition's log in memory, and what a broker would answer about it.
#[derive(Debug, Default)]
pub(crate) struct FakeLog(std::sync::Mutex<Fake>);

/// What it is made of.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    /// Batches in order.
    pub(crate) batches: Vec<Vec<u8>>,
    /// Where the log starts now.
    pub(crate) start: i64,
    /// The last stable offset, if it is not the end.
    pub(crate) stable: Option<i64>,
    /// Aborted transactions: producer, first, marker.
    pub(crate) aborted: Vec<(i64, i64, i64)>,
    /// Whether it may not be trimmed.
    pub(crate) refuses_trim: bool,
    /// What is told to whoever asks with an epoch: the log took another turn.
    pub(crate) diverging: Option<(i32, i64)>,
}

impl FakeLog {
    /// Changes it.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Fake) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }
}

impl Fake {
    /// The end of the log.
    pub(crate) fn end(&self) -> i64 {
        self.batches.last().map_or(0, |b| view(b).end_offset().0)
    }

    /// All bytes of the batches of a range.
    pub(crate) fn bytes(&self, from: i64, to: i64) -> Vec<u8> {
        let within = |b: &&Vec<u8>| view(b).end_offset().0 > from && view(b).base_offset().0 < to;
        self.batches.iter().filter(within).flatten().copied().collect()
    }
}

/// A batch's view.
pub(crate) fn view(bytes: &[u8]) -> kafka::batch::BatchView<'_> {
    kafka::batch::Batches::new(bytes).next().unwrap().unwrap()
}

#[async_trait::async_trait]
impl crate::source::Source for FakeLog {
    async fn fetch(
        &self,
        _: &crate::source::Named,
        from: Offset,
        last_epoch: LeaderEpoch,
        max_bytes: u32,
    ) -> Result<Fetched, SourceError> {
        self.with(|log| {
            let (end, stable) = (log.end(), log.stable.unwrap_or(log.end()));
            if from.0 < log.start || from.0 > end {
                return Err(SourceError::Refused(Code::OFFSET_OUT_OF_RANGE));
            }
            let mut records = Vec::new();
            for b in
                log.batches.iter().filter(|b| view(b).end_offset() > from && view(b).end_offset().0 <= stable)
            {
                records.extend_from_slice(b);
                if records.len() >= max_bytes as usize {
                    break;
                }
            }
            // As a broker does: the last batch may be cut off, the first may not.
            let first = log.batches.iter().find(|b| view(b).end_offset() > from).map_or(0, Vec::len);
            records.truncate((max_bytes as usize).max(first));
            let diverging =
                log.diverging.filter(|_| last_epoch.0 >= 0).map(|(e, o)| (LeaderEpoch(e), Offset(o)));
            if diverging.is_some() {
                records.clear();
            }
            Ok(Fetched {
                high_watermark: Offset(end),
                last_stable: Offset(stable),
                log_start: Offset(log.start),
                aborted: log
                    .aborted
                    .iter()
                    .filter(|a| a.2 >= from.0 && a.1 < stable)
                    .map(|a| (a.0, a.1))
                    .collect(),
                diverging,
                records: records.into(),
            })
        })
    }

    async fn log_start(&self, _: &crate::source::Named) -> Result<Offset, SourceError> {
        Ok(Offset(self.with(|log| log.start)))
    }

    async fn ends(&self, _: &crate::source::Named) -> Result<(Offset, Offset), SourceError> {
        Ok(self.with(|log| (Offset(log.end()), Offset(log.stable.unwrap_or(log.end())))))
    }

    async fn trim(&self, _: &crate::source::Named, to: Offset) -> Result<(), SourceError> {
        self.with(|log| {
            if log.refuses_trim {
                return Err(SourceError::Refused(Code::TOPIC_AUTHORIZATION_FAILED));
            }
            log.start = log.start.max(to.0);
            Ok(())
        })
    }
}

/// A store in which everything fails from some operation on, as for a process that is killed there.
#[derive(Debug)]
pub(crate) struct Dying {
    inner: store::memory::Memory,
    /// Operations left; the last of them happens, but its answer is lost if `late`.
    left: std::sync::atomic::AtomicI64,
    late: bool,
}

impl Dying {
    /// Dies after `ops` operations.
    pub(crate) fn after(inner: store::memory::Memory, ops: i64, late: bool) -> Self {
        Self { inner, left: ops.into(), late }
    }

    /// Whether it died.
    pub(crate) fn is_dead(&self) -> bool {
        self.left.load(std::sync::atomic::Ordering::Relaxed) < 0
    }

    /// Whether the operation happens and whether its answer comes.
    fn op(&self) -> (bool, bool) {
        let left = self.left.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        (left > 0 || (left == 0 && self.late), left > 0)
    }

    fn dead<T>() -> Result<T, store::Error> {
        Err(store::Error::new(store::Kind::Uncertain, "op", "killed here"))
    }
}

macro_rules! dying {
    ($self:ident, $call:expr) => {{
        let (happens, answers) = $self.op();
        let done = if happens { Some($call.await) } else { None };
        match done {
            Some(done) if answers => done,
            _ => Dying::dead(),
        }
    }};
}

#[async_trait::async_trait]
impl store::Store for Dying {
    async fn put(&self, key: &store::Key, body: bytes::Bytes, mode: store::Mode) -> Result<(), store::Error> {
        dying!(self, self.inner.put(key, body, mode))
    }
    async fn upload(&self, key: &store::Key) -> Result<Box<dyn store::Upload>, store::Error> {
        dying!(self, self.inner.upload(key))
    }
    async fn get(&self, key: &store::Key) -> Result<bytes::Bytes, store::Error> {
        dying!(self, self.inner.get(key))
    }
    async fn get_range(
        &self,
        key: &store::Key,
        range: std::ops::Range<u64>,
    ) -> Result<bytes::Bytes, store::Error> {
        dying!(self, self.inner.get_range(key, range))
    }
    async fn head(&self, key: &store::Key) -> Result<store::Meta, store::Error> {
        dying!(self, self.inner.head(key))
    }
    async fn list(
        &self,
        prefix: &str,
        after: Option<&store::Key>,
        n: usize,
    ) -> Result<Vec<store::Meta>, store::Error> {
        dying!(self, self.inner.list(prefix, after, n))
    }
    async fn delete(&self, keys: &[store::Key]) -> Result<(), store::Error> {
        dying!(self, self.inner.delete(keys))
    }
    async fn abort_uploads(&self, prefix: &str, age: std::time::Duration) -> Result<usize, store::Error> {
        dying!(self, self.inner.abort_uploads(prefix, age))
    }
}

/// The partition of all tests.
pub(crate) fn named() -> crate::source::Named {
    let id =
        crate::PartitionId { topic: kafka::types::TopicId([7; 16]), partition: kafka::types::Partition(3) };
    crate::source::Named { topic: "orders".into(), id }
}
