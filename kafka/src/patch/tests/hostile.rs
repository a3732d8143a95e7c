use super::{Draw, Map};
use crate::patch::metadata::{Progress, patch_head};
use crate::patch::rack::{set_heartbeat_rack, set_join_group_rack};
use crate::patch::{api_versions, describe_cluster, endpoints, find_coordinator, produce, share};
use crate::types::BrokerId;
use proptest::prelude::*;

/// A patcher seen from outside: the size of what it made, `None` for "nothing to change", or an error.
type Outcome = Result<Option<usize>, ()>;

/// One patcher, the versions it takes, and valid input for it.
struct Target {
    name: &'static str,
    newest: i16,
    run: fn(&[u8], i16) -> Outcome,
    valid: fn(&mut Draw, i16) -> Vec<u8>,
    /// Whether every truncation of valid input is an error: not where only a part is read, or errors pass.
    strict_from: i16,
}

fn everyone() -> Map {
    Map::gateway(0..60)
}

fn outcome(patched: crate::wire::Result<Option<crate::patch::Patched>>) -> Outcome {
    patched.map(|patched| patched.map(|patched| patched.payload.len())).map_err(|_| ())
}

fn run_head(payload: &[u8], version: i16) -> Outcome {
    match patch_head(payload, payload.len(), version, &everyone()).map_err(|_| ())? {
        Progress::NeedMore => panic!("waits for more of a whole payload"),
        Progress::Done { consumed, head, .. } => Ok(Some(head.len() + payload.len() - consumed)),
    }
}

fn run_node_id(payload: &[u8], version: i16) -> Outcome {
    let mut payload = payload.to_vec();
    let named = api_versions::patch_request_node_id(&mut payload, version, BrokerId(1)).map_err(|_| ())?;
    Ok(named.then_some(payload.len()))
}

const TARGETS: [Target; 10] = [
    Target {
        name: "metadata",
        newest: 13,
        run: run_head,
        valid: super::metadata::payload,
        strict_from: i16::MAX,
    },
    Target {
        name: "find coordinator",
        newest: 6,
        run: |payload, version| outcome(find_coordinator::patch(payload, version, &everyone())),
        valid: super::find_coordinator::payload,
        strict_from: 0,
    },
    Target {
        name: "describe cluster",
        newest: 2,
        run: |payload, version| outcome(describe_cluster::patch(payload, version, &everyone())),
        valid: super::describe_cluster::payload,
        strict_from: 0,
    },
    Target {
        name: "produce",
        newest: 13,
        run: |payload, version| outcome(produce::patch(payload, version, &everyone())),
        valid: |draw, version| super::produce::payload(draw, version.max(10)),
        strict_from: 10,
    },
    Target {
        name: "share fetch",
        newest: 2,
        run: |payload, version| outcome(share::patch_fetch(payload, version, &everyone())),
        valid: super::share::fetch_payload,
        strict_from: 0,
    },
    Target {
        name: "share acknowledge",
        newest: 2,
        run: |payload, version| outcome(share::patch_acknowledge(payload, version, &everyone())),
        valid: super::share::acknowledge_payload,
        strict_from: 0,
    },
    Target {
        name: "end of fetch",
        newest: 0,
        run: |payload, _| outcome(endpoints::patch_tags(payload, &everyone())),
        valid: |draw, _| super::fetch_tail::section(draw),
        strict_from: 0,
    },
    Target {
        name: "api versions",
        newest: 5,
        run: |payload, version| {
            api_versions::patch(payload, version)
                .map(|patched| patched.map(|bytes| bytes.len()))
                .map_err(|_| ())
        },
        valid: super::api_versions::payload,
        strict_from: 0,
    },
    Target {
        name: "api versions request",
        newest: 5,
        run: run_node_id,
        valid: |draw, _| super::api_versions::request_payload(draw, true, 1),
        strict_from: i16::MAX,
    },
    Target {
        name: "racks",
        newest: 9,
        run: |payload, version| {
            let join = set_join_group_rack(payload, version, "az1");
            Ok(join.or_else(|| set_heartbeat_rack(payload, version, "az1")).map(|bytes| bytes.len()))
        },
        valid: |draw, version| {
            let of_new_group = version <= 1 && draw.chance();
            let payload =
                if of_new_group { super::rack::heartbeat_payload } else { super::rack::join_payload };
            payload(draw, version)
        },
        strict_from: i16::MAX,
    },
];

/// A node takes at least 10 bytes and becomes at most 30 with the endpoints of [`everyone`].
fn assert_bounded(name: &str, input: usize, outcome: Outcome) {
    if let Ok(Some(size)) = outcome {
        assert!(size <= 4 * input + 64, "{name}: {input} bytes became {size}");
    }
}

#[test]
fn an_answer_cut_anywhere_or_with_a_byte_too_many_is_refused() {
    for target in TARGETS {
        for version in target.strict_from.min(target.newest + 1)..=target.newest {
            let payload = (target.valid)(&mut Draw::new(7), version);
            assert!((target.run)(&payload, version).is_ok(), "{} v{version}", target.name);
            for cut in 0..payload.len() {
                let outcome = (target.run)(&payload[..cut], version);
                assert!(outcome.is_err(), "{} v{version} cut at {cut}", target.name);
            }
            let longer = [&payload[..], &[0]].concat();
            assert!((target.run)(&longer, version).is_err(), "{} v{version} lengthened", target.name);
        }
    }
}

#[test]
fn a_cut_or_lengthened_payload_never_panics() {
    for target in TARGETS {
        for version in 0..=target.newest {
            let mut payload = (target.valid)(&mut Draw::new(9), version);
            for cut in 0..payload.len() {
                assert_bounded(target.name, cut, (target.run)(&payload[..cut], version));
            }
            payload.extend_from_slice(&[0xff; 9]);
            assert_bounded(target.name, payload.len(), (target.run)(&payload, version));
        }
    }
}

#[test]
fn every_byte_set_to_an_extreme_never_panics_and_allocates_nothing_by_a_count() {
    for target in TARGETS {
        for version in 0..=target.newest {
            let mut payload = (target.valid)(&mut Draw::new(13), version);
            for at in 0..payload.len() {
                let before = payload[at];
                for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                    payload[at] = value;
                    assert_bounded(target.name, payload.len(), (target.run)(&payload, version));
                }
                payload[at] = before;
            }
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), version in 0i16..16) {
        for target in TARGETS {
            assert_bounded(target.name, bytes.len(), (target.run)(&bytes, version));
        }
    }

    #[test]
    fn mutated_messages_never_panic(
        seed in any::<u64>(),
        version in 0i16..14,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        for target in TARGETS {
            let version = version.min(target.newest);
            let mut payload = (target.valid)(&mut Draw::new(seed), version);
            for (at, value) in &changes {
                let at = at.index(payload.len());
                payload[at] = *value;
            }
            assert_bounded(target.name, payload.len(), (target.run)(&payload, version));
        }
    }
}
