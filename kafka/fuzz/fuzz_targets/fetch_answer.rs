#![no_main]

use kafka::fetch::answer::{Answer, tags_at};
use kafka::fetch::request::{VERSION_MAX, VERSION_MIN};
use libfuzzer_sys::fuzz_target;
use tidegate_kafka_fuzz::split_version;

fuzz_target!(|bytes: &[u8]| {
    let Some((version, payload)) = split_version(bytes) else { return };
    let version = VERSION_MIN + version % (VERSION_MAX - VERSION_MIN + 1);
    if version >= 12 {
        let _ = tags_at(payload, version);
    }
    let Ok(view) = Answer::parse(payload, version) else { return };
    let frame = view.encode(version, 1);
    assert_eq!(Answer::parse(&frame[4..], version).as_ref(), Ok(&view));
});
