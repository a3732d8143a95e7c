//! A store that does what a test says, call by call.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Error, Key, Kind, Meta, Mode, Store, Upload};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// It succeeds; ranges answer with as many zeroes.
    Answer,
    /// It fails.
    Fail(Kind),
    /// It never ends.
    Hang,
}

/// The script; after its end calls succeed.
#[derive(Clone, Debug)]
pub(super) struct Script(Arc<Mutex<(VecDeque<Act>, usize)>>);

impl Script {
    pub(super) fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        Self(Arc::new(Mutex::new((acts.into_iter().collect(), 0))))
    }

    /// Calls so far.
    pub(super) fn calls(&self) -> usize {
        self.0.lock().unwrap().1
    }

    async fn act(&self) -> Result<(), Error> {
        let act = {
            let mut script = self.0.lock().unwrap();
            script.1 += 1;
            script.0.pop_front().unwrap_or(Act::Answer)
        };
        match act {
            Act::Answer => Ok(()),
            Act::Fail(kind) => Err(Error::new(kind, "call", "as the test says")),
            Act::Hang => pending().await,
        }
    }
}

pub(super) fn key() -> Key {
    Key::new("k").unwrap()
}

/// One look at a future.
pub(super) fn poll<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[async_trait]
impl Store for Script {
    async fn put(&self, _: &Key, _: Bytes, _: Mode) -> Result<(), Error> {
        self.act().await
    }

    async fn upload(&self, _: &Key) -> Result<Box<dyn Upload>, Error> {
        Ok(Box::new(self.clone()))
    }

    async fn get(&self, _: &Key) -> Result<Bytes, Error> {
        self.act().await.map(|()| Bytes::new())
    }

    async fn get_range(&self, _: &Key, range: Range<u64>) -> Result<Bytes, Error> {
        self.act().await.map(|()| vec![0; (range.end - range.start) as usize].into())
    }

    async fn head(&self, key: &Key) -> Result<Meta, Error> {
        self.act().await.map(|()| Meta { key: key.clone(), size: 0, written: SystemTime::UNIX_EPOCH })
    }

    async fn list(&self, _: &str, _: Option<&Key>, _: usize) -> Result<Vec<Meta>, Error> {
        self.act().await.map(|()| Vec::new())
    }

    async fn delete(&self, _: &[Key]) -> Result<(), Error> {
        self.act().await
    }

    async fn abort_uploads(&self, _: &str, _: Duration) -> Result<usize, Error> {
        self.act().await.map(|()| 0)
    }
}

#[async_trait]
impl Upload for Script {
    async fn part(&mut self, _: Bytes) -> Result<(), Error> {
        self.act().await
    }

    async fn complete(self: Box<Self>) -> Result<(), Error> {
        self.act().await
    }

    async fn abort(self: Box<Self>) -> Result<(), Error> {
        self.act().await
    }
}
