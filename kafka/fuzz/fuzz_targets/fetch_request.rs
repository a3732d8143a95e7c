#![no_main]

use kafka::fetch::request::{FetchRequest, Session, VERSION_MAX, VERSION_MIN};
use libfuzzer_sys::fuzz_target;
use tidegate_kafka_fuzz::split_version;

fuzz_target!(|bytes: &[u8]| {
    let Some((version, payload)) = split_version(bytes) else { return };
    let version = VERSION_MIN + version % (VERSION_MAX - VERSION_MIN + 1);
    let Ok(view) = FetchRequest::parse(payload, version) else { return };
    assert!(view.partitions.len() * 16 <= payload.len(), "more partitions than bytes");
    for changed in [view.rights_probe(payload), view.peek(payload, Some("az1")), view.peek(payload, None)] {
        let again = FetchRequest::parse(&changed, version).expect("what was changed can be read");
        assert_eq!((again.session, again.partitions.len()), (Session::None, view.partitions.len()));
    }
});
