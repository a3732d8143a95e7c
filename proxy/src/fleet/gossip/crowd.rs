//! How many processes gossip may know. Every datagram that asks for news lists all of them, dead ones too until they are half forgotten, so that a few
//! gateways that start again and again fill the list; and chitchat ends, by a panic, once its list fills a datagram.

use chitchat::{Chitchat, ChitchatId, Deserializable, Serializable};

/// Longest list, in bytes: some 600 processes whose ids have 25 letters, where 200 gateways are believed. What is left of a datagram is for what they say.
pub(super) const LIST_MAX: usize = 40 * 1024;

/// A process is listed with three counters of 64 bits: its heartbeat and two versions.
const COUNTERS_LEN: usize = 24;
/// The last kind of message that carries a list (SYN is 0, SYN-ACK is 1).
const WITH_LIST_MAX: u8 = 1;

/// The length of the list that this process sends.
pub(super) fn list_len(chitchat: &Chitchat) -> usize {
    let half_forgotten: std::collections::HashSet<_> = chitchat.scheduled_for_deletion_nodes().collect();
    let listed = chitchat.node_states().keys().filter(|id| !half_forgotten.contains(id));
    listed.map(entry_len).sum()
}

fn entry_len(id: &ChitchatId) -> usize {
    id.serialized_len() + COUNTERS_LEN
}

/// The length of the list in a message as it came; 0 if it has none. chitchat 0.11 writes a magic number (u16), a version (u8), the kind (u8), and then, in
/// kinds with a list, how many are listed (u16), and those.
pub(super) fn list_len_in(said: &[u8]) -> usize {
    let Some((&[_, _, _, kind], mut rest)) = said.split_first_chunk() else { return 0 };
    if kind > WITH_LIST_MAX {
        return 0;
    }
    let listed = u16::deserialize(&mut rest).unwrap_or_default();
    // A list that is cut short is none to chitchat either, and is refused there.
    (0..listed).map_while(|_| take_entry(&mut rest)).sum()
}

fn take_entry(rest: &mut &[u8]) -> Option<usize> {
    let id = ChitchatId::deserialize(rest).ok()?;
    *rest = rest.get(COUNTERS_LEN..)?;
    Some(entry_len(&id))
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A SYN of the fleet that lists these processes as having been heard once.
    pub(crate) fn syn(ids: &[ChitchatId]) -> Vec<u8> {
        let mut out = vec![0x53, 0xb0, 0, 0];
        (ids.len() as u16).serialize(&mut out);
        for id in ids {
            id.serialize(&mut out);
            [1u64, 0, 0].iter().for_each(|counter| counter.serialize(&mut out));
        }
        "tidegate".serialize(&mut out);
        out
    }

    /// Processes of as many gateways.
    pub(crate) fn processes(ids: std::ops::Range<u64>) -> Vec<ChitchatId> {
        let at = ([127, 0, 0, 1], 1).into();
        ids.map(|n| ChitchatId::new(format!("a-gateway-that-begins-{n:06}"), n, at)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chitchat::transport::UdpTransport;
    use chitchat::{ChitchatConfig, ChitchatMessage, FailureDetectorConfig, spawn_chitchat};
    use proptest::prelude::*;
    use tokio::net::UdpSocket;

    use super::testing::{processes, syn};
    use super::*;

    #[test]
    fn the_list_is_measured_whatever_else_a_message_says() {
        let ids = processes(0..300);
        let said = syn(&ids);
        assert!(ChitchatMessage::deserialize(&mut &said[..]).is_ok(), "a message as chitchat reads it");
        assert_eq!(list_len_in(&said), ids.iter().map(entry_len).sum::<usize>());
        assert_eq!(list_len_in(&syn(&[])), 0);
        let ack = [&[0x53, 0xb0, 0, 2], &said[4..]].concat();
        assert_eq!(list_len_in(&ack), 0, "an ACK has no list");
    }

    /// The layout is chitchat's own affair: another version may have another one.
    #[tokio::test]
    async fn the_list_is_measured_in_what_chitchat_really_sends() {
        let seed = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let id = processes(0..1).remove(0);
        let config = ChitchatConfig {
            chitchat_id: id.clone(),
            cluster_id: "tidegate".into(),
            gossip_interval: Duration::from_millis(10),
            listen_addr: "127.0.0.1:0".parse().unwrap(),
            seed_nodes: vec![seed.local_addr().unwrap().to_string()],
            failure_detector_config: FailureDetectorConfig::default(),
            marked_for_deletion_grace_period: Duration::from_secs(1),
            catchup_callback: None,
            extra_liveness_predicate: None,
        };
        let handle = spawn_chitchat(config, Vec::new(), &UdpTransport).await.unwrap();
        let mut said = [0; 1024];
        let came = tokio::time::timeout(Duration::from_secs(30), seed.recv(&mut said)).await;
        let said = &said[..came.unwrap().unwrap()];
        let own = handle.with_chitchat(|chitchat| list_len(chitchat)).await;
        assert_eq!((list_len_in(said), own), (entry_len(&id), entry_len(&id)));
        assert_eq!(said.len(), 4 + 2 + entry_len(&id) + "tidegate".serialized_len());
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(said in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(list_len_in(&said) <= said.len());
        }
    }
}
