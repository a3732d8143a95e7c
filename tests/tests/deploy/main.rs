//! What operators are handed keeps up with the gateway: every metric that a dashboard, an alert or a page of the docs names is
//! exposed, every file parses, every configuration in it passes `tidegate check`.

#![allow(missing_docs, clippy::unwrap_used)]

mod configs;
mod metrics;
mod named;

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn at(path: &str) -> PathBuf {
    Path::new(ROOT).join(path)
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every file in a folder and below; links as what they lead to.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn yaml(path: impl AsRef<Path>) -> Vec<serde_json::Value> {
    let path = path.as_ref();
    serde_saphyr::from_multiple(&read(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
