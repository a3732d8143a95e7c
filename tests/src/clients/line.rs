//! One line of a driver's output.

use anyhow::{Context, Result};
use serde::Deserialize;

/// What a driver says; see `tests/clients/README.md`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Line {
    Run { p: i32, from: i64, to: i64, bytes: u64 },
    Single { p: i32, o: i64, k: String, bytes: u64 },
    Event(Event),
}

/// What is not a record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(super) enum Event {
    Ready,
    Assigned { partitions: Vec<i32> },
    Revoked {},
    Reset { message: String },
    Error { message: String },
    Sent { n: u64 },
    Aborted { n: u64 },
    Retried { message: String },
    Admin { op: String, ok: bool, message: String },
    Unsupported { what: String },
    End {},
}

impl Line {
    pub(super) fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).with_context(|| format!("a driver said {text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_protocol_is_understood_and_nothing_else() {
        let parse = |text| Line::parse(text).unwrap();
        let run = parse(r#"{"p":0,"from":10,"to":19,"n":10,"bytes":1000}"#);
        assert_eq!(run, Line::Run { p: 0, from: 10, to: 19, bytes: 1000 });
        let single = parse(r#"{"p":1,"o":7,"k":"x","bytes":3}"#);
        assert_eq!(single, Line::Single { p: 1, o: 7, k: "x".into(), bytes: 3 });
        assert_eq!(parse(r#"{"event":"ready"}"#), Line::Event(Event::Ready));
        assert_eq!(parse(r#"{"event":"revoked","partitions":[0]}"#), Line::Event(Event::Revoked {}));
        assert_eq!(parse(r#"{"event":"end","n":3}"#), Line::Event(Event::End {}));
        let assigned = parse(r#"{"event":"assigned","partitions":[0,1]}"#);
        assert_eq!(assigned, Line::Event(Event::Assigned { partitions: vec![0, 1] }));
        assert_eq!(parse(r#"{"event":"sent","n":3}"#), Line::Event(Event::Sent { n: 3 }));
        assert_eq!(parse(r#"{"event":"aborted","n":3}"#), Line::Event(Event::Aborted { n: 3 }));
        let retried = parse(r#"{"event":"retried","n":3,"message":"m"}"#);
        assert_eq!(retried, Line::Event(Event::Retried { message: "m".into() }));
        let admin = parse(r#"{"event":"admin","op":"o","ok":true,"message":""}"#);
        assert_eq!(admin, Line::Event(Event::Admin { op: "o".into(), ok: true, message: String::new() }));
        let unsupported = parse(r#"{"event":"unsupported","what":"o"}"#);
        assert_eq!(unsupported, Line::Event(Event::Unsupported { what: "o".into() }));
        Line::parse(r#"{"event":"surprise"}"#).unwrap_err();
        Line::parse("Traceback").unwrap_err();
    }
}
