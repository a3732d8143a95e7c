//! The one table of Kafka's APIs: key, name, header versions, and what a gateway does with each.
//!
//! Rows follow the schemas in the jar of kafka-clients 4.4.0 (`common/message/*.json`); keys 4-7, whose
//! schemas Kafka 4.0 removed, follow 3.9. A key that is not here still passes: [`request_header_version`].

/// PRODUCE.
pub const PRODUCE: i16 = 0;
/// FETCH.
pub const FETCH: i16 = 1;
/// LIST_OFFSETS.
pub const LIST_OFFSETS: i16 = 2;
/// METADATA.
pub const METADATA: i16 = 3;
/// CONTROLLED_SHUTDOWN, gone since Kafka 4.0; its v0 is the only request with header version 0.
pub const CONTROLLED_SHUTDOWN: i16 = 7;
/// FIND_COORDINATOR.
pub const FIND_COORDINATOR: i16 = 10;
/// JOIN_GROUP.
pub const JOIN_GROUP: i16 = 11;
/// SASL_HANDSHAKE.
pub const SASL_HANDSHAKE: i16 = 17;
/// API_VERSIONS.
pub const API_VERSIONS: i16 = 18;
/// CREATE_TOPICS.
pub const CREATE_TOPICS: i16 = 19;
/// DELETE_RECORDS (KIP-107).
pub const DELETE_RECORDS: i16 = 21;
/// INIT_PRODUCER_ID.
pub const INIT_PRODUCER_ID: i16 = 22;
/// OFFSET_FOR_LEADER_EPOCH.
pub const OFFSET_FOR_LEADER_EPOCH: i16 = 23;
/// WRITE_TXN_MARKERS.
pub const WRITE_TXN_MARKERS: i16 = 27;
/// DESCRIBE_ACLS.
pub const DESCRIBE_ACLS: i16 = 29;
/// DESCRIBE_CONFIGS.
pub const DESCRIBE_CONFIGS: i16 = 32;
/// SASL_AUTHENTICATE.
pub const SASL_AUTHENTICATE: i16 = 36;
/// INCREMENTAL_ALTER_CONFIGS.
pub const INCREMENTAL_ALTER_CONFIGS: i16 = 44;
/// DESCRIBE_CLUSTER.
pub const DESCRIBE_CLUSTER: i16 = 60;
/// CONSUMER_GROUP_HEARTBEAT (KIP-848).
pub const CONSUMER_GROUP_HEARTBEAT: i16 = 68;
/// SHARE_FETCH (KIP-932).
pub const SHARE_FETCH: i16 = 78;
/// SHARE_ACKNOWLEDGE (KIP-932).
pub const SHARE_ACKNOWLEDGE: i16 = 79;

/// What a gateway does with an API's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// Request and answer stream through unread.
    Forward,
    /// The request streams through; the answer is patched on its way back.
    Rewrite,
    /// The request may be read, changed or answered here before anything else happens to it.
    Intercept,
}

/// Which patcher an API's answer goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// None: the bytes pass.
    Pass,
    /// Version ranges are capped ([`crate::patch::api_versions`]).
    ApiVersions,
    /// The broker list ([`crate::patch::metadata`]).
    Metadata,
    /// The coordinators ([`crate::patch::find_coordinator`]).
    FindCoordinator,
    /// The broker list ([`crate::patch::describe_cluster`]).
    DescribeCluster,
    /// Node endpoints of v10 and up ([`crate::patch::produce`]).
    Produce,
    /// Node endpoints of v16 and up, at the end of an answer that is held whole only where it is short.
    Fetch,
    /// Node endpoints ([`crate::patch::share`]).
    ShareFetch,
    /// Node endpoints ([`crate::patch::share`]).
    ShareAcknowledge,
    /// Read, not changed: after v0 the connection carries SASL bytes without Kafka's request header.
    SaslHandshake,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Api {
    /// The API key; also the row's index.
    pub key: i16,
    /// Kafka's name of the API, as its message schemas spell it.
    pub name: &'static str,
    /// The first version with tagged fields (KIP-482); `i16::MAX` for "never".
    pub flexible_from: i16,
    /// What happens to its frames.
    pub handling: Handling,
    /// The newest version whose bodies our views and patchers know. ApiVersions answers are capped to it,
    /// because a body we cannot walk would leak an address. `None`: clients may use whatever the broker has.
    pub understood: Option<i16>,
    /// What happens to its answers.
    pub answer: Answer,
}

impl Api {
    const fn forward(key: i16, name: &'static str, flexible_from: i16) -> Self {
        Self { key, name, flexible_from, handling: Handling::Forward, understood: None, answer: Answer::Pass }
    }

    const fn rewrite(self, answer: Answer, understood: i16) -> Self {
        Self { handling: Handling::Rewrite, answer, understood: Some(understood), ..self }
    }

    const fn intercept(self) -> Self {
        Self { handling: Handling::Intercept, ..self }
    }

    /// Whether bodies of this version carry tagged fields and compact lengths.
    pub fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible_from
    }
}

/// The row of an API key, in constant time; `None` for a key newer than this table.
pub fn lookup(key: i16) -> Option<&'static Api> {
    usize::try_from(key).ok().and_then(|index| TABLE.get(index))
}

/// Every row, by key from 0.
pub fn all() -> &'static [Api] {
    &TABLE
}

/// The API's name, "unknown" for a key newer than this table: a bounded label for logs and metrics.
pub fn name_of(key: i16) -> &'static str {
    lookup(key).map_or("unknown", |api| api.name)
}

/// The version (0, 1 or 2) of the request header. Unknown keys have 2: every API since key 55 is flexible
/// from its first version. Source: `ApiMessageType.requestHeaderVersion`.
pub fn request_header_version(key: i16, version: i16) -> i16 {
    match lookup(key) {
        Some(api) if api.is_flexible(version) => 2,
        Some(_) if key == CONTROLLED_SHUTDOWN && version == 0 => 0,
        Some(_) => 1,
        None => 2,
    }
}

/// The version (0 or 1) of the response header. ApiVersions always has 0, because its sender may not know
/// yet what the other side can read (KIP-511); unknown keys have 1.
/// Source: `ApiMessageType.responseHeaderVersion`.
pub fn response_header_version(key: i16, version: i16) -> i16 {
    match lookup(key) {
        Some(_) if key == API_VERSIONS => 0,
        Some(api) => i16::from(api.is_flexible(version)),
        None => 1,
    }
}

const NEVER: i16 = i16::MAX;

static TABLE: [Api; 95] = [
    Api::forward(0, "Produce", 9).rewrite(Answer::Produce, 13),
    Api::forward(1, "Fetch", 12).rewrite(Answer::Fetch, 18).intercept(),
    Api::forward(2, "ListOffsets", 6).intercept(),
    Api::forward(3, "Metadata", 9).rewrite(Answer::Metadata, 13),
    Api::forward(4, "LeaderAndIsr", 4),
    Api::forward(5, "StopReplica", 2),
    Api::forward(6, "UpdateMetadata", 6),
    Api::forward(7, "ControlledShutdown", 3),
    Api::forward(8, "OffsetCommit", 8),
    Api::forward(9, "OffsetFetch", 6),
    Api::forward(10, "FindCoordinator", 3).rewrite(Answer::FindCoordinator, 6),
    Api::forward(11, "JoinGroup", 6).intercept(),
    Api::forward(12, "Heartbeat", 4),
    Api::forward(13, "LeaveGroup", 4),
    Api::forward(14, "SyncGroup", 4),
    Api::forward(15, "DescribeGroups", 5),
    Api::forward(16, "ListGroups", 3),
    Api::forward(17, "SaslHandshake", NEVER).rewrite(Answer::SaslHandshake, 1).intercept(),
    Api::forward(18, "ApiVersions", 3).rewrite(Answer::ApiVersions, 5).intercept(),
    Api::forward(19, "CreateTopics", 5),
    Api::forward(20, "DeleteTopics", 4),
    Api::forward(21, "DeleteRecords", 2).intercept(),
    Api::forward(22, "InitProducerId", 2),
    Api::forward(23, "OffsetForLeaderEpoch", 4).intercept(),
    Api::forward(24, "AddPartitionsToTxn", 3),
    Api::forward(25, "AddOffsetsToTxn", 3),
    Api::forward(26, "EndTxn", 3),
    Api::forward(27, "WriteTxnMarkers", 1),
    Api::forward(28, "TxnOffsetCommit", 3),
    Api::forward(29, "DescribeAcls", 2),
    Api::forward(30, "CreateAcls", 2),
    Api::forward(31, "DeleteAcls", 2),
    Api::forward(32, "DescribeConfigs", 4),
    Api::forward(33, "AlterConfigs", 2),
    Api::forward(34, "AlterReplicaLogDirs", 2),
    Api::forward(35, "DescribeLogDirs", 2),
    Api::forward(36, "SaslAuthenticate", 2),
    Api::forward(37, "CreatePartitions", 2),
    Api::forward(38, "CreateDelegationToken", 2),
    Api::forward(39, "RenewDelegationToken", 2),
    Api::forward(40, "ExpireDelegationToken", 2),
    Api::forward(41, "DescribeDelegationToken", 2),
    Api::forward(42, "DeleteGroups", 2),
    Api::forward(43, "ElectLeaders", 2),
    Api::forward(44, "IncrementalAlterConfigs", 1),
    Api::forward(45, "AlterPartitionReassignments", 0),
    Api::forward(46, "ListPartitionReassignments", 0),
    Api::forward(47, "OffsetDelete", NEVER),
    Api::forward(48, "DescribeClientQuotas", 1),
    Api::forward(49, "AlterClientQuotas", 1),
    Api::forward(50, "DescribeUserScramCredentials", 0),
    Api::forward(51, "AlterUserScramCredentials", 0),
    Api::forward(52, "Vote", 0),
    Api::forward(53, "BeginQuorumEpoch", 1),
    Api::forward(54, "EndQuorumEpoch", 1),
    // Names controller listeners, which nobody reaches through a broker: its addresses pass as they are.
    Api::forward(55, "DescribeQuorum", 0),
    Api::forward(56, "AlterPartition", 0),
    Api::forward(57, "UpdateFeatures", 0),
    Api::forward(58, "Envelope", 0),
    Api::forward(59, "FetchSnapshot", 0),
    Api::forward(60, "DescribeCluster", 0).rewrite(Answer::DescribeCluster, 2),
    Api::forward(61, "DescribeProducers", 0),
    Api::forward(62, "BrokerRegistration", 0),
    Api::forward(63, "BrokerHeartbeat", 0),
    Api::forward(64, "UnregisterBroker", 0),
    Api::forward(65, "DescribeTransactions", 0),
    Api::forward(66, "ListTransactions", 0),
    Api::forward(67, "AllocateProducerIds", 0),
    Api::forward(68, "ConsumerGroupHeartbeat", 0).intercept(),
    Api::forward(69, "ConsumerGroupDescribe", 0),
    Api::forward(70, "ControllerRegistration", 0),
    Api::forward(71, "GetTelemetrySubscriptions", 0),
    Api::forward(72, "PushTelemetry", 0),
    Api::forward(73, "AssignReplicasToDirs", 0),
    Api::forward(74, "ListConfigResources", 0),
    Api::forward(75, "DescribeTopicPartitions", 0),
    Api::forward(76, "ShareGroupHeartbeat", 0),
    Api::forward(77, "ShareGroupDescribe", 0),
    Api::forward(78, "ShareFetch", 0).rewrite(Answer::ShareFetch, 2),
    Api::forward(79, "ShareAcknowledge", 0).rewrite(Answer::ShareAcknowledge, 2),
    Api::forward(80, "AddRaftVoter", 0),
    Api::forward(81, "RemoveRaftVoter", 0),
    Api::forward(82, "UpdateRaftVoter", 0),
    Api::forward(83, "InitializeShareGroupState", 0),
    Api::forward(84, "ReadShareGroupState", 0),
    Api::forward(85, "WriteShareGroupState", 0),
    Api::forward(86, "DeleteShareGroupState", 0),
    Api::forward(87, "ReadShareGroupStateSummary", 0),
    // Streams' user endpoints (88, 89) are addresses of clients, not of brokers: they pass.
    Api::forward(88, "StreamsGroupHeartbeat", 0),
    Api::forward(89, "StreamsGroupDescribe", 0),
    Api::forward(90, "DescribeShareGroupOffsets", 0),
    Api::forward(91, "AlterShareGroupOffsets", 0),
    Api::forward(92, "DeleteShareGroupOffsets", 0),
    Api::forward(93, "StreamsGroupTopologyDescriptionUpdate", 0),
    Api::forward(94, "UnregisterController", 0),
];

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::ApiKey;

    #[test]
    fn every_row_stands_at_its_key() {
        for (index, api) in all().iter().enumerate() {
            assert_eq!(api.key as usize, index, "{}", api.name);
            assert_eq!(lookup(api.key), Some(api));
        }
    }

    #[test]
    fn header_versions_agree_with_the_codec_for_every_key_and_version_it_knows() {
        let mut compared = 0;
        for api in all() {
            let Ok(key) = ApiKey::try_from(api.key) else { continue };
            let range = key.valid_versions();
            for version in range.min..=range.max {
                let here =
                    (request_header_version(api.key, version), response_header_version(api.key, version));
                let there = (key.request_header_version(version), key.response_header_version(version));
                assert_eq!(here, there, "{} v{version}", api.name);
                compared += 1;
            }
        }
        assert!(compared > 200, "only {compared} compared");
    }

    #[test]
    fn a_key_newer_than_the_table_has_the_newest_headers_and_no_name() {
        for key in [95, 1000, i16::MAX, -1, i16::MIN] {
            assert_eq!(lookup(key), None);
            assert_eq!((request_header_version(key, 0), response_header_version(key, 0)), (2, 1));
            assert_eq!(name_of(key), "unknown");
        }
    }

    #[test]
    fn the_first_controlled_shutdown_has_no_client_id_and_api_versions_no_response_tags() {
        assert_eq!(request_header_version(CONTROLLED_SHUTDOWN, 0), 0);
        assert_eq!(request_header_version(CONTROLLED_SHUTDOWN, 1), 1);
        for version in [0, 3, 5, 99] {
            assert_eq!(response_header_version(API_VERSIONS, version), 0);
        }
    }

    #[test]
    fn whatever_answers_with_an_address_has_a_patcher_and_a_cap() {
        let with_patcher: Vec<_> = all().iter().filter(|api| api.answer != Answer::Pass).collect();
        let names: Vec<_> = with_patcher.iter().map(|api| api.name).collect();
        assert_eq!(
            names,
            [
                "Produce",
                "Fetch",
                "Metadata",
                "FindCoordinator",
                "SaslHandshake",
                "ApiVersions",
                "DescribeCluster",
                "ShareFetch",
                "ShareAcknowledge"
            ]
        );
        assert!(with_patcher.iter().all(|api| api.understood.is_some()));
    }
}
