//! Whatever a server says, the answer is a value or a typed error: no panic, and no memory by declared counts.

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::fake::PATIENCE;
use super::metadata::encoded;
use crate::client::exchange::{ANSWER_MAX, Call};
use crate::client::metadata::{MetadataError, decode};
use crate::client::{Sasl, ScramHash, authenticate, versions};
use crate::types::CorrelationId;
use crate::wire::WireError;

/// Runs `client` on a stream from which it reads `answer` and then the end.
fn against<T>(answer: &[u8], client: impl AsyncFnOnce(&mut tokio::io::DuplexStream) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (mut ours, mut theirs) = tokio::io::duplex(1 << 16);
        theirs.write_all(answer).await.unwrap();
        theirs.shutdown().await.unwrap();
        client(&mut ours).await
    })
}

fn framed(correlation: i32, body: &[u8]) -> Vec<u8> {
    let length = body.len() as i32 + 4;
    [&length.to_be_bytes()[..], &correlation.to_be_bytes(), body].concat()
}

#[test]
fn counts_that_cannot_be_true_are_refused_where_they_stand() {
    for count in [i32::MAX, 1 << 24, -2] {
        // Version 4: throttle time, then the brokers' count.
        let body = [&[0; 4][..], &count.to_be_bytes(), &[0; 64]].concat();
        let outcome = decode(&body, 4);
        assert!(
            matches!(outcome, Err(MetadataError::Malformed(WireError::Length { at: 4, .. }))),
            "{outcome:?}"
        );
        let body = [&[0; 2][..], &count.to_be_bytes(), &[0; 64]].concat();
        assert!(matches!(versions::decode(&body, 0), Err(WireError::Length { at: 2, .. })));
    }
    // Version 9 on: a varint of 2^32 - 1, and one without an end.
    for varint in [[0xff, 0xff, 0xff, 0xff, 0x0f], [0xff; 5]] {
        let body = [&[0; 4][..], &varint, &[0; 64]].concat();
        assert!(matches!(decode(&body, 12), Err(MetadataError::Malformed(_))));
        let body = [&[0; 2][..], &varint, &[0; 64]].concat();
        assert!(versions::decode(&body, 3).is_err());
    }
}

proptest! {
    #[test]
    fn arbitrary_metadata_never_panics(
        body in prop::collection::vec(any::<u8>(), 0..300),
        version in 4i16..=13,
    ) {
        let _ = decode(&body, version);
    }

    #[test]
    fn damaged_metadata_never_panics(
        version in 4i16..=13,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut body = encoded(version).to_vec();
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        // More elements than bytes would mean that a count was believed.
        if let Ok(cluster) = decode(&body, version) {
            let replicas = cluster.topics.iter().flat_map(|t| &t.partitions).map(|p| p.replicas.len()).sum::<usize>();
            prop_assert!(cluster.brokers.len() + cluster.topics.len() + replicas <= body.len());
        }
    }

    #[test]
    fn arbitrary_api_versions_never_panic(
        body in prop::collection::vec(any::<u8>(), 0..100),
        version in 0i16..=4,
    ) {
        if let Ok((_, offered)) = versions::decode(&body, version) {
            prop_assert!(offered.all().count() * 6 <= body.len());
            let _ = (offered.highest(3, 4..=13), offered.range(-1));
        }
    }

    #[test]
    fn arbitrary_frames_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), right in any::<bool>()) {
        let answer = if right { framed(7, &bytes) } else { bytes };
        let call = Call { key: 3, version: 12, correlation: CorrelationId(7), client_id: None, body: &[] };
        let _ = against(&answer, async |stream| call.run(stream, ANSWER_MAX).await);
    }

    #[test]
    fn arbitrary_sasl_answers_never_let_anyone_pose_as_the_broker(
        handshake in prop::collection::vec(any::<u8>(), 0..20),
        round in prop::collection::vec(any::<u8>(), 0..60),
        wellformed in any::<bool>(),
    ) {
        let handshake = if wellformed { vec![0, 0, 0, 0, 0, 0] } else { handshake };
        let answer = [framed(0, &handshake), framed(1, &round)].concat();
        let (username, password) = ("u".to_owned(), "p".into());
        let sasl = Sasl::Scram { hash: ScramHash::Sha256, username, password, token_auth: false };
        let outcome = against(&answer, async |stream| authenticate(stream, &sasl, PATIENCE).await);
        prop_assert!(outcome.is_err());
    }
}
