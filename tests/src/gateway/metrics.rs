//! Reading Prometheus text (exposition format 0.0.4).

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use crate::http;

/// One line of `/metrics`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric's name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// All samples of one scrape.
#[derive(Clone, Debug, Default)]
pub struct Metrics(pub Vec<Sample>);

impl Metrics {
    /// What `/metrics` at `admin` (`host:port`) says now.
    pub fn of(admin: &str) -> Result<Self> {
        let answer = http::get(admin, "/metrics")?;
        ensure!(answer.status == 200, "/metrics answers {}", answer.status);
        Self::parse(&answer.body)
    }

    fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
        Ok(Self(lines.map(|l| sample(l).with_context(|| format!("odd metric: {l}"))).collect::<Result<_>>()?))
    }

    /// The sum of all samples with this name and these labels; 0 if there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted = |s: &&Sample| {
            let has = |(k, v): &(&str, &str)| s.labels.get(*k).is_some_and(|have| have == v);
            s.name == name && labels.iter().all(has)
        };
        self.0.iter().filter(wanted).map(|s| s.value).sum()
    }
}

fn sample(line: &str) -> Option<Sample> {
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (key, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.insert(key.trim_start_matches(',').trim().to_owned(), value);
            rest = after;
        }
        rest = &rest[1..];
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// A label's value up to its closing quote, unescaped, and what follows the quote.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text[at + 1..].trim_start_matches(','))),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_with_quotes_commas_and_braces_are_read() {
        let text = "# HELP a b\na_total{x=\"1\",y=\"q\\\"},{\"} 3\na_total{x=\"1\",y=\"z\"} 4.5 1700\nb 1\n";
        let metrics = Metrics::parse(text).unwrap();
        assert_eq!(metrics.sum("a_total", &[("x", "1")]), 7.5);
        assert_eq!(metrics.sum("a_total", &[("y", "q\"},{")]), 3.0);
        assert_eq!((metrics.sum("b", &[]), metrics.sum("c", &[])), (1.0, 0.0));
    }
}
