//! Counting what is asked of the store, and what it answers.

use std::fmt::Debug;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Error, Key, Kind, Meta, Mode, SharedStore, Store, Upload};

/// What is asked of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Writing an object whole.
    Put,
    /// Beginning an upload.
    Begin,
    /// Adding a part.
    Part,
    /// Completing an upload.
    Complete,
    /// Giving an upload up.
    Abort,
    /// Reading, whole or a range.
    Get,
    /// Looking at an object.
    Head,
    /// A listing.
    List,
    /// Deleting a batch.
    Delete,
    /// Sweeping uploads.
    Sweep,
}

impl Op {
    /// As a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Begin => "begin",
            Self::Part => "part",
            Self::Complete => "complete",
            Self::Abort => "abort",
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Sweep => "sweep",
        }
    }
}

/// Who is told of every request that reached a backend. Called on the caller's task: must not block.
pub trait Meter: Debug + Send + Sync + 'static {
    /// A request ended. `outcome`: `ok`, `cancelled`, or [`Kind::label`]; `bytes` of body that went or came.
    fn request(&self, op: Op, outcome: &'static str, bytes: u64, took: Duration);
}

/// A store whose every request is told to a meter.
#[derive(Clone, Debug)]
pub struct Metered {
    inner: SharedStore,
    meter: Arc<dyn Meter>,
}

impl Metered {
    /// Meters `inner`.
    pub fn new(inner: SharedStore, meter: Arc<dyn Meter>) -> Self {
        Self { inner, meter }
    }
}

/// Tells the meter, also if the call is given up.
struct Told<'a> {
    meter: &'a dyn Meter,
    op: Op,
    began: Instant,
    outcome: &'static str,
    bytes: u64,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.meter.request(self.op, self.outcome, self.bytes, self.began.elapsed());
    }
}

/// Does `call`; `bytes` says how many a success moved.
async fn told<T>(
    meter: &dyn Meter,
    op: Op,
    call: impl Future<Output = Result<T, Error>>,
    bytes: impl FnOnce(&T) -> usize,
) -> Result<T, Error> {
    let mut told = Told { meter, op, began: Instant::now(), outcome: "cancelled", bytes: 0 };
    let done = call.await;
    (told.outcome, told.bytes) = match &done {
        Ok(value) => ("ok", bytes(value) as u64),
        Err(e) => (e.kind.label(), 0),
    };
    done
}

#[async_trait]
impl Store for Metered {
    async fn put(&self, key: &Key, body: Bytes, mode: Mode) -> Result<(), Error> {
        let len = body.len();
        told(&*self.meter, Op::Put, self.inner.put(key, body, mode), |()| len).await
    }

    async fn upload(&self, key: &Key) -> Result<Box<dyn Upload>, Error> {
        let inner = told(&*self.meter, Op::Begin, self.inner.upload(key), |_| 0).await?;
        Ok(Box::new(Parts { inner, meter: self.meter.clone() }))
    }

    async fn get(&self, key: &Key) -> Result<Bytes, Error> {
        told(&*self.meter, Op::Get, self.inner.get(key), Bytes::len).await
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, Error> {
        told(&*self.meter, Op::Get, self.inner.get_range(key, range), Bytes::len).await
    }

    async fn head(&self, key: &Key) -> Result<Meta, Error> {
        told(&*self.meter, Op::Head, self.inner.head(key), |_| 0).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, Error> {
        told(&*self.meter, Op::List, self.inner.list(prefix, after, limit), |_| 0).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), Error> {
        told(&*self.meter, Op::Delete, self.inner.delete(keys), |()| 0).await
    }

    async fn abort_uploads(&self, prefix: &str, age: Duration) -> Result<usize, Error> {
        told(&*self.meter, Op::Sweep, self.inner.abort_uploads(prefix, age), |_| 0).await
    }
}

#[derive(Debug)]
struct Parts {
    inner: Box<dyn Upload>,
    meter: Arc<dyn Meter>,
}

#[async_trait]
impl Upload for Parts {
    async fn part(&mut self, body: Bytes) -> Result<(), Error> {
        let len = body.len();
        told(&*self.meter, Op::Part, self.inner.part(body), |()| len).await
    }

    async fn complete(self: Box<Self>) -> Result<(), Error> {
        told(&*self.meter, Op::Complete, self.inner.complete(), |()| 0).await
    }

    async fn abort(self: Box<Self>) -> Result<(), Error> {
        told(&*self.meter, Op::Abort, self.inner.abort(), |()| 0).await
    }
}

impl Kind {
    /// As a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Exists => "exists",
            Self::NotFound => "not_found",
            Self::Range => "range",
            Self::Conflict => "conflict",
            Self::Throttled => "throttled",
            Self::Uncertain => "uncertain",
            Self::Transient => "transient",
            Self::Denied => "denied",
            Self::Unusable => "unusable",
            Self::Corrupt => "corrupt",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::wrap::script::{Act, Script, key};

    #[derive(Debug, Default)]
    struct Notes(Mutex<Vec<(Op, &'static str, u64)>>);

    impl Meter for Notes {
        fn request(&self, op: Op, outcome: &'static str, bytes: u64, _: Duration) {
            self.0.lock().unwrap().push((op, outcome, bytes));
        }
    }

    #[tokio::test]
    async fn every_request_is_told_with_its_outcome_given_up_ones_too() {
        let script = Script::new([Act::Answer, Act::Fail(Kind::Throttled), Act::Hang]);
        let notes = Arc::new(Notes::default());
        let store = Metered::new(Arc::new(script), notes.clone());
        store.get_range(&key(), 0..10).await.unwrap();
        store.put(&key(), Bytes::from_static(b"x"), Mode::Create).await.unwrap_err();
        let given_up = tokio::time::timeout(Duration::from_millis(1), store.get(&key())).await;
        assert!(given_up.is_err());
        let told = notes.0.lock().unwrap().clone();
        assert_eq!(told, [(Op::Get, "ok", 10), (Op::Put, "throttled", 0), (Op::Get, "cancelled", 0)]);
    }
}
