//! The threat model names tests; here it is checked that they exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::files;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What a document has between backticks and looks like the name of one of our tests: a sentence of at least four words.
fn named_tests(text: &str) -> BTreeSet<String> {
    let spans = text.split('`').skip(1).step_by(2);
    let is_test = |s: &&str| {
        s.matches('_').count() >= 3
            && s.chars().all(|c| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    let is_metric = |s: &&str| s.starts_with("tidegate_");
    spans.filter(is_test).filter(|s| !is_metric(s)).map(str::to_owned).collect()
}

fn sources() -> Result<String> {
    let mut all = String::new();
    for folder in ["kafka/src", "config/src", "store/src", "tiering/src", "proxy/src", "tests/tests"] {
        for file in files::list(&root().join(folder), ".rs")? {
            all += &fs::read_to_string(file)?;
        }
    }
    Ok(all)
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let text = fs::read_to_string(root().join("docs/security.md")).expect("docs/security.md");
    let (named, sources) = (named_tests(&text), sources().expect("the sources"));
    assert!(named.len() > 30, "only {} tests are named", named.len());
    let missing: Vec<_> = named.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
