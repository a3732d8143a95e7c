//! What we depend on: only crates from the registry, only under licences that `deny.toml` allows, and none
//! twice but those it names. (`cargo-deny` does the same and more; see there.)

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::Value;

const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The packages of the lock file that Linux builds use, ours left out.
fn packages() -> Vec<Value> {
    let out = Command::new(env!("CARGO"))
        .current_dir(WORKSPACE)
        .args(["metadata", "--format-version=1", "--locked"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let metadata: Value = serde_json::from_slice(&out.stdout).unwrap();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let is_used = |p: &&Value| nodes.iter().any(|n| n["id"] == p["id"]);
    let others = |p: &&Value| !p["source"].is_null();
    metadata["packages"].as_array().unwrap().iter().filter(is_used).filter(others).cloned().collect()
}

/// The quoted strings of a list in `deny.toml`.
fn list(name: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(format!("{WORKSPACE}/deny.toml")).unwrap();
    let (_, rest) = text.split_once(&format!("\n{name} = [\n")).unwrap();
    let lines = rest.lines().take_while(|l| *l != "]");
    lines.map(|l| l.split('"').nth(1).unwrap().to_owned()).collect()
}

/// Whether an SPDX expression can be met with allowed licences. `/` is how old crates spell OR.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut tokens = spaced.split_whitespace().peekable();
    any(&mut tokens, allowed)
}

type Tokens<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(tokens: &mut Tokens<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut met = all(tokens, allowed);
    while tokens.next_if_eq(&"OR").is_some() {
        met |= all(tokens, allowed);
    }
    met
}

fn all(tokens: &mut Tokens<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut met = one(tokens, allowed);
    while tokens.next_if_eq(&"AND").is_some() {
        met &= one(tokens, allowed);
    }
    met
}

fn one(tokens: &mut Tokens<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut licence = tokens.next().unwrap_or_default().to_owned();
    if licence == "(" {
        let met = any(tokens, allowed);
        tokens.next();
        return met;
    }
    if tokens.next_if_eq(&"WITH").is_some() {
        licence += &format!(" WITH {}", tokens.next().unwrap_or_default());
    }
    allowed.contains(&licence)
}

#[test]
fn every_licence_is_one_we_allow() {
    let allowed = list("allow");
    let refused = |p: &&Value| !is_allowed(p["license"].as_str().unwrap_or_default(), &allowed);
    let packages = packages();
    assert!(packages.len() > 100);
    let refused: Vec<_> =
        packages.iter().filter(refused).map(|p| format!("{}: {}", p["name"], p["license"])).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn a_licence_expression_is_read_as_spdx_says() {
    let allowed = BTreeSet::from(["MIT".to_owned(), "ISC".to_owned(), "A WITH x".to_owned()]);
    for met in ["MIT", "GPL-3.0 OR MIT", "GPL/MIT", "MIT AND ISC", "(GPL OR MIT) AND ISC", "A WITH x"] {
        assert!(is_allowed(met, &allowed), "{met}");
    }
    for unmet in ["", "GPL", "MIT AND GPL", "(GPL OR BSL) AND MIT", "A", "MIT WITH x", "GPL OR MIT AND GPL"] {
        assert!(!is_allowed(unmet, &allowed), "{unmet}");
    }
}

#[test]
fn crates_come_from_the_registry_and_none_twice_but_those_that_deny_toml_names() {
    let mut versions: BTreeMap<String, usize> = BTreeMap::new();
    for package in packages() {
        assert!(package["source"].as_str().unwrap().starts_with("registry+"), "{}", package["id"]);
        *versions.entry(package["name"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let twice: BTreeSet<String> =
        versions.into_iter().filter(|(_, n)| *n > 1).map(|(name, _)| name).collect();
    assert_eq!(twice, list("skip"), "left: what is there twice; right: what deny.toml lets be");
}
