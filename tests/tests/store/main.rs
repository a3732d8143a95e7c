//! What every store keeps, what the S3 backend makes of everything that can go wrong on the way, and who it says it is.

#![allow(missing_docs, clippy::unwrap_used)]

mod credentials;
mod faults;
mod objects;
mod races;
mod table;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use store::s3::{S3, Settings};
use store::{Error, Key, Kind, SharedStore};
use tidegate_tests::s3::{Maker, Server};

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn kind<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Kind {
    outcome.unwrap_err().kind
}

/// One server for all tests of this process.
fn s3proxy() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Maker::S3Proxy).unwrap())
}

async fn s3(settings: Settings) -> SharedStore {
    Arc::new(S3::open(settings).await.unwrap())
}

async fn listed(store: &SharedStore, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let after = after.map(key);
    let found = store.list(prefix, after.as_ref(), limit).await.unwrap();
    found.iter().map(|m| m.key.to_string()).collect()
}
