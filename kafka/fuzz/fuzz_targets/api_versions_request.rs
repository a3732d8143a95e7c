#![no_main]

use kafka::patch::api_versions::patch_request_node_id;
use kafka::types::BrokerId;
use libfuzzer_sys::fuzz_target;
use tidegate_kafka_fuzz::split_version;

// At most four bytes change, and only where a node was named.
fuzz_target!(|bytes: &[u8]| {
    let Some((version, payload)) = split_version(bytes) else { return };
    let mut patched = payload.to_vec();
    let named = patch_request_node_id(&mut patched, version, BrokerId(7)) == Ok(true);
    let changed = payload.iter().zip(&patched).filter(|(before, after)| before != after).count();
    assert!(changed <= if named { 4 } else { 0 });
});
