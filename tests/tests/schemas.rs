//! Our API table against the truth: the message schemas that every kafka-clients jar carries.
//!
//! A Kafka that adds an address to an answer, a version to an API we read, or an API at all, fails here before
//! it surprises anyone.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::process::Command;

use kafka::api;
use serde_json::Value;
use tidegate_tests::{Dist, Version};

/// Answers with an address that pass as they are, and why.
const PASSES: [(&str, &str); 5] = [
    ("DescribeAcls", "names the hosts of clients, which a rule is about"),
    ("DeleteAcls", "names the hosts of clients, which a rule is about"),
    ("DescribeQuorum", "names controller listeners, which nobody reaches through a broker"),
    ("StreamsGroupHeartbeat", "names the endpoints of Streams applications, not of brokers"),
    ("StreamsGroupDescribe", "names the endpoints of Streams applications, not of brokers"),
];

/// The schemas of one kind (`Request`, `Response`) that clients can send to a broker, or its answers.
struct Schemas {
    requests: Vec<Value>,
    responses: Vec<Value>,
}

fn newest() -> Schemas {
    let jar = Dist::resolve(Version::NewestBroker).unwrap().jar("kafka-clients-").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let jar =
        Command::new("jar").current_dir(&dir).arg("xf").arg(jar).arg("common/message").status().unwrap();
    assert!(jar.success());
    let (mut requests, mut responses) = (Vec::new(), Vec::new());
    for file in tidegate_tests::files::list(&dir.path().join("common/message"), ".json").unwrap() {
        let text = fs::read_to_string(&file).unwrap();
        let schema: Value = serde_json::from_str(&without_comments(&text)).unwrap();
        match schema["type"].as_str() {
            Some("request") if for_brokers(&schema) => requests.push(schema),
            Some("response") => responses.push(schema),
            _ => {}
        }
    }
    let known = |r: &Value| requests.iter().any(|q| q["apiKey"] == r["apiKey"]);
    responses.retain(known);
    assert!(requests.len() > 60 && responses.len() == requests.len());
    Schemas { requests, responses }
}

/// Whether a broker's listener answers it; the rest goes between controllers, or is long gone.
fn for_brokers(request: &Value) -> bool {
    request["listeners"].as_array().into_iter().flatten().any(|l| l == "broker")
}

/// Kafka's schemas are JSON with `//` comments.
fn without_comments(text: &str) -> String {
    let strip = |line: &str| {
        let mut in_string = false;
        let bytes = line.as_bytes();
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'"' if at == 0 || bytes[at - 1] != b'\\' => in_string = !in_string,
                b'/' if !in_string && bytes.get(at + 1) == Some(&b'/') => return line[..at].to_owned(),
                _ => {}
            }
        }
        line.to_owned()
    };
    text.lines().map(strip).collect::<Vec<_>>().join("\n")
}

fn key(schema: &Value) -> i16 {
    schema["apiKey"].as_i64().unwrap() as i16
}

fn name(schema: &Value) -> &str {
    let name = schema["name"].as_str().unwrap();
    name.strip_suffix("Request").or(name.strip_suffix("Response")).unwrap()
}

/// The last version of `"3-13"`, `"5"` or `"0+"`; `None` for `"none"`.
fn last(versions: &Value) -> Option<i16> {
    versions.as_str().unwrap().rsplit('-').next().unwrap().parse().ok()
}

/// The first version of `"9+"`, `"3-13"` or `"5"`; `i16::MAX` for `"none"`.
fn first(versions: &Value) -> i16 {
    versions.as_str().unwrap().split(['-', '+']).next().unwrap().parse().unwrap_or(i16::MAX)
}

/// The names of all fields, at any depth, that may say where a server is.
fn addresses(schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let structs = schema["commonStructs"].as_array();
    for fields in [schema["fields"].as_array(), structs].into_iter().flatten().flatten() {
        collect_addresses(fields, &mut found);
    }
    found
}

fn collect_addresses(field: &Value, found: &mut Vec<String>) {
    let name = field["name"].as_str().unwrap();
    let lower = name.to_lowercase();
    // ClientHost says where a group member is: an address of a client.
    let says_where = ["host", "port", "address", "endpoint", "listener"].iter().any(|w| lower.ends_with(w));
    if says_where && name != "ClientHost" {
        found.push(name.to_owned());
    }
    field["fields"].as_array().into_iter().flatten().for_each(|f| collect_addresses(f, found));
}

#[test]
fn every_answer_that_says_where_a_broker_is_has_a_patcher() {
    let mut with_addresses = 0;
    for response in newest().responses {
        let fields = addresses(&response);
        let passes = PASSES.iter().any(|(n, _)| *n == name(&response));
        if fields.is_empty() || passes {
            assert_eq!(fields.is_empty(), !passes, "{} is on the list for nothing", name(&response));
            continue;
        }
        with_addresses += 1;
        let row = api::lookup(key(&response)).unwrap();
        assert_ne!(row.answer, api::Answer::Pass, "{} tells {fields:?}", name(&response));
        assert!(row.understood.is_some(), "{} has a patcher but no cap", row.name);
    }
    assert_eq!(with_addresses, 7, "Produce, Fetch, ShareFetch, ShareAcknowledge and three lists of brokers");
}

#[test]
fn we_understand_exactly_the_versions_that_kafka_has_of_the_apis_we_read() {
    let requests = newest().requests;
    let mut compared = 0;
    for row in api::all() {
        let (Some(understood), Some(request)) = (row.understood, requests.iter().find(|r| key(r) == row.key))
        else {
            continue;
        };
        assert_eq!(Some(understood), last(&request["validVersions"]), "{}", row.name);
        compared += 1;
    }
    assert!(compared >= 9, "only {compared} compared");
}

#[test]
fn names_and_header_versions_of_all_apis_are_kafkas() {
    let Schemas { requests, responses } = newest();
    for (request, response) in
        requests.iter().map(|q| (q, responses.iter().find(|r| r["apiKey"] == q["apiKey"])))
    {
        let row =
            api::lookup(key(request)).unwrap_or_else(|| panic!("{} is not in the table", name(request)));
        assert_eq!(row.name, name(request));
        let flexible = first(&request["flexibleVersions"]);
        assert_eq!(row.flexible_from, flexible, "{}", row.name);
        assert_eq!(first(&response.unwrap()["flexibleVersions"]), flexible, "{}", row.name);
    }
}

#[test]
fn record_bytes_stand_only_where_the_splitter_lets_them_stream() {
    let has_records = |s: &&Value| s.to_string().contains("\"type\":\"records\"");
    let Schemas { requests, responses } = newest();
    let names =
        |all: &[Value]| all.iter().filter(has_records).map(|s| name(s).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&requests), ["Produce"]);
    assert_eq!(names(&responses), ["Fetch", "ShareFetch"]);
}
