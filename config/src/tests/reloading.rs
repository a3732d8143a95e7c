//! What a change of the file needs.

use super::{SMALLEST, instead, right, with};
use crate::{Changes, diff};

fn change(new: &str) -> Changes {
    diff(&right(SMALLEST), &right(new))
}

#[test]
fn each_section_says_whether_it_can_change_while_running() {
    assert_eq!(change(SMALLEST), Changes::default());
    let member = "{id: b, zone: az2, listener: clients, advertise: b, brokers: {ports: 1-9}, admin: b:1}";
    let live = [
        (with("zones: {reads: as_is}"), "zones"),
        (with(&format!("fleet: {{members: [{member}]}}")), "fleet"),
        (with("limits: {idle: 1h}"), "limits"),
    ];
    for (text, section) in live {
        assert_eq!(change(&text), Changes { live: vec![section], restart: vec![] });
    }
    let restart = [
        (instead("zone: az1", "zone: az2"), vec!["gateway"]),
        (instead("kafka-1", "kafka-2"), vec!["cluster"]),
        (instead("29199", "29198"), vec!["listeners"]),
        (with("store: {dir: d}\ntiering: {topics: [{match: a, hot: {time: 1h}}]}"), vec!["store", "tiering"]),
    ];
    for (text, sections) in restart {
        assert_eq!(change(&text), Changes { live: vec![], restart: sections });
    }
}
