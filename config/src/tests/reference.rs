//! The reference is made from the schema, and the document on disk is what was made.

use crate::reference::{fill, reference, table};

#[test]
fn the_reference_on_disk_is_the_one_that_is_made_from_the_schema() {
    let document = include_str!("../../../docs/configuration.md");
    let made = fill(document).unwrap();
    let stale = document.lines().zip(made.lines()).find(|(old, new)| old != new);
    assert_eq!(stale, None, "run `make reference`");
    assert_eq!(document, made, "run `make reference`");
}

#[test]
fn a_document_that_hides_a_section_or_names_an_unknown_one_is_refused() {
    let unknown = fill("<!-- keys: limitz -->\n<!-- end of keys -->\n").unwrap_err().to_string();
    assert!(unknown.starts_with("line 1:") && unknown.contains("limitz"), "{unknown}");
    assert!(fill("a\n<!-- keys: limits -->\n").unwrap_err().to_string().starts_with("line 2:"));
    let missing = fill("<!-- keys: gateway -->\n<!-- end of keys -->\n").unwrap_err().to_string();
    assert!(missing.contains("`cluster`"), "{missing}");
}

#[test]
fn old_lines_of_a_block_are_replaced_and_the_words_around_it_stay() {
    let sections = ["gateway", "cluster", "listeners", "zones", "fleet", "store", "tiering", "telemetry"];
    let others: String = sections.map(|s| format!("<!-- keys: {s} -->\n<!-- end of keys -->\n")).concat();
    let old = format!("before\n<!-- keys: limits -->\n| old |\n<!-- end of keys -->\nafter\n{others}");
    let new = fill(&old).unwrap();
    assert!(
        new.starts_with("before\n<!-- keys: limits -->\n| key | value | default | meaning |\n|---|"),
        "{new}"
    );
    assert!(new.contains("<!-- end of keys -->\nafter\n") && !new.contains("| old |"), "{new}");
    assert_eq!(fill(&new).unwrap(), new, "and a second time nothing changes");
}

#[test]
fn a_row_says_what_to_write_what_holds_if_nothing_is_written_and_what_it_means() {
    let row = |section: &str, key: &str| {
        let table = table(section).unwrap();
        let found = table.lines().find(|line| line.starts_with(&format!("| `{key}` |")));
        found.unwrap_or_else(|| panic!("no {key} in\n{table}")).to_owned()
    };
    assert!(row("limits", "connections").starts_with("| `connections` | whole number | 50000 | Client"));
    assert!(row("limits", "idle").contains("| duration | 10m |"));
    assert!(row("gateway", "zone").contains("| zone | required |"));
    assert!(row("cluster", "bootstrap").contains("| [host:port, ...] | required |"));
    assert!(row("cluster", "auth.password").contains("| secret | none |"));
    assert!(row("cluster", "auth.mechanism").contains("`SCRAM-SHA-256`, `SCRAM-SHA-512`"));
    assert!(row("zones", "reads").contains("| `in_zone`, `as_is` | in_zone |"));
    assert!(row("tiering", "topics[].hot.time").contains("| duration |"));
    assert!(row("fleet", "members[].admin").contains("| host:port | required |"));
    assert!(row("ClientRule", "cidr").contains("prefix"));
}

#[test]
fn every_key_has_a_meaning() {
    let all = reference();
    let rows = all.lines().filter(|line| line.starts_with("| `"));
    let empty: Vec<_> = rows.filter(|row| row.ends_with("|  |")).collect();
    assert_eq!(empty, [""; 0]);
}
