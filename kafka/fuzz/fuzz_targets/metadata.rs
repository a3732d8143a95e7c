#![no_main]

use kafka::patch::metadata::{Progress, patch_head};
use libfuzzer_sys::fuzz_target;
use tidegate_kafka_fuzz::{Everyone, assert_bounded, split_version};

// A whole payload never waits; a front of it waits, or gives the same; a patched one changes no more.
fuzz_target!(|bytes: &[u8]| {
    let Some((version, rest)) = split_version(bytes) else { return };
    let Some((cut, payload)) = rest.split_first() else { return };
    let total = payload.len();
    let front = &payload[..total.min(usize::from(*cut))];
    let early = patch_head(front, total, version, &Everyone);
    let whole = patch_head(payload, total, version, &Everyone);
    if early != Ok(Progress::NeedMore) {
        assert_eq!(early.is_ok(), whole.is_ok());
    }
    let Ok(Progress::Done { consumed, head, .. }) = whole else {
        assert!(whole.is_err(), "waits for more of a whole payload");
        return;
    };
    let patched = [&head, &payload[consumed..]].concat();
    assert_bounded(total, patched.len());
    let again = patch_head(&patched, patched.len(), version, &Everyone);
    assert_eq!(again, Ok(Progress::Done { consumed: head.len(), head, unmapped: Vec::new() }));
});
