#![no_main]

use kafka::patch::endpoints::patch_tags;
use libfuzzer_sys::fuzz_target;
use tidegate_kafka_fuzz::{Everyone, assert_bounded};

fuzz_target!(|bytes: &[u8]| {
    let Ok(Some(patched)) = patch_tags(bytes, &Everyone) else { return };
    assert_bounded(bytes.len(), patched.payload.len());
    let again = patch_tags(&patched.payload, &Everyone).expect("what a patcher makes can be read");
    assert!(again.is_none_or(|again| again.payload == patched.payload));
});
