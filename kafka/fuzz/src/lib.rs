//! What the targets share: a directory, and what must hold of every patcher.

use kafka::api::Answer;
use kafka::patch::{AbsentBroker, Directory, held_answer};
use kafka::types::BrokerId;

/// Two of three brokers have an endpoint; brokers 100 and 102 have died lately.
pub struct Everyone;

impl Directory for Everyone {
    fn endpoint(&self, id: BrokerId) -> Option<(&str, u16)> {
        (id.0 % 3 != 0).then_some(("gateway.example", 29_100))
    }

    fn absent(&self, present: &[BrokerId]) -> Vec<AbsentBroker> {
        let dead = [100, 102].map(|id| AbsentBroker { id: BrokerId(id), rack: Some("az1".into()) });
        dead.into_iter().filter(|broker| !present.contains(&broker.id)).collect()
    }
}

/// The first byte as a version, and the rest.
pub fn split_version(bytes: &[u8]) -> Option<(i16, &[u8])> {
    bytes.split_first().map(|(first, rest)| (i16::from(first % 16), rest))
}

/// A node takes at least 10 bytes and becomes at most 40 with the endpoints of [`Everyone`].
pub fn assert_bounded(input: usize, output: usize) {
    assert!(output <= 4 * input + 128, "{input} bytes became {output}");
}

/// A patched answer can be read, and patching it once more changes nothing.
pub fn check_held(answer: Answer, bytes: &[u8]) {
    let Some((version, payload)) = split_version(bytes) else { return };
    let Ok(Some(patched)) = held_answer(answer, payload, version, &Everyone) else { return };
    assert_bounded(payload.len(), patched.payload.len());
    let again =
        held_answer(answer, &patched.payload, version, &Everyone).expect("what a patcher makes can be read");
    assert!(again.is_none_or(|again| again.payload == patched.payload));
}
