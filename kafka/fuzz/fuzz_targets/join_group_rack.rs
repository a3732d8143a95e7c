#![no_main]

use kafka::patch::rack::set_join_group_rack;
use libfuzzer_sys::fuzz_target;
use tidegate_kafka_fuzz::split_version;

// Whoever has been given a rack is not given one again.
fuzz_target!(|bytes: &[u8]| {
    let Some((version, payload)) = split_version(bytes) else { return };
    let Some(patched) = set_join_group_rack(payload, version, "az1") else { return };
    assert!(patched.len() > payload.len());
    assert_eq!(set_join_group_rack(&patched, version, "az1"), None);
});
