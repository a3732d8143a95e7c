//! Which metrics and labels a text or a PromQL expression names.

use std::collections::BTreeSet;

const OURS: &str = "tidegate_";

fn is_name(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

/// Every `tidegate_...` in a text. What ends in `_` is the beginning of several, what `=` follows (RUST_LOG) a module.
pub(super) fn metrics(text: &str) -> BTreeSet<String> {
    let found = text.match_indices(OURS).filter(|(at, _)| !text[..*at].ends_with(is_name));
    let names = found.map(|(at, _)| {
        text[at..].split_at(text[at..].find(|c: char| !is_name(c)).unwrap_or(text.len() - at))
    });
    names
        .filter(|(name, rest)| !name.ends_with('_') && !rest.starts_with('='))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// A label that an expression asks of a metric, and the value if it has to be exactly that.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Matcher {
    pub(super) metric: String,
    pub(super) label: String,
    pub(super) value: Option<String>,
}

/// The matchers of our metrics in an expression.
pub(super) fn matchers(expr: &str) -> Vec<Matcher> {
    let mut found = Vec::new();
    for name in metrics(expr) {
        for (at, _) in expr.match_indices(&format!("{name}{{")) {
            let inside = expr[at + name.len() + 1..].split('}').next().unwrap_or_default();
            found.extend(inside.split(',').filter_map(|one| matcher(&name, one.trim())));
        }
    }
    found
}

fn matcher(metric: &str, text: &str) -> Option<Matcher> {
    let label: String = text.chars().take_while(|c| is_name(*c)).collect();
    let operator = &text[label.len()..];
    let value = operator.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')).map(str::to_owned);
    (!label.is_empty()).then(|| Matcher { metric: metric.to_owned(), label, value })
}

/// The labels of `by (...)`.
pub(super) fn groupings(expr: &str) -> BTreeSet<String> {
    let lists = expr.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
    lists.flat_map(|list| list.split(',')).map(|label| label.trim().to_owned()).collect()
}

#[test]
fn names_labels_and_groupings_are_found() {
    let expr =
        r#"sum by (zone, le) (rate(tidegate_a_total{x="1", y=~"2|3"}[5m])) / tidegate_b unless tidegate:c"#;
    assert_eq!(metrics(expr), ["tidegate_a_total", "tidegate_b"].map(str::to_owned).into());
    assert_eq!(groupings(expr), ["le", "zone"].map(str::to_owned).into());
    let labels: Vec<_> = matchers(expr).into_iter().map(|m| (m.metric, m.label, m.value)).collect();
    let of_a = |label: &str, value: Option<&str>| {
        ("tidegate_a_total".into(), label.into(), value.map(str::to_owned))
    };
    assert_eq!(labels, [of_a("x", Some("1")), of_a("y", None)]);
    let prose = "tidegate_tier_* and tidegate_b, RUST_LOG=tidegate_proxy=debug";
    assert_eq!(metrics(prose), ["tidegate_b".to_owned()].into());
}
