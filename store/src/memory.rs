//! A store in memory, for tests.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use crate::{Error, Key, Kind, LIST_MAX, Meta, Mode, Store, Upload};

type Objects = BTreeMap<Key, (Bytes, SystemTime)>;

/// Objects in a map.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    objects: Arc<Mutex<Objects>>,
}

impl Memory {
    fn with<T>(&self, f: impl FnOnce(&mut Objects) -> T) -> T {
        f(&mut self.objects.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn insert(&self, key: &Key, body: Bytes, mode: Mode) -> Result<(), Error> {
        self.with(|objects| {
            if mode == Mode::Create && objects.contains_key(key) {
                return Err(Error::new(Kind::Exists, format!("put {key}"), "the key is taken"));
            }
            objects.insert(key.clone(), (body, SystemTime::now()));
            Ok(())
        })
    }
}

fn not_found(what: &str, key: &Key) -> Error {
    Error::new(Kind::NotFound, format!("{what} {key}"), "no such object")
}

#[async_trait]
impl Store for Memory {
    async fn put(&self, key: &Key, body: Bytes, mode: Mode) -> Result<(), Error> {
        self.insert(key, body, mode)
    }

    async fn upload(&self, key: &Key) -> Result<Box<dyn Upload>, Error> {
        Ok(Box::new(Parts { store: self.clone(), key: key.clone(), body: BytesMut::new() }))
    }

    async fn get(&self, key: &Key) -> Result<Bytes, Error> {
        self.with(|o| o.get(key).map(|(body, _)| body.clone())).ok_or_else(|| not_found("get", key))
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, Error> {
        let body = self.get(key).await?;
        if range.start > range.end || range.end > body.len() as u64 {
            return Err(Error::new(
                Kind::Range,
                format!("get {key}"),
                format!("{range:?} of {}", body.len()),
            ));
        }
        Ok(body.slice(range.start as usize..range.end as usize))
    }

    async fn head(&self, key: &Key) -> Result<Meta, Error> {
        let meta = |(body, written): &(Bytes, SystemTime)| Meta {
            key: key.clone(),
            size: body.len() as u64,
            written: *written,
        };
        self.with(|o| o.get(key).map(meta)).ok_or_else(|| not_found("head", key))
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, Error> {
        let wanted = |key: &Key| key.as_str().starts_with(prefix) && after.is_none_or(|after| key > after);
        Ok(self.with(|objects| {
            let found = objects.iter().filter(|(key, _)| wanted(key)).take(limit.min(LIST_MAX));
            found
                .map(|(key, (body, written))| Meta {
                    key: key.clone(),
                    size: body.len() as u64,
                    written: *written,
                })
                .collect()
        }))
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), Error> {
        self.with(|objects| {
            for key in keys {
                objects.remove(key);
            }
        });
        Ok(())
    }

    async fn abort_uploads(&self, _prefix: &str, _age: Duration) -> Result<usize, Error> {
        Ok(0)
    }
}

/// Parts of an object to be.
#[derive(Debug)]
struct Parts {
    store: Memory,
    key: Key,
    body: BytesMut,
}

#[async_trait]
impl Upload for Parts {
    async fn part(&mut self, body: Bytes) -> Result<(), Error> {
        self.body.extend_from_slice(&body);
        Ok(())
    }

    async fn complete(self: Box<Self>) -> Result<(), Error> {
        self.store.insert(&self.key, self.body.freeze(), Mode::Create)
    }

    async fn abort(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}
