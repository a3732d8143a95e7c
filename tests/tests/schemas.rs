//! Our API table against the truth: the message schemas that every kafka-clients jar carries.
//!
//! A Kafka that adds an address to an answer, a version to an API we read, or an API at all, fails here before
//! it surprises anyone.

#![allow(missing_docs, clippy::unwrap_used)]

use kafka::api;
use tidegate_tests::schema::{Field, Kind, Message, Schemas};
use tidegate_tests::{Dist, Version};

/// Answers with an address that pass as they are, and why.
const PASSES: [(&str, &str); 5] = [
    ("DescribeAcls", "names the hosts of clients, which a rule is about"),
    ("DeleteAcls", "names the hosts of clients, which a rule is about"),
    ("DescribeQuorum", "names controller listeners, which nobody reaches through a broker"),
    ("StreamsGroupHeartbeat", "names the endpoints of Streams applications, not of brokers"),
    ("StreamsGroupDescribe", "names the endpoints of Streams applications, not of brokers"),
];

fn newest() -> Schemas {
    Schemas::of(&Dist::resolve(Version::NewestBroker).unwrap()).unwrap()
}

/// Requests that a broker's listener answers; the rest goes between controllers.
fn requests(schemas: &Schemas) -> Vec<&Message> {
    let for_brokers = |m: &&Message| m.listeners.iter().any(|l| l == "broker");
    let requests: Vec<_> = schemas.all(Kind::Request).filter(for_brokers).collect();
    assert!(requests.len() > 60, "only {}", requests.len());
    requests
}

/// Their answers.
fn responses(schemas: &Schemas) -> Vec<&Message> {
    let answer = |m: &Message| schemas.get(Kind::Response, m.api_key.unwrap()).unwrap();
    requests(schemas).into_iter().map(answer).collect()
}

/// The names of all fields, at any depth, that may say where a server is.
fn addresses(message: &Message) -> Vec<&str> {
    let structs = message.common_structs.iter().flat_map(|s| &s.fields);
    all_fields(message.fields.iter().chain(structs))
        .map(|f| f.name.as_str())
        .filter(|n| says_where(n))
        .collect()
}

fn says_where(name: &str) -> bool {
    let lower = name.to_lowercase();
    // ClientHost says where a group member is: an address of a client.
    let endings = ["host", "port", "address", "endpoint", "listener"];
    name != "ClientHost" && endings.iter().any(|end| lower.ends_with(end))
}

fn all_fields<'a>(fields: impl Iterator<Item = &'a Field> + 'a) -> Box<dyn Iterator<Item = &'a Field> + 'a> {
    Box::new(fields.flat_map(|f| std::iter::once(f).chain(all_fields(f.fields.iter()))))
}

#[test]
fn every_answer_that_says_where_a_broker_is_has_a_patcher() {
    let schemas = newest();
    let mut with_addresses = 0;
    for response in responses(&schemas) {
        let (name, fields) = (response.api_name(), addresses(response));
        let passes = PASSES.iter().any(|(n, _)| *n == name);
        if fields.is_empty() || passes {
            assert_eq!(fields.is_empty(), !passes, "{name} is on the list for nothing");
            continue;
        }
        with_addresses += 1;
        let row = api::lookup(response.api_key.unwrap()).unwrap();
        assert_ne!(row.answer, api::Answer::Pass, "{name} tells {fields:?}");
        assert!(row.understood.is_some(), "{name} has a patcher but no cap");
    }
    assert_eq!(with_addresses, 7, "Produce, Fetch, ShareFetch, ShareAcknowledge and three lists of brokers");
}

#[test]
fn we_understand_exactly_the_versions_that_kafka_has_of_the_apis_we_read() {
    let schemas = newest();
    let understood =
        |m: &&Message| api::lookup(m.api_key.unwrap()).is_some_and(|row| row.understood.is_some());
    let compared: Vec<_> = requests(&schemas).into_iter().filter(understood).collect();
    for request in &compared {
        let row = api::lookup(request.api_key.unwrap()).unwrap();
        assert_eq!(row.understood, request.versions.last(), "{}", row.name);
    }
    assert!(compared.len() >= 9, "only {} compared", compared.len());
}

#[test]
fn names_and_header_versions_of_all_apis_are_kafkas() {
    let schemas = newest();
    for (request, response) in requests(&schemas).into_iter().zip(responses(&schemas)) {
        let row =
            api::lookup(request.api_key.unwrap()).unwrap_or_else(|| panic!("no row for {}", request.name));
        assert_eq!(row.name, request.api_name());
        assert_eq!(row.flexible_from, request.flexible.first(), "{}", row.name);
        assert_eq!(row.flexible_from, response.flexible.first(), "{}", row.name);
    }
}

#[test]
fn record_bytes_stand_only_where_the_splitter_lets_them_stream() {
    let schemas = newest();
    let records = |m: &&Message| all_fields(m.fields.iter()).any(|f| f.kind == "records");
    let names =
        |all: Vec<&Message>| all.iter().filter(|m| records(m)).map(|m| m.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(requests(&schemas)), ["ProduceRequest"]);
    assert_eq!(names(responses(&schemas)), ["FetchResponse", "ShareFetchResponse"]);
}
