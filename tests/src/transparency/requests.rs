//! What the requests ask about. Values are chosen by field name for all APIs alike, so that a broker has to
//! look something up, nothing is changed, and two askings in a row get the same answer.

use crate::schema::Value;

/// The names a request is about.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Topic, or any other named thing.
    pub topic: String,
    /// The topic's id.
    pub topic_id: [u8; 16],
    /// Group.
    pub group: String,
    /// A record batch as it stands in a `.log` file.
    pub batch: Vec<u8>,
}

impl Scene {
    /// The value of the field at `path` of an API, where the schema's default won't do.
    pub fn choose(&self, key: i16, path: &str) -> Option<Value> {
        let name = path.rsplit('.').next()?;
        if name == "*" {
            return self.element(path);
        }
        Some(match name {
            "Topic" | "TopicName" | "Name" | "ResourceName" => Value::Text(self.topic.clone()),
            // Metadata asks by name: before v12 an id is refused.
            "TopicId" if key == kafka::api::METADATA => Value::Bytes(vec![0; 16]),
            "TopicId" => Value::Bytes(self.topic_id.to_vec()),
            "Group" | "GroupId" | "Key" => Value::Text(self.group.clone()),
            "Records" => Value::Bytes(self.batch.clone()),
            "ClientSoftwareName" | "ClientSoftwareVersion" => Value::Text("raw".into()),
            "Mechanism" if key == kafka::api::SASL_HANDSHAKE => Value::Text("PLAIN".into()),
            // A consumer's question, not a follower's.
            "ReplicaId" | "CurrentLeaderEpoch" => Value::Int(-1),
            "Timestamp" => Value::Int(-1),
            "Acks" => Value::Int(1),
            "TimeoutMs" | "SessionTimeoutMs" | "RebalanceTimeoutMs" => Value::Int(6000),
            "PartitionMaxBytes" | "MaxBytes" => Value::Int(1 << 20),
            // A topic, literally; reading it is allowed. (`ResourceType`, `PatternType`, `AclOperation`.)
            "ResourceType" | "ResourceTypeFilter" => Value::Int(2),
            "PatternTypeFilter" | "ResourcePatternType" | "PermissionType" | "Operation" => Value::Int(3),
            "Principal" => Value::Text("User:nobody".into()),
            // Nothing may come of it.
            "ValidateOnly" => Value::Int(1),
            "AllowAutoTopicCreation" => Value::Int(0),
            "TransactionalId" => Value::Null,
            "BrokerId" => Value::Int(999),
            "MemberId" => Value::Text("no-such-member".into()),
            "MemberEpoch" => Value::Int(5),
            "StatesFilter" | "TypesFilter" | "ForgottenTopicsData" | "ResourceTypes" => Value::Count(0),
            _ => return None,
        })
    }

    fn element(&self, path: &str) -> Option<Value> {
        let array = path.rsplit('.').nth(1)?.to_lowercase();
        if array.contains("topicid") {
            return Some(Value::Bytes(self.topic_id.to_vec()));
        }
        let is = |word: &str| array.contains(word);
        if is("topic") {
            return Some(Value::Text(self.topic.clone()));
        }
        (is("group") || is("coordinatorkeys")).then(|| Value::Text(self.group.clone()))
    }
}
