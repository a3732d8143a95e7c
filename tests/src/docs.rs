//! The threat model and the table of bounds name tests, counters and lines of the log; here it is checked that they exist.

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
fn every_test_that_the_threat_model_and_the_table_of_bounds_name_exists() {
    let sources = sources().expect("the sources");
    for (page, least) in [("docs/security.md", 30), ("docs/operations.md", 12)] {
        let named = named_tests(&fs::read_to_string(root().join(page)).expect(page));
        assert!(named.len() > least, "only {} tests are named in {page}", named.len());
        // A counter's reason may look like a sentence, too; it stands in the source as a text.
        let exists = |name: &String| {
            [format!("fn {name}("), format!("\"{name}\"")].iter().any(|s| sources.contains(s))
        };
        let missing: Vec<_> = named.iter().filter(|name| !exists(name)).collect();
        assert!(missing.is_empty(), "{page}: {missing:#?}");
    }
}

/// The rows of the table of bounds, cell by cell.
fn bounds(page: &str) -> Vec<Vec<&str>> {
    let (_, table) = page.split_once("<!-- bounds -->\n").expect("the table begins");
    let (table, _) = table.split_once("<!-- end of bounds -->").expect("the table ends");
    table.lines().skip(2).map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn every_bound_has_its_counter_and_its_line_in_the_log() {
    let page = fs::read_to_string(root().join("docs/operations.md")).expect("docs/operations.md");
    let gateway = sources().expect("the sources");
    let limits = config::schema()["$defs"]["Limits"]["properties"].clone();
    let rows = bounds(&page);
    for key in limits.as_object().expect("limits").keys() {
        assert!(
            rows.iter().any(|row| row[0].contains(&format!("`limits.{key}`"))),
            "no row for limits.{key}"
        );
    }
    for row in rows {
        let [bound, counter, line, what, _] = row[..] else { panic!("{row:?}") };
        assert!(!what.is_empty(), "what happens at {bound}?");
        assert_eq!(
            counter.is_empty(),
            line.is_empty(),
            "{bound}: a counter and no line, or the other way round"
        );
        let counter = counter.trim_matches('`');
        assert!(
            counter.is_empty() || gateway.contains(&format!("\"{counter}\"")),
            "{bound}: no counter {counter}"
        );
        // What stands in braces in the source is the setting's name.
        let words = line.split("`limits.").next().unwrap_or_default().trim();
        assert!(gateway.contains(words), "{bound}: no line says {words:?}");
    }
}
