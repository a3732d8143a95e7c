use super::{Draw, SEEDS, answer, answer_body, request_header};
use crate::api::{self, API_VERSIONS};
use crate::patch::api_versions::{patch, patch_request_node_id, unsupported};
use crate::types::{BrokerId, CorrelationId};
use crate::wire::put_string;
use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};

fn listed(draw: &mut Draw, version: i16) -> ApiVersion {
    let min = draw.below(16) as i16;
    let mut listed = ApiVersion::default()
        .with_api_key(draw.below(100) as i16)
        .with_min_version(min)
        .with_max_version(min + draw.below(16) as i16);
    if version >= 3 {
        listed.unknown_tagged_fields = draw.tags();
    }
    listed
}

fn message(draw: &mut Draw, version: i16) -> ApiVersionsResponse {
    let mut message = ApiVersionsResponse::default()
        .with_throttle_time_ms(draw.i32())
        .with_api_keys((0..60).map(|_| listed(draw, version)).collect());
    if version >= 3 {
        let supported = SupportedFeatureKey::default().with_name(draw.text()).with_max_version(draw.i16());
        let finalized = FinalizedFeatureKey::default().with_name(draw.text());
        message = message
            .with_supported_features(vec![supported.with_min_version(1)])
            .with_finalized_features_epoch(draw.i64())
            .with_finalized_features(vec![finalized.with_max_version_level(draw.i16())])
            .with_unknown_tagged_fields(draw.tags());
    }
    message
}

pub(super) fn payload(draw: &mut Draw, version: i16) -> Vec<u8> {
    let version = version.min(4); // v5 has the layout of v4
    let message = message(draw, version);
    answer(draw, API_VERSIONS, version, &message)
}

fn cap(key: i16) -> i16 {
    api::lookup(key).and_then(|api| api.understood).unwrap_or(i16::MAX)
}

#[test]
fn ranges_are_capped_or_dropped_and_everything_else_passes() {
    let (mut capped, mut dropped) = (0, 0);
    for (version, seed) in (0..=5).flat_map(|version| (0..SEEDS).map(move |seed| (version, seed))) {
        let payload = payload(&mut Draw::new(seed), version);
        let mut expected: ApiVersionsResponse = answer_body(&payload, API_VERSIONS, version.min(4));
        let before = expected.api_keys.len();
        expected.api_keys.retain(|range| range.min_version <= cap(range.api_key));
        dropped += before - expected.api_keys.len();
        for range in &mut expected.api_keys {
            capped += usize::from(range.max_version > cap(range.api_key));
            range.max_version = range.max_version.min(cap(range.api_key));
        }
        let patched = patch(&payload, version).unwrap().unwrap_or(payload);
        let found: ApiVersionsResponse = answer_body(&patched, API_VERSIONS, version.min(4));
        assert_eq!(found, expected, "v{version} seed {seed}");
    }
    assert!(capped > 100 && dropped > 100, "{capped} capped, {dropped} dropped");
}

#[test]
fn what_we_understand_passes_without_a_copy() {
    let everything = api::all().iter().map(|api| {
        ApiVersion::default().with_api_key(api.key).with_max_version(api.understood.unwrap_or(i16::MAX))
    });
    let message = ApiVersionsResponse::default().with_api_keys(everything.collect());
    for version in 0..=4 {
        let payload = answer(&mut Draw::new(1), API_VERSIONS, version, &message);
        assert_eq!(patch(&payload, version), Ok(None), "v{version}");
    }
}

#[test]
fn the_lower_end_of_produce_stays_for_librdkafka() {
    let produce = ApiVersion::default().with_max_version(14);
    let message = ApiVersionsResponse::default().with_api_keys(vec![produce]);
    let payload = answer(&mut Draw::new(1), API_VERSIONS, 3, &message);
    let found: ApiVersionsResponse = answer_body(&patch(&payload, 3).unwrap().unwrap(), API_VERSIONS, 3);
    assert_eq!((found.api_keys[0].min_version, found.api_keys[0].max_version), (0, 13));
}

#[test]
fn only_ranges_that_our_cap_empties_are_dropped() {
    let range =
        |key, min, max| ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(max);
    let odd = range(api::METADATA, 5, 3); // empty already: the broker's business
    let ranges = vec![odd.clone(), range(api::SHARE_FETCH, 3, 4), range(95, 7, 9)];
    let message = ApiVersionsResponse::default().with_api_keys(ranges);
    for version in 0..=4 {
        let payload = answer(&mut Draw::new(1), API_VERSIONS, version, &message);
        let patched = patch(&payload, version).unwrap().unwrap();
        let found: ApiVersionsResponse = answer_body(&patched, API_VERSIONS, version);
        assert_eq!(found.api_keys, [odd.clone(), range(95, 7, 9)], "v{version}");
    }
}

#[test]
fn a_refusal_has_the_layout_of_v0_whatever_was_asked() {
    let own = ApiVersion::default().with_api_key(API_VERSIONS).with_max_version(9);
    let message = ApiVersionsResponse::default().with_error_code(35).with_api_keys(vec![own]);
    let payload = answer(&mut Draw::new(1), API_VERSIONS, 0, &message);
    for version in 0..=9 {
        let patched = patch(&payload, version).unwrap().unwrap();
        let found: ApiVersionsResponse = answer_body(&patched, API_VERSIONS, 0);
        assert_eq!((found.error_code, found.api_keys[0].max_version), (35, 5));
    }
}

#[test]
fn our_own_refusal_names_the_versions_we_know() {
    let payload = unsupported(CorrelationId(7));
    assert_eq!(payload[..4], [0, 0, 0, 7]);
    let found: ApiVersionsResponse = answer_body(&payload, API_VERSIONS, 0);
    let own = ApiVersion::default().with_api_key(API_VERSIONS).with_max_version(5);
    assert_eq!((found.error_code, found.api_keys), (35, vec![own]));
    assert_eq!(api::lookup(API_VERSIONS).and_then(|api| api.understood), Some(5));
}

/// A v5 request, which the codec lacks (KIP-1242).
pub(super) fn request_payload(draw: &mut Draw, cluster: bool, node: i32) -> Vec<u8> {
    let mut payload = request_header(draw, API_VERSIONS, 5);
    put_string(&mut payload, "client", true);
    put_string(&mut payload, "4.4.0", true);
    if cluster {
        put_string(&mut payload, "cluster-id", true);
    } else {
        payload.push(0);
    }
    payload.extend_from_slice(&node.to_be_bytes());
    payload.extend_from_slice(&[1, 9, 2, 0xaa, 0xbb]);
    payload
}

#[test]
fn the_node_a_client_believes_it_dialled_becomes_the_one_it_reaches() {
    for seed in 0..SEEDS {
        let mut payload = request_payload(&mut Draw::new(seed), true, 3);
        assert_eq!(patch_request_node_id(&mut payload, 5, BrokerId(0x0102)), Ok(true));
        assert_eq!(payload, request_payload(&mut Draw::new(seed), true, 0x0102));
    }
}

#[test]
fn a_request_that_names_no_node_is_left_alone() {
    let mut payload = request_payload(&mut Draw::new(1), false, -1);
    assert_eq!(patch_request_node_id(&mut payload, 5, BrokerId(1)), Ok(false));
    assert_eq!(payload, request_payload(&mut Draw::new(1), false, -1));
    for version in 0..5 {
        assert_eq!(patch_request_node_id(&mut [], version, BrokerId(1)), Ok(false));
    }
}
